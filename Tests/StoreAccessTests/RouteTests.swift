import ClusterModel
import StoreAccess
import Testing
import WireProtocol

@Suite struct RouteTests {
  @Test func aRingOfOneSendsWhatItWasGiven() {
    var harness = RoutesHarness(shards: 1)
    var request = KeyRequest()
    request.tuples = [KeyTuple(key: Key("k"))]
    let frame = request.framed(.keyRequest, number: 7)
    harness.step(
      .request(
        StoreRequest(number: 7, body: .one(frame: frame, hash: 0), repetition: .harmless)))
    #expect(harness.taken() == [.send(frame, over: Route(0))])
  }

  @Test func severalKeysOfARingOfOneAreOneRequest() {
    var harness = RoutesHarness(shards: 1)
    harness.get(1, [Key("a"), Key("b"), Key("c")])
    #expect(harness.takeRequests().map(\.number) == [1])
  }

  @Test func whatIsAskedBeforeTheFirstWelcomeWaitsForIt() {
    var harness = RoutesHarness()
    harness.get(1, [Key("k")])
    harness.step(.bootstrap(["tcp://s0"]))
    #expect(harness.takeRequests().isEmpty)
    harness.connect("s0")
    #expect(harness.takeRequests().map(\.number) == [1])
  }

  @Test func requestsBeyondTheWindowWaitInOrder() {
    var harness = RoutesHarness(shards: 1) { $0.inFlightMax = 2 }
    for number in 1...4 { harness.get(UInt64(number), [Key("k")]) }
    let sent = harness.takeRequests()
    #expect(sent.map(\.number) == [1, 2])
    harness.receive(sent[1].answer(), from: "s0")
    #expect(harness.takeRequests().map(\.number) == [3])
    harness.step(.cancel(number: 1))
    #expect(harness.takeRequests().map(\.number) == [4])
  }

  @Test(arguments: [3, 4]) func aRequestForKeysOfAllShardsHasOneAnswerInOrder(shards: Int) {
    var harness = RoutesHarness(shards: shards)
    let keys = (0..<shards).reversed().map { harness.key(of: "s\($0)") } + [harness.key(of: "s0")]
    harness.get(9, keys)
    let parts = harness.takeRequests()
    #expect(parts.map(\.shard).sorted() == (0..<shards).map { "s\($0)" })
    for part in parts.reversed() { harness.receive(part.answer(), from: part.shard) }
    let expected = (0..<shards).reversed().map { "s\($0)" } + ["s0"]
    #expect(harness.takeEnds() == ["9 \(expected.joined(separator: " "))"])
    #expect(harness.routes.openCount == 0)
  }

  @Test func anAnswerSaysWhoGaveEachTuple() {
    var harness = RoutesHarness(shards: 3)
    harness.get(1, [harness.key(of: "s2"), harness.key(of: "s1")])
    for part in harness.takeRequests() { harness.receive(part.answer(), from: part.shard) }
    guard case .answer(_, _, let servers) = harness.taken().last else {
      Issue.record("no answer")
      return
    }
    #expect(servers == .each([harness.route("s2"), harness.route("s1")]))
  }

  @Test func anotherRequestOfTheSameNumberTakesItsPlace() {
    var harness = RoutesHarness(shards: 3)
    let key = harness.key(of: "s1")
    harness.get(1, [key, harness.key(of: "s2")])
    let old = harness.takeRequests()
    harness.get(1, [key])
    let new = harness.takeRequests()
    for part in old + new { harness.receive(part.answer(), from: part.shard) }
    #expect(harness.takeEnds() == ["1 s1"])
  }

  @Test func aRequestIsGivenUpAtItsDeadline() {
    var harness = RoutesHarness(shards: 3)
    harness.get(1, [harness.key(of: "s1"), harness.key(of: "s2")], within: .milliseconds(700))
    harness.pass(.milliseconds(699))
    #expect(harness.takeEnds().isEmpty)
    harness.pass(.milliseconds(1))
    #expect(harness.takeEnds() == ["1 failed TIMED_OUT"])
    #expect(harness.routes.openCount == 0)
    #expect(harness.routes.nextDeadline == nil)
  }

  @Test func requestsBeyondTheLimitAreRefused() {
    var harness = RoutesHarness(shards: 1) { $0.openMax = 2 }
    for number in 1...3 { harness.get(UInt64(number), [Key("k")]) }
    #expect(harness.takeEnds() == ["3 failed OVERLOADED"])
  }

  @Test func anUnreadableAnswerFailsItsRequestAlone() {
    var harness = RoutesHarness(shards: 1)
    harness.get(1, [Key("a")])
    harness.get(2, [Key("b")])
    harness.receive(Empty().framed(.keyResponse, number: 1) + [0xff, 0xff], from: "s0")
    #expect(harness.takeEnds() == ["1 failed INTERNAL_ERROR"])
    #expect(harness.routes.openCount == 1)
  }
}

@Suite struct RingChangeTests {
  @Test func aRefusedKeyGoesToTheOwnerOfTheNewerRing() {
    var harness = RoutesHarness(shards: 3)
    let kept = harness.key(of: "s1")
    let moved = harness.key(of: "s1", avoiding: [kept])
    harness.get(1, [kept, moved])
    let part = harness.takeRequests()[0]
    harness.tell(RoutesHarness.view(2, shards: [0, 2], living: [0, 1, 2]), by: "s1")
    harness.receive(part.answer(failing: [moved: .wrongOwner]), from: "s1")
    let again = harness.takeRequests()
    #expect(again.map(\.keys) == [[moved]])
    #expect(again[0].shard != "s1")
    harness.receive(again[0].answer(), from: again[0].shard)
    #expect(harness.takeEnds() == ["1 s1 \(again[0].shard)"])
  }

