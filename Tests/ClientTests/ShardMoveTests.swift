import CloudburstClient
import ClusterModel
import Testing
import WireProtocol

/// A store that comes back elsewhere, under a scheduler that stays.
@Suite struct ShardMoveTests {
  private func welcome(storage: [String], incarnation: UInt64 = 1) -> ClientCore.Input {
    var welcome = Welcome()
    welcome.incarnation = Incarnation(incarnation)
    welcome.storage = storage
    return .received(welcome.framed(.welcome)[...], over: .scheduler)
  }

  @Test func aWelcomeWhileConnectedMovesTheShard() {
    var harness = CoreHarness()
    harness.connect()
    #expect(harness.get(1, "k").sent == ["keyRequest 1"])
    #expect(harness.put(2, "k").sent == ["keyRequest 2"])
    let effects = harness.step(welcome(storage: ["tcp://elsewhere"]))
    #expect(effects.contains(.hangUp(.shard(0))))
    #expect(effects.contains(.dial(.shard(0), endpoint: "tcp://elsewhere")))
    // A put may have taken effect; a get does no harm twice.
    #expect(effects.ends == ["2 UNAVAILABLE"])
    #expect(harness.welcome(.shard(0), incarnation: 2).sent.contains("keyRequest 1"))
  }

  @Test func aShardThatIsKnownOnlyLaterIsDialledThen() {
    var harness = CoreHarness()
    harness.step(.connected(.scheduler))
    harness.step(welcome(storage: []))
    #expect(harness.get(1, "k").isEmpty)
    let effects = harness.step(welcome(storage: ["tcp://shard"]))
    #expect(effects == [.dial(.shard(0), endpoint: "tcp://shard")])
    #expect(harness.welcome(.shard(0)).sent == ["keyRequest 1"])
  }

  @Test func theSameWelcomeAgainChangesNothing() {
    var harness = CoreHarness()
    harness.connect()
    #expect(harness.step(welcome(storage: ["tcp://shard"])).isEmpty)
  }

  @Test func aCallUnderWayIsNotTouched() {
    var harness = CoreHarness()
    harness.connect()
    _ = harness.call(1)
    #expect(harness.step(welcome(storage: ["tcp://elsewhere"])).ends.isEmpty)
  }
}
