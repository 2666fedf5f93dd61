import ClusterModel
import Lattices
import Scheduling
import WireProtocol

/// A scheduler with a clock and a little store around it, moved by hand.
///
/// The store answers only when told to (`answerStore`), so that a test decides what is stored when.
struct Driver {
  var scheduler: Scheduler
  var now = Moment(nanoseconds: 1_000_000_000, wallMilliseconds: 1_700_000_000_000)
  /// Effects not yet looked at, oldest first.
  var effects: [Scheduler.Effect] = []
  var store = StoreDouble()

  static let client = Incarnation(77)
  static let digest = digest(1)

  static func digest(_ number: UInt8) -> Bytes { Bytes(repeating: number, count: 32) }

  /// A scheduler that serves, with the functions `square(Int) -> Int` and
  /// `add(Int, Int) -> Int` of the bundle `arithmetic`.
  init(
    limits: SchedulerLimits = SchedulerLimits(), store: StoreDouble = StoreDouble.withArithmetic(),
    incarnation: UInt64 = 5
  ) {
    self.store = store
    scheduler = Scheduler(incarnation: Incarnation(incarnation), seed: 1, limits: limits)
    step(.storeReady)
    answerStore()
    precondition(scheduler.isServing)
    effects.removeAll { $0 == .ready }
  }

  mutating func step(_ input: Scheduler.Input) {
    scheduler.step(input, at: now, into: &effects)
  }

  /// Lets time pass and wakes the scheduler whenever it asked to be.
  mutating func wait(_ duration: Duration) {
    let end = now.nanoseconds + duration.wholeNanoseconds
    while let next = scheduler.nextDeadline, next <= end {
      advance(to: max(next, now.nanoseconds))
      step(.timeReached)
    }
    advance(to: end)
  }

  private mutating func advance(to time: UInt64) {
    now.wallMilliseconds += (time - now.nanoseconds) / 1_000_000
    now.nanoseconds = time
  }

  /// Carries out the store's requests, and those that follow from the answers.
  mutating func answerStore() {
    while let index = effects.firstIndex(where: { $0.storeRequest != nil }) {
      guard let (request, number) = effects.remove(at: index).storeRequest else { return }
      step(.stored(store.answer(request), number: number))
    }
  }

  mutating func attach(_ number: UInt32, life: UInt64 = 1) -> ExecutorID {
    let id = ExecutorID(node: NodeID("n1"), number: number, incarnation: Incarnation(life))
    step(.executorReady(id, processID: 100 + number))
    return id
  }

  mutating func call(_ call: Call, number: UInt64, from client: Incarnation = Driver.client) {
    step(.call(call, number: number, from: client))
  }

  /// The executor's good answer to a dispatch.
  mutating func finish(_ dispatch: Dispatched, awaitsRelease: Bool = false, value: Bytes = [9]) {
    var result = CallResult()
    result.invocation = dispatch.header.invocation
    result.attempt = UInt32(dispatch.header.attempt)
    result.value = value
    result.awaitsRelease = awaitsRelease
    step(.result(result, number: dispatch.number, from: dispatch.executor))
  }

  mutating func release(_ dispatch: Dispatched, failure: Failure? = nil) {
    var entry = Released.Entry()
    entry.invocation = dispatch.header.invocation
    entry.attempt = UInt32(dispatch.header.attempt)
    entry.failure = failure
    step(.released([entry]))
  }

  mutating func takeDispatches() -> [Dispatched] {
    let found = effects.compactMap(Dispatched.init)
    effects.removeAll { Dispatched($0) != nil }
    return found
  }

  /// The answers to clients since the last look.
  mutating func takeAnswers() -> [Answered] {
    let found = effects.compactMap(Answered.init)
    effects.removeAll { Answered($0) != nil }
    return found
  }

  mutating func takeRegistryAnswers() -> [RegistryAnswer] {
    var found: [RegistryAnswer] = []
    effects.removeAll { effect in
      guard case .answerRegistry(let answer, _, _) = effect else { return false }
      found.append(answer)
      return true
    }
    return found
  }

  mutating func ask(_ request: RegistryRequest) -> RegistryAnswer? {
    step(.registry(request, number: 900, from: Self.client))
    answerStore()
    return takeRegistryAnswers().last
  }
}

struct Dispatched {
  let dispatch: Dispatch
  let header: CallHeader
  let number: UInt64
  let executor: ExecutorID
  let reason: PlacementReason

  init?(_ effect: Scheduler.Effect) {
    guard case .dispatch(let dispatch, let number, let executor, let reason) = effect,
      let header = try? CallHeader(dispatch.header)
    else { return nil }
    self.dispatch = dispatch
    self.header = header
    self.number = number
    self.executor = executor
    self.reason = reason
  }
}

struct Answered {
  let result: CallResult
  let number: UInt64
  let client: Incarnation

  init?(_ effect: Scheduler.Effect) {
    guard case .answer(let result, let number, let client) = effect else { return nil }
    self.result = result
    self.number = number
    self.client = client
  }

  var code: ErrorCode? { result.failure?.code }
}

extension Scheduler.Effect {
  var storeRequest: (KeyRequest, UInt64)? {
    if case .store(let request, let number) = self { (request, number) } else { nil }
  }

