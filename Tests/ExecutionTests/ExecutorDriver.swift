import CloudburstValues
import ClusterModel
import Lattices
import WireProtocol

@testable import Execution

/// An executor's core with a clock of its own, and short ways to feed and read it.
struct ExecutorDriver {
  static let bundle = ContentDigest(Array(repeating: 7, count: 32)[...])!
  static let identity = ExecutorID(
    node: NodeID("node0"), number: 1, incarnation: Incarnation(42))

  var executor: Executor
  var readings = Executor.Readings(
    monotonic: 1_000_000_000, wall: 1_700_000_000_000, acknowledged: 0)

  /// - Parameter bundleLoaded: a first call that did nothing has loaded the bundle.
  init(limits: ExecutorLimits = ExecutorLimits(), bundleLoaded: Bool = true) {
    executor = Executor(identity: Self.identity, limits: limits)
    guard bundleLoaded else { return }
    _ = step(.dispatched(dispatch("warm"), number: 0))
    _ = step(.bundleReady(Self.ready()))
    _ = step(.bundleLoaded(Self.bundle, nil))
    _ = step(.stageEnded(.result(encoding: 0, [])))
  }

  /// Dispatches up to this number were recalled.
  var recalledUpTo: UInt64?

  /// Answers claims as the slot table would, and leaves them out of the effects.
  mutating func step(_ input: Executor.Input) -> [Executor.Effect] {
    var effects: [Executor.Effect] = []
    executor.step(input, at: readings, into: &effects)
    while let index = effects.firstIndex(where: { $0.claim != nil }) {
      guard let claim = effects.remove(at: index).claim else { break }
      let mayBegin = recalledUpTo.map { claim.number > $0 } ?? true
      executor.step(.claimed(mayBegin), at: readings, into: &effects)
    }
    return effects
  }

  mutating func advance(_ time: Duration) {
    readings.monotonic += time.wholeNanoseconds
    readings.wall += time.wholeNanoseconds / 1_000_000
  }

  /// Dispatches a call of one function and expects its body to run at once.
  mutating func startBody(_ change: (inout Dispatch) -> Void = { _ in }) {
    var call = dispatch("f")
    change(&call)
    let effects = step(.dispatched(call, number: 1))
    precondition(effects.contains { if case .run = $0 { true } else { false } })
  }

  mutating func endBody(_ bytes: Bytes = []) -> [Executor.Effect] {
    step(.stageEnded(.result(encoding: 0, bytes)))
  }

  static func ready() -> BundleReady {
    var ready = BundleReady()
    ready.digest = bundle.bytes
    ready.path = "/bundles/x.so"
    return ready
  }
}

func dispatch(
  _ function: String, _ arguments: [Argument] = [],
  header: CallHeader = CallHeader(invocation: InvocationID(high: 1, low: 2))
) -> Dispatch {
  var dispatch = Dispatch()
  dispatch.header = header.encoded()
  dispatch.stages = [stage(function, arguments)]
  return dispatch
}

func stage(_ function: String, _ arguments: [Argument] = [], upstream: [UInt32] = []) -> Stage {
  var stage = Stage()
  stage.function = function
  stage.bundle = ExecutorDriver.bundle.bytes
  stage.arguments = arguments
  stage.upstream = upstream
  return stage
}

func put(_ key: String, _ text: String) -> CacheWrite {
  var write = CacheWrite(key: Key(key), kind: .put)
  write.value = Bytes(text: text)
  return write
}

func add(_ key: String, _ delta: Int64) -> CacheWrite {
  var write = CacheWrite(key: Key(key), kind: .addToCounter)
  write.delta = delta
  return write
}

func insert(_ key: String, _ element: String) -> CacheWrite {
  var write = CacheWrite(key: Key(key), kind: .addToSet)
  write.value = GrowSet([Bytes(text: element)]).serialized()[...]
  return write
}

func stored(_ text: String, stamp: UInt64 = 5, sequence: UInt64 = 0) -> Record {
  var record = Record(
    lattice: .lastWriterWins, version: Version(generation: 0, stamp: stamp),
    payload: Bytes(text: text))
  record.writeSequence = sequence
  return record
}

func counterRecord(_ value: UInt64) -> Record {
  let counter = Counter([Counter.Entry(actor: 9, added: value, subtracted: 0)])
  return Record(lattice: .counter, payload: counter.serialized()[...])
}

func fetched(_ key: String, _ record: Record?) -> CacheFetched {
  var fetched = CacheFetched()
  fetched.key = Key(key)
  fetched.record = record?.encoded() ?? []
  return fetched
}

extension Executor.Effect {
  var claim: Executor.Claim? {
    if case .claim(let claim) = self { claim } else { nil }
  }
}

extension [Executor.Effect] {
  var result: CallResult? {
    for case .sendResult(let result, _) in self { return result }
    return nil
  }
  var run: StageRun? {
    for case .run(let run) in self { return run }
    return nil
  }
  var answer: ReadAnswer? {
    for case .answer(let answer, _) in self { return answer }
    return nil
  }
  var writes: (CacheWrites, number: UInt64)? {
    for case .sendWrites(let writes, let number) in self { return (writes, number) }
    return nil
  }
  /// Numbers of the look-ups asked for, in order.
  var lookUps: [UInt64] {
    compactMap { if case .lookUp(_, let read) = $0 { read } else { nil } }
  }
  var fetches: [(CacheFetch, number: UInt64)] {
    compactMap { if case .fetch(let fetch, let number) = $0 { (fetch, number) } else { nil } }
  }
}
