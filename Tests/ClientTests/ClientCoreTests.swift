import CloudburstClient
import ClusterModel
import Testing
import WireProtocol

@Suite struct ClientCoreTests {
  @Test func helloGoesFirstAndRequestsFollowTheWelcome() {
    var harness = CoreHarness()
    #expect(harness.step() == [.dial(.scheduler, endpoint: "tcp://front")])
    #expect(harness.call(1).isEmpty)
    #expect(harness.step(.connected(.scheduler)).sent == ["hello 0"])
    let effects = harness.welcome(.scheduler)
    #expect(effects.contains(.dial(.shard(0), endpoint: "tcp://shard")))
    #expect(effects.sent == ["call 1"])
  }

  @Test func aKeyRequestWaitsUntilItsShardIsKnown() {
    var harness = CoreHarness()
    #expect(harness.get(1, "k").sent.isEmpty)
    #expect(harness.welcome(.scheduler).sent.isEmpty)
    #expect(harness.welcome(.shard(0)).sent == ["keyRequest 1"])
  }

  @Test func anUnansweredHelloIsRepeated() {
    var harness = CoreHarness()
    harness.step(.connected(.scheduler))
    harness.now = harness.core.nextDeadline ?? 0
    #expect(harness.step(.timePassed).sent == ["hello 0"])
  }