  @Test func arefusalByAnOlderRingIsTriedAgainAfterGrowingPauses() {
    var harness = RoutesHarness(shards: 3)
    let key = harness.key(of: "s1")
    harness.request(1, .put, [key], .harmful)
    for pause in [20, 40, 80, 160, 320, 320] {
      let sent = harness.takeRequests()
      #expect(sent.map(\.shard) == ["s1"])
      harness.receive(sent[0].answer(failing: [key: .wrongOwner]), from: "s1")
      harness.pass(.milliseconds(pause - 1))
      #expect(harness.takeRequests().isEmpty, "pause \(pause)")
      harness.pass(.milliseconds(1))
    }
    #expect(harness.takeRequests().count == 1)
  }

  @Test func aNewerRingEndsThePause() {
    var harness = RoutesHarness(shards: 3)
    let key = harness.key(of: "s1", "s2")
    harness.get(1, [key])
    let sent = harness.takeRequests()[0]
    harness.receive(sent.answer(failing: [key: .wrongOwner]), from: "s1")
    harness.tell(RoutesHarness.view(2, shards: [0, 2]), by: "s2")
    #expect(harness.takeRequests().map(\.shard) == ["s2"])
  }

  @Test func anOlderRingChangesNothing() {
    var harness = RoutesHarness(shards: 3)
    harness.tell(RoutesHarness.view(5, shards: [0, 1]), by: "s0")
    let five = harness.routes.view
    _ = harness.taken()
    harness.tell(RoutesHarness.view(4, shards: [0, 1, 2]), by: "s1")
    #expect(harness.taken().isEmpty)
    #expect(harness.routes.view == five)
  }

  @Test func aClusterThatBeganAnewIsBelieved() {
    var harness = RoutesHarness(shards: 3)
    harness.tell(RoutesHarness.view(9, shards: [0, 1]), by: "s0")
    harness.lose("s0")
    harness.lose("s1")
    harness.connect("s0", incarnation: 777)
    harness.tell(RoutesHarness.view(1, shards: [0]), by: "s0")
    #expect(harness.routes.view.epoch == 1)
  }

  @Test func aShardThatLeavesAnswersWhatItWasAskedAndIsHungUpThen() {
    var harness = RoutesHarness(shards: 3)
    let key = harness.key(of: "s1")
    harness.request(1, .put, [key], .harmful)
    let sent = harness.takeRequests()[0]
    harness.tell(RoutesHarness.view(2, shards: [0, 2], living: [0, 1, 2]), by: "s0")
    #expect(harness.dialled == ["s0", "s1", "s2"])
    harness.receive(sent.answer(), from: "s1")
    #expect(harness.takeEnds() == ["1 s1"])
    #expect(harness.dialled == ["s0", "s2"])
  }

  @Test func aDeadShardsRequestsGoToTheNewOwner() {
    var harness = RoutesHarness(shards: 3)
    let key = harness.key(of: "s1", "s2")
    harness.get(1, [key])
    harness.request(2, .put, [key], .harmful)
    _ = harness.takeRequests()
    // Its connection hangs: nobody has noticed but the membership.
    harness.tell(RoutesHarness.view(2, shards: [0, 2]), by: "s0")
    #expect(harness.takeRequests().map(\.shard) == ["s2"])
    #expect(harness.takeEnds() == ["2 failed UNAVAILABLE"])
    #expect(harness.dialled == ["s0", "s2"])
  }

  @Test func aRequestMadeForOneShardIsSplitWhenTheRingHasMore() {
    var harness = RoutesHarness(shards: 1)
    harness.lose("s0")
    let ring = RoutesHarness(shards: 3)
    let keys = [ring.key(of: "s1"), ring.key(of: "s2")]
    harness.get(1, keys)
    harness.connect("s0")
    #expect(harness.takeRequests().map(\.keys) == [keys])
    harness.lose("s0")
    harness.connect("s0")
    _ = harness.takeRequests()
    harness.tell(RoutesHarness.view(2, shards: [0, 1, 2]), by: "s0")
    var response = KeyResponse()
    response.tuples = keys.map { key in
      var tuple = KeyTuple(key: key)
      tuple.failure = Failure(.wrongOwner, "another's")
      return tuple
    }
    harness.receive(response.framed(.keyResponse, number: 1), from: "s0")
    harness.connect("s1")
    harness.connect("s2")
    let parts = harness.takeRequests()
    for part in parts { harness.receive(part.answer(), from: part.shard) }
    #expect(harness.takeEnds() == ["1 s1 s2"])
  }

  @Test func theShardsOwnEndpointIsKeptWhereTheRingNamesAnother() {
    var harness = RoutesHarness()
    harness.step(.bootstrap(["ipc://near"]))
    harness.step(.connected(Route(0), Incarnation(100)))
    let view = RingMessage(RoutesHarness.view(1, shards: [0]))
    guard let frame = try? Frame(view.framed(.ring)[...]) else { return }
    harness.step(.frame(frame, over: Route(0)))
    harness.get(1, [Key("k")])
    #expect(harness.endpoints == [Route(0): "ipc://near"])
    #expect(harness.routes.route(of: Key("k")) == Route(0))
  }
}
