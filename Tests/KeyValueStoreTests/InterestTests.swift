import ClusterModel
import Testing
import WireProtocol

@testable import KeyValueStore

struct InterestTests {
  typealias Harness = ShardHarness

  private func watch(_ key: String, known: Version = .none) -> WatchRequest {
    var request = WatchRequest()
    request.key = Key(key)
    request.known = known
    return request
  }

  private func subscribe(
    _ harness: inout Harness, _ keys: [String], from peer: PeerID = Harness.cache
  ) -> [KeyTuple] {
    let tuples = keys.map { KeyTuple(key: Key($0)) }
    let effects = harness.send(.get, tuples, from: peer, subscribe: true)
    return effects.replies.first?.tuples ?? []
  }

  @Test func aWatchBeginsWithTheStateNow() {
    var harness = Harness()
    _ = harness.put("k", "v")
    let effects = harness.step(.watch(watch("k"), number: 5, from: Harness.client))
    #expect(effects.events.first?.decoded?.payload.text == "v")
  }

  @Test func aWatchOfAnAbsentKeySaysSoAndHearsOfTheFirstWrite() {
    var harness = Harness()
    let first = harness.step(.watch(watch("k"), number: 5, from: Harness.client))
    #expect(first.events.first?.failure?.code == .keyNotFound)
    harness.advance(.milliseconds(20))
    let effects = harness.send(.put, [Harness.tuple("k", Harness.value("v"))])
    #expect(effects.events.first?.decoded?.payload.text == "v")
  }

  @Test func aWatchFromAKnownVersionIsSilentUntilALaterOne() {
    var harness = Harness()
    let version = harness.put("k", "v")?.version ?? .none
    let resumed = harness.step(
      .watch(watch("k", known: version), number: 5, from: Harness.client))
    #expect(resumed.events.isEmpty)
    let effects = harness.send(.put, [Harness.tuple("k", Harness.value("w"))])
    #expect(effects.events.first?.decoded?.payload.text == "w")
  }

  @Test func aBurstIsCoalescedToItsLastState() {
    var harness = Harness()
    _ = harness.step(.watch(watch("k"), number: 5, from: Harness.client))
    harness.advance(.milliseconds(20))
    var events = 0
    for number in 0..<10 {
      events += harness.send(.put, [Harness.tuple("k", Harness.value("\(number)"))]).events.count
    }
    #expect(events == 1)
    let late = harness.fireTimer()
    #expect(late.events.map { $0.decoded?.payload.text } == ["9"])
    #expect(harness.shard.nextDeadline == nil)
  }

  @Test func aWatcherHearsOfADelete() {
    var harness = Harness()
    let version = harness.put("k", "v")?.version ?? .none
    _ = harness.step(.watch(watch("k", known: version), number: 5, from: Harness.client))
    let effects = harness.send(.delete, [KeyTuple(key: Key("k"))])
    #expect(effects.events.first?.failure?.code == .keyNotFound)
  }

  @Test func aWatcherHearsOfAnExpiry() {
    var harness = Harness()
    let version = harness.put("k", "v", expiry: Harness.start + 50)?.version ?? .none
    _ = harness.step(.watch(watch("k", known: version), number: 5, from: Harness.client))
    #expect(harness.fireTimer().events.first?.failure?.code == .keyNotFound)
  }

  @Test func anEndedWatchIsSilent() {
    var harness = Harness()
    _ = harness.step(.watch(watch("k"), number: 5, from: Harness.client))
    _ = harness.step(.unwatch(nil, number: 5, from: Harness.client))
    harness.advance(.seconds(1))
    #expect(harness.send(.put, [Harness.tuple("k", Harness.value("v"))]).events.isEmpty)
    #expect(harness.shard.statistics.watches == 0)
  }

  @Test func watchesOfOnePeerAreBounded() {
    var limits = StorageLimits()
    limits.watchesPerPeerMax = 1
    var harness = Harness(limits: limits)
    _ = harness.step(.watch(watch("a"), number: 5, from: Harness.client))
    let effects = harness.step(.watch(watch("b"), number: 6, from: Harness.client))
    #expect(effects.refusals.first?.code == .overloaded)
    let other = harness.step(.watch(watch("b"), number: 6, from: Harness.cache))
    #expect(other.refusals.isEmpty)
  }

  @Test func aPeerThatIsGoneLeavesNothingBehind() {
    var harness = Harness()
    _ = harness.step(.watch(watch("k"), number: 5, from: Harness.cache))
    _ = subscribe(&harness, ["k", "j"])
    _ = harness.step(.disconnected(Harness.cache))
    #expect(harness.send(.put, [Harness.tuple("k", Harness.value("v"))]).count == 1)
    #expect(harness.shard.interests.isEmpty)
    _ = harness.fireTimer()
    #expect(harness.shard.nextDeadline == nil)
  }

  @Test func aSubscribedCacheIsPushedTheFirstUpdateAtOnceAndTheNextAtThePeriodsEnd() {
    var harness = Harness()
    _ = subscribe(&harness, ["k"])
    let first = harness.send(.put, [Harness.tuple("k", Harness.value("1"))])
    #expect(first.pushes.first?.tuples.first?.decoded?.payload.text == "1")
    for number in 2...5 {
      #expect(harness.send(.put, [Harness.tuple("k", Harness.value("\(number)"))]).pushes.isEmpty)
    }
    let second = harness.fireTimer()
    #expect(second.pushNumbers == [2])
    #expect(second.pushes.first?.tuples.map { $0.decoded?.payload.text } == ["5"])
    #expect(harness.now.monotonic >= 1_100_000_000)
  }