  @Test func aRefusedHelloEndsWhatWaitsAndWhatComesNext() {
    var harness = CoreHarness()
    _ = harness.call(1)
    harness.step(.connected(.scheduler))
    let refusal = FailureMessage(Failure(.protocolVersion, "too new")).framed(.refusal)
    #expect(
      harness.step(.received(refusal[...], over: .scheduler)).ends == ["1 PROTOCOL_VERSION"])
    #expect(harness.call(2).ends == ["2 PROTOCOL_VERSION"])
  }

  @Test func aLostConnectionFailsCallsAndAsksGetsAgain() {
    var harness = CoreHarness()
    harness.connect()
    _ = harness.call(1)
    _ = harness.get(2, "k")
    #expect(harness.step(.disconnected(.scheduler, unsent: [])).ends == ["1 UNAVAILABLE"])
    #expect(harness.step(.disconnected(.shard(0), unsent: [])).ends.isEmpty)
    #expect(harness.welcome(.shard(0)).sent == ["keyRequest 2"])
  }

  @Test func aPutUnderWayIsNotRepeated() {
    var harness = CoreHarness()
    harness.connect()
    _ = harness.put(1, "k")
    #expect(harness.step(.disconnected(.shard(0), unsent: [])).ends == ["1 UNAVAILABLE"])
    #expect(harness.welcome(.shard(0)).sent.isEmpty)
  }

  @Test func aCallThatNeverLeftIsSentAgain() {
    var harness = CoreHarness()
    harness.connect()
    _ = harness.call(1)
    _ = harness.call(2)
    #expect(harness.step(.disconnected(.scheduler, unsent: [2])).ends == ["1 UNAVAILABLE"])
    #expect(harness.welcome(.scheduler, incarnation: 2).sent == ["call 2"])
  }

  @Test func aPeerThatForgotUsIsGreetedAndAskedAgain() {
    var harness = CoreHarness()
    harness.connect()
    _ = harness.call(1)
    _ = harness.call(2)
    let unread = Empty().framed(.sayHello, number: 2)
    let effects = harness.step(.received(unread[...], over: .scheduler))
    #expect(effects.sent == ["hello 0"])
    // The first was sent to the life before this one, the second provably did not run.
    let welcomed = harness.welcome(.scheduler, incarnation: 2)
    #expect(welcomed.ends == ["1 UNAVAILABLE"])
    #expect(welcomed.sent == ["call 2"])
  }

  @Test func aRefusedRequestFailsAndLeavesTheOthers() {
    var harness = CoreHarness()
    harness.connect()
    _ = harness.call(1)
    _ = harness.call(2)
    let refusal = FailureMessage(Failure(.unavailable, "no executor")).framed(.refusal, number: 1)
    let effects = harness.step(.received(refusal[...], over: .scheduler))
    #expect(effects.ends == ["1 UNAVAILABLE"])
    #expect(effects.sent.isEmpty)
    #expect(harness.core.openRequests == 1)
  }

  @Test func aRestartedClusterMovesTheShard() {
    var harness = CoreHarness()
    harness.connect()
    _ = harness.get(1, "k")
    var welcome = Welcome()
    welcome.incarnation = Incarnation(2)
    welcome.storage = ["tcp://elsewhere"]
    harness.step(.disconnected(.scheduler, unsent: []))
    harness.step(.connected(.scheduler))
    let effects = harness.step(.received(welcome.framed(.welcome)[...], over: .scheduler))
    #expect(effects.contains(.hangUp(.shard(0))))
    #expect(effects.contains(.dial(.shard(0), endpoint: "tcp://elsewhere")))
    #expect(harness.welcome(.shard(0), incarnation: 2).sent == ["keyRequest 1"])
  }

  @Test func aLateAnswerToARequestAskedAgainEndsItOnce() {
    var harness = CoreHarness()
    harness.connect()
    _ = harness.get(1, "k")
    harness.step(.disconnected(.shard(0), unsent: []))
    let answer = KeyResponse().framed(.keyResponse, number: 1)
    #expect(harness.step(.received(answer[...], over: .shard(0))).ends == ["1 keys"])
    let effects = harness.welcome(.shard(0))
    #expect(effects.sent.isEmpty)
    #expect(effects.ends.isEmpty)
  }

  @Test func aCallIsGivenGraceForTheClustersOwnAnswer() {
    var harness = CoreHarness { $0.deadlineGrace = .milliseconds(500) }
    harness.connect()
    _ = harness.call(1, limit: .seconds(1))
    harness.now += 1_000_000_000
    #expect(harness.step(.timePassed).ends.isEmpty)
    harness.now += 500_000_000
    let effects = harness.step(.timePassed)
    #expect(effects.ends == ["1 TIMED_OUT"])
    #expect(effects.sent == ["cancel 1"])
    #expect(harness.core.nextDeadline == nil)
  }

  @Test func aRequestThatNeverFoundAClusterIsUnavailable() {
    var harness = CoreHarness()
    _ = harness.call(1, limit: .seconds(1))
    harness.now += 1_000_000_000
    #expect(harness.step(.timePassed).ends == ["1 UNAVAILABLE"])
    #expect(harness.welcome(.scheduler).sent.isEmpty)
  }

  @Test func cancellingTellsTheSchedulerOnlyWhatItHasSeen() {
    var harness = CoreHarness { $0.inFlightMax = 1 }
    harness.connect()
    _ = harness.call(1)
    _ = harness.call(2)
    let waiting = harness.step(.cancel(ticket: 2))
    #expect(waiting.sent.isEmpty)
    #expect(waiting.ends == ["2 cancelled"])
    let sent = harness.step(.cancel(ticket: 1))
    #expect(sent.sent == ["cancel 1"])
    #expect(sent.ends == ["1 cancelled"])
    #expect(harness.step(.cancel(ticket: 1)).isEmpty)
  }

  @Test func aCancelledCallGivesItsPlaceToTheNext() {
    var harness = CoreHarness { $0.inFlightMax = 1 }
    harness.connect()
    _ = harness.call(1)
    _ = harness.call(2)
    #expect(harness.step(.cancel(ticket: 1)).sent == ["cancel 1", "call 2"])
  }

  @Test func requestsBeyondTheLimitAreRefusedAtOnce() {
    var harness = CoreHarness { $0.requestsMax = 2 }
    _ = harness.call(1)
    _ = harness.call(2)
    #expect(harness.call(3).ends == ["3 OVERLOADED"])
  }

  @Test func anUnreadableAnswerFailsItsRequestAlone() {
    var harness = CoreHarness()
    harness.connect()
    _ = harness.call(1)
    _ = harness.call(2)
    var noise = Empty().framed(.result, number: 1)
    noise += [0xff, 0xff]
    #expect(
      harness.step(.received(noise[...], over: .scheduler)).ends == ["1 INTERNAL_ERROR"])
    #expect(harness.step(.received([1, 2, 3], over: .scheduler)).isEmpty)
    #expect(harness.core.openRequests == 1)
  }

  @Test func closingEndsEverythingOnce() {
    var harness = CoreHarness()
    harness.connect()
    _ = harness.call(1)
    harness.step(.watch(ticket: 2, Key("k")))
    let effects = harness.step(.close)
    #expect(effects.ends == ["1 UNAVAILABLE"])
    #expect(effects.contains(.endWatch(ticket: 2, nil)))
    #expect(effects.contains(.hangUp(.scheduler)))
    #expect(harness.step(.close).isEmpty)
    #expect(harness.call(3).ends == ["3 UNAVAILABLE"])
  }
}

@Suite struct ClientCoreWatchTests {
  @Test func aWatchIsAskedWhenTheShardIsUp() {
    var harness = CoreHarness()
    #expect(harness.step(.watch(ticket: 1, Key("k"))).sent.isEmpty)
    harness.welcome(.scheduler)
    #expect(harness.welcome(.shard(0)).sent == ["watch 1"])
  }

  @Test func theSameStateIsToldOnce() {
    var harness = CoreHarness()
    harness.connect()
    harness.step(.watch(ticket: 1, Key("k")))
    #expect(harness.event(1, stamp: nil) == [.update(ticket: 1, nil)])
    #expect(harness.event(1, stamp: nil).isEmpty)
    #expect(harness.event(1, stamp: 5).count == 1)
    #expect(harness.event(1, stamp: 5).isEmpty)
  }

