import ClusterModel
import Testing
import WireProtocol

@testable import KeyValueStore

/// Records that are on the disk only. Several shards, deaths and changes of the ring are the
/// simulation's (`TierTests`).
struct ColdRecordTests {
  typealias Harness = ShardHarness
  typealias Effect = StorageShard.Effect

  /// A shard and its log, which merges as RocksDB does.
  private struct Store {
    var harness: Harness
    var log: [Key: Record] = [:]
    var damage = ""
    var failure = ""
    /// Reads that were asked for.
    var loads = 0

    init(budget: Int, waitingMax: Int = 100) {
      var limits = StorageLimits()
      limits.memoryBytesMax = budget
      limits.loadRecordsMax = 2
      limits.coldKeysWaitingMax = waitingMax
      harness = Harness(log: true, limits: limits)
    }

    mutating func step(_ input: StorageShard.Input) -> [Effect] {
      let effects = harness.step(input)
      return effects + perform(effects)
    }

    /// Until nothing is to be done any more.
    mutating func perform(_ effects: [Effect]) -> [Effect] {
      var all: [Effect] = []
      for effect in effects {
        switch effect {
        case .commit(let entries):
          for entry in entries { write(entry) }
          all += step(.committed)
        case .load(let keys): all += step(.loaded(read(keys)))
        default: break
        }
      }
      return all
    }

    private mutating func write(_ entry: StorageShard.LogEntry) {
      guard let record = try? Record(entry.envelope) else {
        log[entry.key] = nil
        return
      }
      log[entry.key].mergeInLog(record)
    }

    mutating func read(_ keys: [Key]) -> [StorageShard.LoadedRecord] {
      loads += 1
      return keys.map { key in
        let isLost = !damage.isEmpty || !failure.isEmpty
        return .init(
          key: key, envelope: isLost ? [] : log[key]?.encoded() ?? [],
          reason: damage.isEmpty ? failure : damage, isDamaged: !damage.isEmpty)
      }
    }

    mutating func put(_ key: String, _ record: Record) {
      _ = perform(harness.send(.put, [Harness.tuple(key, record)]))
    }

    /// Lets the clock's hand go round until there is room.
    mutating func demote() {
      for _ in 0..<20 { _ = step(.timerFired) }
    }

    func isCold(_ key: String) -> Bool {
      let table = harness.shard.table
      return table.find(Key(key)).map { table[$0].isCold } == true
    }
  }

  /// One with a cold set and a cold value, and a warm value.
  private static func store(waitingMax: Int = 100) -> Store {
    var store = Store(budget: 1600, waitingMax: waitingMax)
    store.put("set", Harness.set(elements))
    store.put("value", Harness.value(String(repeating: "v", count: 500)))
    for number in 0..<8 {
      store.put("other\(number)", Harness.value(String(repeating: "o", count: 300)))
    }
    store.demote()
    store.put("warm", Harness.value("w"))
    return store
  }

  private static func isSame(_ one: [Effect], _ other: [Effect]) -> Bool {
    one.replies.map(\.tuples) == other.replies.map(\.tuples)
      && one.refusals.map(\.code) == other.refusals.map(\.code)
  }

