import ClusterModel
import StoreAccess
import Testing
import WireProtocol

@Suite struct FailoverTests {
  @Test func aReadUnderWayGoesToTheNextCopyWhenTheConnectionIsLost() {
    var harness = RoutesHarness(shards: 3)
    harness.get(1, [harness.key(of: "s1", "s2")])
    #expect(harness.takeRequests().map(\.shard) == ["s1"])
    harness.lose("s1")
    #expect(harness.takeRequests().map(\.shard) == ["s2"])
  }

  @Test func aWriteUnderWayIsNotRepeated() {
    var harness = RoutesHarness(shards: 3)
    harness.request(1, .put, [harness.key(of: "s1", "s2")], .harmful)
    _ = harness.takeRequests()
    harness.lose("s1")
    #expect(harness.takeRequests().isEmpty)
    #expect(harness.takeEnds() == ["1 failed UNAVAILABLE"])
  }

  @Test func aWriteThatNeverLeftGoesToTheNextCopy() {
    var harness = RoutesHarness(shards: 3)
    harness.request(1, .put, [harness.key(of: "s1", "s2")], .harmful)
    _ = harness.takeRequests()
    harness.lose("s1", unsent: [1])
    #expect(harness.takeRequests().map(\.shard) == ["s2"])
  }

  @Test func ofSeveralWritesOnlyThoseOfTheLostShardFail() {
    var harness = RoutesHarness(shards: 3)
    harness.request(1, .put, [harness.key(of: "s1"), harness.key(of: "s2")], .harmful)
    let parts = harness.takeRequests()
    harness.lose("s1")
    for part in parts where part.shard == "s2" { harness.receive(part.answer(), from: "s2") }
    #expect(harness.takeEnds() == ["1 UNAVAILABLE s2"])
  }

  @Test func anAskerThatRepeatsByItselfIsTold() {
    var harness = RoutesHarness(shards: 3)
    harness.get(1, [harness.key(of: "s1", "s2")], within: nil, .left)
    _ = harness.takeRequests()
    harness.lose("s1")
    #expect(harness.takeEnds() == ["1 failed UNAVAILABLE"])
  }

  @Test func laterRequestsGoToTheNextCopyAndBack() {
    var harness = RoutesHarness(shards: 3)
    let key = harness.key(of: "s1", "s2")
    harness.lose("s1")
    harness.request(1, .put, [key], .harmful)
    #expect(harness.takeRequests().map(\.shard) == ["s2"])
    harness.connect("s1")
    harness.request(2, .put, [key], .harmful)
    #expect(harness.takeRequests().map(\.shard) == ["s1"])
  }

  @Test func aShardThatIsDialledInVainIsWaitedForABoundedTime() {
    var harness = RoutesHarness(shards: 3) { $0.dialPatience = .milliseconds(250) }
    harness.tell(RoutesHarness.view(2, shards: [0, 1, 2, 3]), by: "s0")
    harness.get(1, [harness.key(of: "s3", "s1")])
    harness.pass(.milliseconds(249))
    #expect(harness.takeRequests().isEmpty)
    harness.pass(.milliseconds(1))
    #expect(harness.takeRequests().map(\.shard) == ["s1"])
  }

  @Test func aSilentShardsReadsGoToTheNextCopyUntilItIsHeardAgain() {
    var harness = RoutesHarness(shards: 3) { $0.silenceMax = .seconds(1) }
    let key = harness.key(of: "s1", "s2")
    harness.get(1, [key])
    harness.request(2, .put, [key], .harmful)
    let sent = harness.takeRequests()
    harness.pass(.milliseconds(999))
    #expect(harness.takeRequests().isEmpty)
    harness.pass(.milliseconds(1))
    #expect(harness.takeRequests().map(\.shard) == ["s2"])
    harness.request(3, .put, [key], .harmful)
    #expect(harness.takeRequests().map(\.shard) == ["s2"])
    // It was only slow: its answers count, once each.
    for part in sent { harness.receive(part.answer(), from: "s1") }
    #expect(harness.takeEnds() == ["1 s1", "2 s1"])
    harness.get(4, [key])
    #expect(harness.takeRequests().map(\.shard) == ["s1"])
  }

  @Test func aLoneShardIsNeverSilent() {
    var harness = RoutesHarness(shards: 1)
    harness.get(1, [Key("k")])
    #expect(harness.routes.nextDeadline == nil)
  }

  /// Whom a write goes to after its owner has answered so.
  private func next(afterAnswer frame: [UInt8]) -> [String] {
    var harness = RoutesHarness(shards: 3)
    harness.request(1, .put, [harness.key(of: "s1", "s2")], .harmful)
    _ = harness.takeRequests()
    harness.receive(frame, from: "s1")
    harness.pass(.milliseconds(20))
    return harness.takeRequests().map(\.shard)
  }