  var isKill: Bool { if case .kill = self { true } else { false } }
}

extension Call {
  /// Invocations are numbered by the test.
  static func to(
    _ function: String, _ invocation: UInt64, arguments: Int = 1, limit: Duration = .zero,
    attempts: UInt8 = 0
  ) -> Call {
    var header = CallHeader(invocation: InvocationID(high: 1, low: invocation))
    header.remaining = limit
    header.attemptsMax = attempts
    var call = Call()
    call.header = header.encoded()
    call.function = function
    call.arguments = (0..<arguments).map { Argument(encoding: 1, value: [UInt8($0 + 48)]) }
    return call
  }

  func submitted() -> Call {
    var call = self
    call.submit = true
    return call
  }
}

/// Last writer wins by stamp, sets by union: as much of the store as a scheduler can tell.
struct StoreDouble {
  var records: [Key: Record] = [:]
  var pageSize = 2

  static func withArithmetic() -> StoreDouble {
    var store = StoreDouble()
    store.add("square", parameters: 1, bundle: "arithmetic", digest: Driver.digest)
    store.add("add", parameters: 2, bundle: "arithmetic", digest: Driver.digest)
    return store
  }

  mutating func add(_ name: String, parameters: UInt32, bundle: String, digest: Bytes) {
    let record = FunctionRecord.test(name, parameters, bundle: bundle, digest: digest)
    put(ReservedKeys.function(name), record.encoded())
    var names = GrowSet()
    if let index = records[ReservedKeys.functionIndex],
      let set = try? GrowSet(serialized: index.payload)
    {
      names = set
    }
    names.insert(Bytes(text: name))
    records[ReservedKeys.functionIndex] = Record(lattice: .set, payload: names.serialized()[...])
  }

  mutating func put(_ key: Key, _ payload: Bytes) {
    records[key] = Record(lattice: .lastWriterWins, payload: payload)
  }

  func payload(_ key: Key) -> Bytes? {
    records[key].flatMap { $0.isTombstone ? nil : $0.payload }
  }

  mutating func answer(_ request: KeyRequest) -> KeyResponse {
    var response = carryOut(request)
    response.clock = records.values.map(\.stamp).max() ?? 0
    return response
  }

  private mutating func carryOut(_ request: KeyRequest) -> KeyResponse {
    var response = KeyResponse()
    response.type = request.type
    switch request.type {
    case .get: response.tuples = request.tuples.map { get($0.key) }
    case .put: for tuple in request.tuples { response.tuples.append(merge(tuple)) }
    case .delete:
      for tuple in request.tuples {
        delete(tuple)
        response.tuples.append(KeyTuple(key: tuple.key))
      }
    case .list: list(request, into: &response)
    case .explain: preconditionFailure("the scheduler asks no shard to explain a key")
    }
    return response
  }

  private func get(_ key: Key) -> KeyTuple {
    var tuple = KeyTuple(key: key)
    if let record = records[key], !record.isTombstone {
      tuple.record = record.encoded()
      tuple.version = record.version
    } else {
      tuple.failure = Failure(.keyNotFound, "\(key)")
    }
    return tuple
  }

  private mutating func merge(_ tuple: KeyTuple) -> KeyTuple {
    var answer = KeyTuple(key: tuple.key)
    guard var record = try? Record(tuple.record) else {
      answer.failure = Failure(.badRequest, "no record")
      return answer
    }
    answer.version = record.version
    let old = records[tuple.key]
    if record.lattice == .set {
      var names = (try? GrowSet(serialized: old?.payload ?? [])) ?? GrowSet()
      names.merge((try? GrowSet(serialized: record.payload)) ?? GrowSet())
      record.payload = names.serialized()[...]
    } else if let old, old.stamp >= record.stamp {
      return answer
    }
    records[tuple.key] = record
    return answer
  }

  private mutating func delete(_ tuple: KeyTuple) {
    if let old = records[tuple.key], old.stamp >= tuple.version.stamp { return }
    records[tuple.key] = Record(
      lattice: .none, flags: .tombstone,
      version: Version(generation: 1, stamp: tuple.version.stamp), payload: [])
  }

  private func list(_ request: KeyRequest, into response: inout KeyResponse) {
    let prefix = request.tuples[0].key.bytes
    let keys = records.filter { $0.key.bytes.starts(with: prefix) && !$0.value.isTombstone }
      .keys.sorted()
    let page = keys.dropFirst(Int(request.cursor)).prefix(pageSize)
    response.tuples = page.map { KeyTuple(key: $0) }
    let end = Int(request.cursor) + page.count
    response.cursor = end < keys.count ? UInt64(end) : 0
  }
}

extension FunctionRecord {
  static func test(
    _ name: String, _ parameters: UInt32, bundle: String, digest: Bytes = []
  ) -> FunctionRecord {
    var record = FunctionRecord()
    record.name = name
    record.bundleName = bundle
    record.bundle = digest
    record.parameterCount = parameters
    let types = Array(repeating: "Int", count: Int(parameters)).joined(separator: ", ")
    record.signature = "(\(types)) -> Int"
    return record
  }
}
