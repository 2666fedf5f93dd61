import ClusterModel
import Foundation
import Lattices
import Testing
import WireProtocol

/// Bytes that nobody wrote: random, and valid messages mutated and cut. Every decoder must answer
/// with a value or its typed error; a trap ends the test process. `tools/fuzz` digs deeper.
struct FuzzTests {
  static let samples = 200_000
  static let shards = 4

  /// `CLOUDBURST_FUZZ_SEED` replays another run.
  static let seed =
    ProcessInfo.processInfo.environment["CLOUDBURST_FUZZ_SEED"].flatMap { UInt64($0) } ?? 0xf0_22ed

  @Test(arguments: 0..<shards)
  func arbitraryBytesDecodeToAValueOrATypedError(_ shard: Int) throws {
    let seed = Self.seed &+ UInt64(shard)
    var random = SeededGenerator(seed: seed)
    for sample in 0..<Self.samples / Self.shards {
      let kind = random.pick(MessageKind.all)
      let bytes = random.mangled(kind.sample(&random))
      for reader in [kind, random.pick(MessageKind.all)] {
        let elements = (try? reader.decode(bytes)) ?? 0
        let place: Comment = "\(reader.testDescription), seed \(seed), sample \(sample)"
        try #require(elements <= bytes.count, place)
      }
      let elements = Self.decodeFixedLayouts(bytes)
      try #require(elements <= bytes.count, "payloads, seed \(seed), sample \(sample)")
    }
  }

  /// Records and headers are mostly refused by their first bytes, so they get samples of their own.
  @Test func mangledRecordsAndHeadersDecodeToAValueOrATypedError() throws {
    var random = SeededGenerator(seed: Self.seed)
    for sample in 0..<20_000 {
      var record = Record(
        lattice: random.pick(LatticeType.allCases), version: random.version(),
        payload: random.bytes())
      record.metadata = random.bytes()
      var header = CallHeader(invocation: random.id())
      header.idempotencyKey = random.bytes()
      header.session = random.bytes()
      let frame = CancelCall().framed(.cancel, number: random.number())
      for bytes in [record.encoded(), header.encoded(), frame[...]] {
        let mangled = random.mangled(bytes)
        let elements = Self.decodeFixedLayouts(mangled)
        try #require(elements <= mangled.count, "seed \(Self.seed), sample \(sample)")
      }
    }
  }

  private static func decodeFixedLayouts(_ bytes: Bytes) -> Int {
    let record = (try? Record(bytes)).map { $0.metadata.count + $0.payload.count } ?? 0
    let header = (try? CallHeader(bytes)).map { $0.idempotencyKey.count + $0.session.count } ?? 0
    let frame = (try? Frame(bytes))?.body.count ?? 0
    let set = (try? GrowSet(serialized: bytes))?.elements.count ?? 0
    let counter = (try? Counter(serialized: bytes))?.entries.count ?? 0
    return max(record, header, frame, set, counter)
  }
}

extension SeededGenerator {
  /// `bytes` with some of: flipped bits, bytes set to edge values, a cut, a repetition, an insertion;
  /// now and then bytes that have nothing to do with them.
  mutating func mangled(_ bytes: Bytes) -> Bytes {
    var result = Array(bytes)
    if chance(10) { result = (0..<Int(next() % 64)).map { _ in UInt8(truncatingIfNeeded: next()) } }
    for _ in 0..<Int(next() % 4) {
      guard !result.isEmpty else { break }
      let place = Int(next() % UInt64(result.count))
      switch next() % 5 {
      case 0: result[place] ^= 1 << UInt8(next() % 8)
      case 1: result[place] = pick([0, 1, 0x7f, 0x80, 0xff])
      case 2: result.removeSubrange(place...)
      case 3: result.insert(contentsOf: result[place...].prefix(16), at: place)
      default: result.insert(UInt8(truncatingIfNeeded: next()), at: place)
      }
    }
    return result[...]
  }
}