  @Test func aCacheIsNotPushedItsOwnWord() {
    var harness = Harness()
    _ = subscribe(&harness, ["k"])
    _ = subscribe(&harness, ["k"], from: Harness.otherCache)
    let stamped = Harness.tuple("k", Harness.value("v", stamp: Harness.stamp(1)))
    let effects = harness.send(.put, [stamped], from: Harness.cache)
    #expect(effects.pushes.count == 1)
  }

  @Test func aCacheIsPushedWhatItsCounterLacks() {
    var harness = Harness()
    _ = harness.answer(.put, Harness.delta("c", 5))
    _ = subscribe(&harness, ["c"])
    let blind = Harness.counter(actor: 9, 4, stamp: Harness.stamp(1), flags: .blind)
    let effects = harness.send(.put, [Harness.tuple("c", blind)], from: Harness.cache)
    #expect(effects.pushes.count == 1)
  }

  @Test func aDeleteIsPushedAsItsTombstone() {
    var harness = Harness()
    _ = harness.put("k", "v")
    _ = subscribe(&harness, ["k"])
    let effects = harness.send(.delete, [KeyTuple(key: Key("k"))])
    #expect(effects.pushes.first?.tuples.first?.decoded?.isTombstone == true)
  }

  @Test func aClosedWindowHoldsUpdatesBackUntilTheAcknowledgement() {
    var limits = StorageLimits()
    limits.pushWindowFramesMax = 1
    var harness = Harness(limits: limits)
    _ = subscribe(&harness, ["a", "b"])
    #expect(harness.send(.put, [Harness.tuple("a", Harness.value("1"))]).pushNumbers == [1])
    #expect(harness.send(.put, [Harness.tuple("b", Harness.value("1"))]).pushes.isEmpty)
    #expect(harness.fireTimer().pushes.isEmpty)
    #expect(harness.send(.put, [Harness.tuple("b", Harness.value("2"))]).pushes.isEmpty)
    let opened = harness.step(.streamAcknowledged(number: 1, from: Harness.cache))
    #expect(opened.pushNumbers == [2])
    #expect(opened.pushes.first?.tuples.map { $0.decoded?.payload.text } == ["2"])
  }

  @Test func anAcknowledgementOfWhatWasNeverSentOpensNothing() {
    var limits = StorageLimits()
    limits.pushWindowFramesMax = 1
    var harness = Harness(limits: limits)
    _ = subscribe(&harness, ["a", "b"])
    _ = harness.step(.streamAcknowledged(number: 1000, from: Harness.cache))
    #expect(harness.send(.put, [Harness.tuple("a", Harness.value("1"))]).pushNumbers == [1])
    #expect(harness.send(.put, [Harness.tuple("b", Harness.value("1"))]).pushes.isEmpty)
  }

  @Test func manyUpdatesThatWaitGoTogether() {
    var limits = StorageLimits()
    limits.pushWindowFramesMax = 1
    limits.pushTuplesMax = 3
    var harness = Harness(limits: limits)
    let keys = (0..<5).map { "k\($0)" }
    _ = subscribe(&harness, keys)
    for key in keys { _ = harness.send(.put, [Harness.tuple(key, Harness.value("v"))]) }
    _ = harness.fireTimer()
    let opened = harness.step(.streamAcknowledged(number: 1, from: Harness.cache))
    #expect(opened.pushes.map(\.tuples.count) == [3])
    let rest = harness.step(.streamAcknowledged(number: 2, from: Harness.cache))
    #expect(rest.pushes.map(\.tuples.count) == [1])
  }

  @Test func subscribersHearWhereTheirStreamStands() {
    var harness = Harness()
    _ = subscribe(&harness, ["k"])
    _ = harness.send(.put, [Harness.tuple("k", Harness.value("1"))])
    #expect(harness.fireTimer() == [.heartbeat(number: 1, to: Harness.cache)])
  }

  @Test func aHelloStartsTheStreamAnew() {
    var harness = Harness()
    _ = subscribe(&harness, ["k"])
    _ = harness.send(.put, [Harness.tuple("k", Harness.value("1"))])
    _ = harness.step(.connected(Harness.cache, role: .cache))
    #expect(harness.send(.put, [Harness.tuple("k", Harness.value("2"))]).pushes.isEmpty)
    _ = subscribe(&harness, ["k"])
    #expect(harness.send(.put, [Harness.tuple("k", Harness.value("3"))]).pushNumbers == [1])
  }

  @Test func anEvictedKeyIsNoLongerPushed() {
    var harness = Harness()
    _ = subscribe(&harness, ["k"])
    _ = harness.step(.unwatch(Key("k"), number: 0, from: Harness.cache))
    #expect(harness.send(.put, [Harness.tuple("k", Harness.value("1"))]).pushes.isEmpty)
    #expect(harness.shard.statistics.subscriptions == 0)
  }

  @Test func aClientMayNotSubscribe() {
    var harness = Harness()
    #expect(subscribe(&harness, ["k"], from: Harness.client).first?.failure?.code == .notAllowed)
  }

  @Test func subscriptionsOfOneCacheAreBounded() {
    var limits = StorageLimits()
    limits.subscriptionsPerPeerMax = 1
    var harness = Harness(limits: limits)
    let answers = subscribe(&harness, ["a", "b"])
    #expect(answers.last?.failure?.code == .overloaded)
  }
}