  @Test(arguments: [UInt64(0xC01D), 0xC01E, 0xC01F])
  func aSmallBudgetChangesNoAnswer(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var small = Store(budget: 4000)
    var large = Store(budget: 4 << 30)
    for round in 0..<3000 {
      var request = Self.request(&random)
      request.level = .accepted
      let input = StorageShard.Input.request(
        request, number: UInt64(round + 1), from: Harness.client)
      let (answered, expected) = (small.step(input), large.step(input))
      _ = small.step(.timerFired)
      try #require(
        Self.isSame(answered, expected), "seed \(seed), round \(round): \(answered), \(expected)")
      if random.next() % 16 == 0 {
        small.harness.advance(.milliseconds(20))
        large.harness.advance(.milliseconds(20))
        _ = small.step(.timerFired)
        _ = large.step(.timerFired)
      }
    }
    let statistics = small.harness.shard.statistics
    #expect(statistics.demotions > 300 && statistics.promotions > 100, "\(statistics)")
    #expect(large.loads == 0)
  }

  private static func request(_ random: inout SplitMix64) -> KeyRequest {
    var request = KeyRequest()
    request.type = [.get, .get, .put, .put, .put, .delete, .explain][Int(random.next() % 7)]
    if request.type == .delete, random.next() % 3 > 0 { request.type = .get }
    request.tuples = (0..<1 + random.next() % 3).map { _ in
      let number = random.next() % 60
      var tuple = KeyTuple(key: Key("key\(number)"))
      guard request.type == .put else { return tuple }
      switch number % 3 {
      case 0: tuple.counterDelta = Int64(random.next() % 9)
      case 1: tuple.record = Harness.set((0..<12).map { "\($0) \(random.next() % 40)" }).encoded()
      default:
        var record = Harness.value(String(repeating: "v", count: Int(random.next() % 400)))
        if random.next() % 16 == 0 { record.expiry = Harness.start + random.next() % 4000 }
        tuple.record = record.encoded()
      }
      return tuple
    }
    // What is said of the tier differs, of course.
    if request.type == .explain { request.type = .get }
    return request
  }

  @Test func whatIsUsedStaysInMemory() {
    var store = Store(budget: 8000)
    for number in 0..<40 {
      store.put("key\(number)", Harness.value(String(repeating: "v", count: 400)))
      _ = store.step(.request(Self.get("key0"), number: 900, from: Harness.client))
      store.demote()
    }
    #expect(!store.isCold("key0") && store.isCold("key1"))
    let statistics = store.harness.shard.statistics
    #expect(statistics.memoryBytes <= 8000)
    #expect(statistics.keys == 40 && statistics.coldKeys > 15)
    #expect(statistics.storedBytes > 40 * 400)
  }

  private static func get(_ key: String) -> KeyRequest {
    var request = KeyRequest()
    request.tuples = [KeyTuple(key: Key(key))]
    return request
  }

  @Test func requestsOfAKeyKeepTheirOrderAndOthersGoOn() throws {
    var store = Self.store()
    try #require(store.isCold("set") && !store.isCold("warm"))
    let set = KeyTuple(key: Key("set"))
    let more = Harness.tuple("set", Harness.set(["more"]))
    #expect(store.harness.send(.put, [more], level: .accepted) == [.load([Key("set")])])
    #expect(store.harness.send(.get, [set]).isEmpty)
    #expect(store.harness.send(.delete, [set], level: .accepted).isEmpty)
    #expect(store.harness.send(.get, [set]).isEmpty)
    #expect(store.harness.text("warm") == "w")
    let effects = store.step(.loaded(store.read([Key("set")])))
    let answers = effects.replies.compactMap { $0.tuples.first }
    #expect(answers.map(\.failure?.code) == [nil, nil, nil, .keyNotFound])
    #expect(answers[1].decoded?.payload == Harness.set(Self.elements + ["more"]).payload)
  }

  private static let elements = (0..<20).map { "element \($0)" }

  @Test func aPlainPutNeedsNoRead() throws {
    var store = Self.store()
    try #require(store.isCold("value"))
    var request = KeyRequest()
    request.type = .put
    request.level = .accepted
    request.tuples = [Harness.tuple("value", Harness.value("new"))]
    let body = request.encoded()
    var plain = PlainKeyRequest()
    var answer = FrameBuffer()
    var effects: [Effect] = []
    let isServed = body.withUnsafeBytes { body in
      plain.read(body, tuplesMax: 8)
        && store.harness.shard.servePlainly(
          &plain, from: body, number: 1, at: store.harness.now, answer: &answer, into: &effects)
    }
    #expect(isServed && !store.isCold("value"))
    #expect(store.harness.text("value") == "new")
  }

  @Test func whatCannotBeReadIsRefusedAndNeverServed() throws {
    var store = Self.store()
    store.damage = "a block is damaged"
    var effects = store.step(.request(Self.get("value"), number: 60, from: Harness.client))
    #expect(effects.refusals.map(\.code) == [.storageFailed] && effects.replies.isEmpty)
    #expect(store.harness.shard.statistics.damagedRecords == 1)
    store.damage = ""
    effects = store.step(.request(Self.get("value"), number: 61, from: Harness.client))
    #expect(effects.replies.first?.tuples.first?.decoded?.payload.count == 500)
  }

  private static let me = RingMember(name: "a", shard: 0)
  private static let other = RingMember(name: "b", shard: 0)
  private static let otherPeer = PeerID("b")

  /// One shard of a ring of two that hold every key, most of them cold; the other is the test.
  private static func storeOfTwo() -> Store {
    let shards = [me, other].enumerated().map {
      ShardAddress(
        member: $1, incarnation: Incarnation(UInt64($0 + 1)), endpoint: "tcp://\($1.name)")
    }
    var store = Store(budget: 1600)
    let configuration = StorageShard.Configuration(
      me: me, life: Incarnation(1), actor: 1, hasLog: true, defaultLevel: .accepted,
      limits: store.harness.shard.limits)
    store.harness.shard = StorageShard(configuration, ring: RingView.none)
    for number in 0..<8 {
      let value = Harness.value(String(repeating: "o", count: 300), stamp: Harness.stamp(1))
      store.log[Key("key\(number)")] = value
      store.harness.shard.restore(value, under: Key("key\(number)"), at: store.harness.now)
    }
    _ = store.step(.connected(Harness.client, role: .client))
    _ = store.step(.ring(RingView(epoch: 1, copies: 2, shards: shards, placed: [me, other])))
    _ = store.step(.lease(until: .max))
    _ = store.step(.linkUp(other))
    _ = store.step(.shardConnected(otherPeer, shards[1]))
    return store
  }

  @Test func whatCannotBeReadIsAskedOfTheOtherCopy() throws {
    let other = Self.other
    var store = Self.storeOfTwo()
    try #require(store.isCold("key7"))
    store.damage = "a block is damaged"
    let asked = store.step(.request(Self.get("key7"), number: 80, from: Harness.client))
    let questions = asked.compactMap { effect -> (request: KeyRequest, number: UInt64)? in
      guard case .askHolder(let request, let number, other) = effect else { return nil }
      return (request, number)
    }
    let question = try #require(questions.first)
    #expect(question.request.tuples.map(\.key) == [Key("key7")] && asked.replies.isEmpty)
    var answer = KeyResponse()
    answer.ringEpoch = 1
    answer.tuples = [
      Harness.tuple("key7", Harness.value("of the other", stamp: Harness.stamp(2)))
    ]
    let served = store.step(.holderAnswer(answer, number: question.number, from: other))
    #expect(served.replies.first?.tuples.first?.decoded?.payload.text == "of the other")
    #expect(store.harness.shard.statistics.recoveredRecords == 1)
    // Its log has it again, too.
    #expect(store.log[Key("key7")]?.payload.text == "of the other")
    // Nobody has anything of another one.
    let again = store.step(.request(Self.get("key6"), number: 81, from: Harness.client))
    guard case .askHolder(_, let number, _)? = again.first(where: \.isQuestion) else {
      Issue.record("the other copy was not asked: \(again)")
      return
    }
    answer.tuples = [KeyTuple(key: Key("key6"))]
    let refused = store.step(.holderAnswer(answer, number: number, from: other))
    #expect(refused.refusals.map(\.code) == [.storageFailed])
  }

  /// The disk is busy being opened again, or full: nothing is lost by that.
  @Test func aReadThatFailedIsTriedAgainAndGivesNothingUp() throws {
    var store = Self.storeOfTwo()
    try #require(store.isCold("key7"))
    store.failure = "it is not open"
    let effects = store.step(.request(Self.get("key7"), number: 80, from: Harness.client))
    #expect(effects.refusals.map(\.code) == [.storageFailed])
    #expect(effects.refusals.first?.retryAfter != nil)
    var older = Replicate()
    older.epoch = 1
    older.tuples = [Harness.tuple("key7", Harness.value("older", stamp: 1))]
    let held = store.step(.replicate(older, number: 1, from: Self.otherPeer))
    #expect(held.acknowledgements.isEmpty && store.isCold("key7"))
    #expect(store.harness.shard.statistics.damagedRecords == 0)
    store.failure = ""
    store.harness.advance(store.harness.shard.limits.logRetryInterval)
    #expect(store.step(.timerFired).acknowledgements == [1])
    #expect(store.harness.text("key7")?.count == 300)
  }

  @Test func anotherRecordThanTheOneDemotedIsNotServed() throws {
    var store = Self.store()
    let asked = store.harness.send(.get, [KeyTuple(key: Key("value"))])
    #expect(asked == [.load([Key("value")])])
    let other = Harness.value(String(repeating: "n", count: 500), stamp: Harness.stamp(1))
    let effects = store.step(.loaded([.init(key: Key("value"), envelope: other.encoded())]))
    #expect(effects.refusals.map(\.code) == [.storageFailed] && effects.replies.isEmpty)
  }

  @Test func noMoreRequestsWaitForTheDiskThanMay() throws {
    var store = Self.store(waitingMax: 2)
    try #require(store.isCold("set") && store.isCold("value"))
    #expect(store.harness.send(.get, [KeyTuple(key: Key("set"))]).refusals.isEmpty)
    #expect(store.harness.send(.get, [KeyTuple(key: Key("value"))]).refusals.isEmpty)
    let refused = store.harness.send(.get, [KeyTuple(key: Key("set"))]).refusals
    #expect(refused.map(\.code) == [.overloaded] && refused.first?.retryAfter != nil)
    let served = store.step(.loaded(store.read([Key("set")])))
    #expect(served.replies.count == 2)
    #expect(store.harness.text("warm") == "w")
  }

  /// Keys alone may take more than the budget: then nobody looks for more to demote again and again.
  @Test func aBudgetThatCannotBeKeptCostsNothing() throws {
    var store = Store(budget: 1000)
    for number in 0..<60 {
      store.put("key\(number)", Harness.value(String(repeating: "v", count: 100)))
    }
    var wakes = 0
    let start = store.harness.now.monotonic
    while store.harness.now.monotonic - start < 600_000_000_000, wakes < 10_000 {
      _ = store.perform(store.harness.fireTimer())
      wakes += 1
    }
    let statistics = store.harness.shard.statistics
    #expect(statistics.memoryBytes > 1000 && statistics.coldKeys == 60)
    #expect(wakes < 60, "in ten minutes")
    // What comes is demoted all the same.
    for number in 60..<80 {
      store.put("key\(number)", Harness.value(String(repeating: "v", count: 100)))
    }
    store.demote()
    #expect(store.harness.shard.statistics.coldKeys > 70)
  }

  @Test func whatIsWatchedStaysInMemory() throws {
    var store = Self.store()
    var watch = WatchRequest()
    watch.key = Key("value")
    _ = store.step(.watch(watch, number: 70, from: Harness.client))
    for number in 0..<8 {
      store.put("more\(number)", Harness.value(String(repeating: "m", count: 300)))
    }
    store.demote()
    #expect(!store.isCold("value") && store.isCold("more0"))
  }

  @Test func withoutALogTheBudgetIsTheEnd() {
    var limits = StorageLimits()
    limits.memoryBytesMax = 1000
    var harness = Harness(limits: limits)
    for number in 0..<3 { _ = harness.put("key\(number)", String(repeating: "v", count: 200)) }
    #expect(harness.put("more", String(repeating: "v", count: 200))?.failure?.code == .overloaded)
    #expect(harness.shard.statistics.demotions == 0)
  }
}

extension [StorageShard.Effect] {
  /// Of frames of another shard.
  fileprivate var acknowledgements: [UInt64] {
    compactMap { if case .replicated(let word, _) = $0 { word.merged } else { nil } }
  }
}

extension StorageShard.Effect {
  fileprivate var isQuestion: Bool { if case .askHolder = self { true } else { false } }
}