  @Test func aShardThatStopsIsPassedOver() {
    let refusal = FailureMessage(Failure(.stopping, "the store is stopping"))
    #expect(next(afterAnswer: refusal.framed(.refusal, number: 1)) == ["s2"])
  }

  @Test func aShardWhoseClockIsOffLeavesAWriteToAnother() {
    var refusal = KeyResponse()
    refusal.failure = Failure(.clockSkew, "its clock is off")
    #expect(next(afterAnswer: refusal.framed(.keyResponse, number: 1)) == ["s2"])
  }

  @Test func aShardWhoseLeaseIsOverLeavesEverythingToAnother() {
    var refusal = Failure(.unavailable, "its lease has run out")
    refusal.retryAfter = .milliseconds(50)
    #expect(next(afterAnswer: FailureMessage(refusal).framed(.refusal, number: 1)) == ["s2"])
  }

  /// That one is the sender's.
  @Test func aStampThatIsAheadIsRefusedAtOnce() {
    var harness = RoutesHarness(shards: 3)
    let key = harness.key(of: "s1", "s2")
    harness.request(1, .put, [key], .harmful)
    let sent = harness.takeRequests()[0]
    harness.receive(sent.answer(failing: [key: .clockSkew]), from: "s1")
    #expect(harness.takeEnds() == ["1 CLOCK_SKEW"])
  }

  @Test func whereNoCopyIsReachedTheyAreNamed() throws {
    var harness = RoutesHarness(shards: 3)
    let key = harness.key(of: "s1", "s2")
    harness.lose("s1")
    harness.lose("s2")
    harness.get(1, [key], within: .seconds(2))
    let failure = try #require(harness.routes.lateness(of: 1))
    #expect(failure.code == .unavailable)
    #expect(failure.message.contains("s1/0 at tcp://s1, s2/0 at tcp://s2"))
    harness.pass(.seconds(2))
    #expect(harness.takeEnds() == ["1 failed UNAVAILABLE"])
  }

  @Test func whatWaitsForItsCopiesGoesToWhicheverComesFirst() {
    var harness = RoutesHarness(shards: 3)
    let key = harness.key(of: "s1", "s2")
    harness.lose("s1")
    harness.lose("s2")
    harness.get(1, [key])
    harness.get(2, [key])
    harness.connect("s2")
    #expect(harness.takeRequests().map { "\($0.number) \($0.shard)" } == ["1 s2", "2 s2"])
  }

  @Test func aShardThatForgotUsIsAskedAfterItsWelcome() {
    var harness = RoutesHarness(shards: 1)
    harness.request(1, .put, [Key("a")], .harmful)
    harness.request(2, .put, [Key("b")], .harmful)
    _ = harness.takeRequests()
    harness.step(.unread(number: 2, Route(0)))
    #expect(harness.takeRequests().isEmpty)
    harness.connect("s0")
    // The first was sent to the life before; the second provably did nothing.
    #expect(harness.takeRequests().map(\.number) == [2])
    #expect(harness.takeEnds() == ["1 failed UNAVAILABLE"])
  }
}

@Suite struct ListTests {
  /// Reads a whole list, a page a shard; the keys are the shards' names.
  private func pages(
    of harness: inout RoutesHarness, beforeEach: (inout RoutesHarness, Int) -> Void = { _, _ in }
  ) -> [String] {
    var cursor: UInt64 = 0
    var read: [String] = []
    for page in 0..<20 {
      beforeEach(&harness, page)
      harness.request(UInt64(page + 1), .list, [Key("p")], cursor: cursor)
      let sent = harness.takeRequests()
      guard sent.count == 1 else { return read + ["\(sent.count) requests"] }
      read.append("\(sent[0].shard)@\(sent[0].cursor)")
      // Every shard has two pages.
      let next: UInt64 = sent[0].cursor == 0 ? 55 : 0
      harness.receive(sent[0].answer(cursor: next), from: sent[0].shard)
      guard case .answer(let response, _, _) = harness.taken().last else { return read + ["none"] }
      cursor = response.cursor
      if cursor == 0 { return read }
    }
    return read + ["no end"]
  }

  @Test func aListAsksEveryShardInTurn() {
    var harness = RoutesHarness(shards: 3)
    #expect(pages(of: &harness) == ["s0@0", "s0@55", "s1@0", "s1@55", "s2@0", "s2@55"])
  }