  /// The version a resumed watch of a state with stamp 5 claims to know.
  private func known(afterLife incarnation: UInt64) throws -> Version {
    var harness = CoreHarness()
    harness.connect(incarnation: 1)
    harness.step(.watch(ticket: 1, Key("k")))
    _ = harness.event(1, stamp: 5)
    harness.step(.disconnected(.shard(0), unsent: []))
    let effects = harness.welcome(.shard(0), incarnation: incarnation)
    for case .send(let bytes, _) in effects {
      return try WatchRequest.decode(Frame(bytes[...]).body).known
    }
    return Version(generation: .max, stamp: .max)
  }

  @Test func theSameShardIsAskedForWhatIsNewer() throws {
    #expect(try known(afterLife: 1) == Version(generation: 0, stamp: 5))
  }

  @Test func aRestartedShardIsAskedForWhateverItHas() throws {
    #expect(try known(afterLife: 2) == .none)
  }

  @Test func presenceEndsWithTheFirstStateThatIsThere() {
    var harness = CoreHarness()
    harness.connect()
    let request = Request(
      ticket: 1, body: .presence(of: Key("k")), deadline: harness.now + 1_000_000_000,
      isIdempotent: true)
    #expect(harness.step(.request(request)).sent == ["watch 1"])
    #expect(harness.event(1, stamp: nil).isEmpty)
    let effects = harness.event(1, stamp: 5)
    #expect(effects.ends == ["1 present"])
    #expect(effects.sent == ["unwatch 1"])
  }

  @Test func aRefusedWatchEndsWithTheReason() {
    var harness = CoreHarness()
    harness.connect()
    harness.step(.watch(ticket: 1, Key("k")))
    let refusal = FailureMessage(Failure(.overloaded, "too many")).framed(.refusal, number: 1)
    let effects = harness.step(.received(refusal[...], over: .shard(0)))
    #expect(effects == [.endWatch(ticket: 1, Failure(.overloaded, "too many"))])
  }
}

@Suite struct ClientSessionTests {
  @Test func acknowledgedWritesTravelWithLaterCalls() {
    var harness = CoreHarness()
    harness.connect()
    _ = harness.put(1, "a")
    #expect(harness.call(2).sessions == [[:]])
    harness.stored(1, "a", stamp: 7)
    #expect(harness.call(3).sessions == [["a": 7]])
  }

  @Test func aRestartForgetsOnlyWhatItMayHaveLost() {
    var harness = CoreHarness()
    harness.connect(level: .durable)
    _ = harness.put(1, "kept")
    harness.stored(1, "kept", stamp: 7)
    _ = harness.put(2, "lost", level: .accepted)
    harness.stored(2, "lost", stamp: 8)
    harness.step(.disconnected(.shard(0), unsent: []))
    harness.welcome(.shard(0), incarnation: 2, level: .durable)
    #expect(harness.call(3).sessions == [["kept": 7]])
  }

  @Test func referencesComeBeforeTheLatestKeys() throws {
    var session = SessionVersions()
    for number in 1...100 {
      session.record(
        Key("k\(number)"), Version(generation: 0, stamp: UInt64(number)), isVolatile: false)
    }
    let token = try SessionToken.decode(session.token(for: [Key("k3")]))
    #expect(token.entries.count == Limits.sessionEntriesMax)
    #expect(token.entries.first?.key == Key("k3"))
    #expect(token.entries.dropFirst().first?.key == Key("k100"))
  }

  @Test func theKeyUsedLeastRecentlyIsForgotten() {
    var session = SessionVersions(keysMax: 64)
    for number in 0...64 {
      session.record(
        Key("k\(number)"), Version(generation: 0, stamp: UInt64(number + 1)), isVolatile: false)
      session.record(Key("k0"), Version(generation: 1, stamp: UInt64(number)), isVolatile: false)
    }
    #expect(session.count == 64)
    #expect(session[Key("k0")] != nil)
    #expect(session[Key("k1")] == nil)
  }

  @Test func anOlderVersionChangesNothing() {
    var session = SessionVersions()
    session.record(Key("k"), Version(generation: 1, stamp: 1), isVolatile: false)
    session.record(Key("k"), Version(generation: 0, stamp: 9), isVolatile: false)
    #expect(session[Key("k")] == Version(generation: 1, stamp: 1))
  }

  @Test func thousandsOfWritesStayWithinTheLimit() {
    var session = SessionVersions(keysMax: 64)
    for number in 0..<10_000 {
      session.record(
        Key("k\(number % 100)"), Version(generation: 0, stamp: UInt64(number + 1)),
        isVolatile: number.isMultiple(of: 2))
    }
    #expect(session.count == 64)
    session.forgetVolatile { _ in true }
    #expect(session.count == 32)
  }
}
