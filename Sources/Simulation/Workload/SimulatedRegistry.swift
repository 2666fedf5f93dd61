import ClusterModel
import Lattices
import WireProtocol

/// The registry as an upload of the simulated bundle leaves it in the store.
enum SimulatedRegistry {
  private static let bundle: Bytes = Array(repeating: 7, count: 32)[...]

  static var records: [(key: Key, record: Record)] {
    guard let digest = ContentDigest(bundle) else { preconditionFailure("a digest is 32 bytes") }
    var bundle = BundleRecord()
    bundle.digest = digest.bytes
    bundle.name = "simulated"
    bundle.byteCount = 1
    bundle.chunks = 1
    bundle.functions = SimulatedFunction.names.map { function($0, of: digest) }
    let version = Version(generation: 0, stamp: stamp)
    let names = GrowSet(SimulatedFunction.names.map { Bytes(text: $0) })
    let index = Record(lattice: .set, version: version, payload: names.serialized()[...])
    return bundle.functions.map { value(ReservedKeys.function($0.name), $0.encoded()) } + [
      value(ReservedKeys.bundle(digest), bundle.encoded()),
      value(ReservedKeys.bundleChunk(digest, 0), [1]),
      (ReservedKeys.functionIndex, index),
    ]
  }

  private static let stamp = HybridLogicalClock.stamp(
    milliseconds: World.epochMilliseconds - 1000)

  private static func function(_ name: String, of digest: ContentDigest) -> FunctionRecord {
    var function = FunctionRecord()
    function.name = name
    function.bundleName = "simulated"
    function.bundle = digest.bytes
    function.parameterCount = SimulatedFunction.parameterCount(of: name)
    return function
  }

  private static func value(_ key: Key, _ payload: Bytes) -> (key: Key, record: Record) {
    let version = Version(generation: 0, stamp: stamp)
    return (key, Record(lattice: .lastWriterWins, version: version, payload: payload))
  }
}