  @Test func aListWaitsForAShardThatIsBeingHandedItsKeys() {
    var harness = RoutesHarness(shards: 3)
    harness.request(1, .list, [Key("p")])
    #expect(harness.takeRequests().map(\.shard) == ["s0"])
    var refusal = KeyResponse()
    refusal.failure = Failure(.unavailable, "still being handed its keys")
    refusal.failure?.retryAfter = .milliseconds(100)
    harness.receive(refusal.framed(.keyResponse, number: 1), from: "s0")
    #expect(harness.takeEnds().isEmpty)
    harness.pass(.milliseconds(100))
    #expect(harness.takeRequests().map(\.shard) == ["s0"])
  }

  @Test func aRingOfOneKeepsTheShardsCursors() {
    var harness = RoutesHarness(shards: 1)
    #expect(pages(of: &harness) == ["s0@0", "s0@55"])
  }

  @Test func aListBeginsAnewWhenTheRingChanges() {
    var harness = RoutesHarness(shards: 3)
    let read = pages(of: &harness) { harness, page in
      if page == 3 { harness.tell(RoutesHarness.view(2, shards: [0, 2]), by: "s0") }
    }
    #expect(read == ["s0@0", "s0@55", "s1@0", "s0@0", "s0@55", "s2@0", "s2@55"])
  }

  @Test func aListOfTheRingThatBecameOneShardBeginsAnew() {
    var harness = RoutesHarness(shards: 3)
    let read = pages(of: &harness) { harness, page in
      if page == 3 { harness.tell(RoutesHarness.view(2, shards: [0]), by: "s0") }
    }
    #expect(read == ["s0@0", "s0@55", "s1@0", "s0@0", "s0@55"])
  }
}

@Suite struct WatchRouteTests {
  private func watches(_ effects: [StoreRoutes.Effect]) -> [String] {
    effects.compactMap { effect in
      guard case .send(let bytes, let route) = effect, let frame = try? Frame(bytes[...]) else {
        return nil
      }
      let request = try? WatchRequest.decode(frame.body)
      let known = frame.header.kind == .watch ? " from \(request?.known.stamp ?? 0)" : ""
      return "\(frame.header.kind) \(frame.header.number) at \(route.index)\(known)"
    }
  }

  private func event(_ number: UInt64, _ key: Key) -> [UInt8] {
    var event = KeyResponse()
    event.tuples = [KeyTuple(key: key)]
    return event.framed(.watchEvent, number: number)
  }

  @Test func aWatchMovesWithItsKey() {
    var harness = RoutesHarness(shards: 3)
    let key = harness.key(of: "s1", "s2")
    harness.step(.watch(number: 5, key))
    let (before, after) = (harness.route("s1").index, harness.route("s2").index)
    #expect(watches(harness.taken()) == ["watch 5 at \(before) from 0"])
    harness.tell(RoutesHarness.view(2, shards: [0, 2], living: [0, 1, 2]), by: "s1")
    #expect(watches(harness.taken()).contains("watch 5 at \(after) from 0"))
    harness.receive(event(5, key), from: "s2")
    #expect(harness.taken().count == 1)
  }

  @Test func aWatchGoesToTheNextCopyWhenItsShardIsLost() {
    var harness = RoutesHarness(shards: 3)
    harness.step(.watch(number: 5, harness.key(of: "s1", "s2")))
    _ = harness.taken()
    harness.lose("s1")
    #expect(watches(harness.taken()) == ["watch 5 at \(harness.route("s2").index) from 0"])
  }

  @Test func theSameLifeIsAskedForWhatIsNewer() {
    var harness = RoutesHarness(shards: 1)
    harness.step(.watch(number: 5, Key("k")))
    harness.routes.note(Version(generation: 0, stamp: 9), seenBy: 5)
    _ = harness.taken()
    harness.lose("s0")
    harness.connect("s0")
    #expect(watches(harness.taken()) == ["watch 5 at 0 from 9"])
    harness.lose("s0")
    harness.connect("s0", incarnation: 777)
    #expect(watches(harness.taken()) == ["watch 5 at 0 from 0"])
  }

  @Test func aWatchRefusedAsAnothersIsAskedAgain() {
    var harness = RoutesHarness(shards: 3)
    harness.step(.watch(number: 5, harness.key(of: "s1")))
    _ = harness.taken()
    let refusal = FailureMessage(Failure(.wrongOwner, "another's")).framed(.refusal, number: 5)
    harness.receive(refusal, from: "s1")
    #expect(harness.taken().isEmpty)
    harness.pass(.milliseconds(20))
    #expect(watches(harness.taken()).count == 1)
  }

  @Test func aRefusedWatchEnds() {
    var harness = RoutesHarness(shards: 3)
    harness.step(.watch(number: 5, harness.key(of: "s1")))
    _ = harness.taken()
    let failure = Failure(.overloaded, "too many")
    harness.receive(FailureMessage(failure).framed(.refusal, number: 5), from: "s1")
    #expect(harness.taken() == [.watchFailed(failure, watch: 5)])
  }
}
