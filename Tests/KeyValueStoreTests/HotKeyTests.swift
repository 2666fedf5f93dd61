import ClusterModel
import Testing
import WireProtocol

@testable import KeyValueStore

/// One shard of a ring of two, with one copy of each key; the other is the test. What several shards do
/// together is the simulation's (`TierTests`).
struct HotKeyTests {
  typealias Effect = StorageShard.Effect

  private static let other = RingMember(name: "b", shard: 0)
  private static let otherPeer = PeerID("b")
  private static let me = RingMember(name: "a", shard: 0)

  private static func view(_ epoch: UInt64) -> RingView {
    let shards = [me, other].enumerated().map {
      ShardAddress(
        member: $1, incarnation: Incarnation(UInt64($0 + 1)), endpoint: "tcp://\($1.name)")
    }
    return RingView(epoch: epoch, copies: 1, shards: shards, placed: [me, other])
  }

  /// A key of that shard's.
  private static func key(of owner: RingMember) -> String {
    let numbers = (0...).lazy.map { "key\($0)" }
    return numbers.first { view(1).owners(of: StableHash.of(Key($0).bytes)) == [owner] } ?? ""
  }

  private static func harness() -> ShardHarness {
    var limits = StorageLimits()
    limits.hotRateMin = 10
    var harness = ShardHarness(log: true, limits: limits)
    harness.shard = StorageShard(
      .init(
        me: me, life: Incarnation(1), actor: 1, hasLog: true, defaultLevel: .durable, limits: limits
      ),
      ring: RingView.none)
    _ = harness.step(.connected(ShardHarness.client, role: .client))
    _ = harness.step(.ring(view(1)))
    _ = harness.step(.lease(until: .max))
    let address = ShardAddress(member: other, incarnation: Incarnation(2), endpoint: "")
    _ = harness.step(.shardConnected(otherPeer, address))
    _ = harness.step(.linkUp(other))
    return harness
  }

  private static func word(
    _ kind: ReplicaWord.Kind, _ key: String, number: UInt64, text: String? = nil
  ) -> StorageShard.Input {
    var word = ReplicaWord()
    word.kind = kind
    word.epoch = 1
    word.key = Key(key)
    word.number = number
    word.replicas = ["a/0"]
    word.isServing = kind == .hosted
    if let text { word.record = ShardHarness.value(text, stamp: ShardHarness.stamp(1)).encoded() }
    return .replicaWord(word, from: otherPeer)
  }

  /// One that has served a key of the other shard's.
  private static func replica(of key: String) -> ShardHarness {
    var harness = harness()
    #expect(harness.get(key)?.failure?.code == .wrongOwner)
    let effects = harness.step(word(.host, key, number: 7, text: "v"))
    #expect(effects.words.map(\.kind) == [.hosted] && effects.words[0].isServing)
    #expect(harness.text(key) == "v")
    return harness
  }

  @Test(arguments: ["dismissal", "ring", "log"])
  func aReplicaServesNoMore(after reason: String) {
    let key = Self.key(of: Self.other)
    var harness = Self.replica(of: key)
    let effects =
      switch reason {
      case "dismissal": harness.step(Self.word(.dismiss, key, number: 7))
      case "ring": harness.step(.ring(Self.view(2)))
      default: harness.step(.commitFailed(reason: "no space left"))
      }
    #expect(effects.words.contains { $0.kind == .left && $0.number == 7 })
    #expect(harness.get(key)?.failure?.code == .wrongOwner)
  }

  @Test func anOldDismissalEndsNoNewHosting() {
    let key = Self.key(of: Self.other)
    var harness = Self.replica(of: key)
    #expect(harness.step(Self.word(.dismiss, key, number: 6)).words.isEmpty)
    #expect(harness.text(key) == "v")
  }

  @Test func recordsOfAReplicaThatHasLeftAreNotKept() {
    let key = Self.key(of: Self.other)
    var harness = Self.replica(of: key)
    _ = harness.step(.committed)
    _ = harness.step(Self.word(.dismiss, key, number: 7))
    harness.advance(.seconds(1))
    _ = harness.step(.timerFired)
    #expect(harness.shard.statistics.keys == 0)
    var late = Replicate()
    late.epoch = 1
    late.tuples = [ShardHarness.tuple(key, ShardHarness.value("w", stamp: ShardHarness.stamp(2)))]
    _ = harness.step(.replicate(late, number: 1, from: Self.otherPeer))
    #expect(harness.shard.statistics.keys == 0)
  }

  @Test func anOwnerHostsWhatIsHotAndWaitsForTheReplicaUntilItHasLeft() throws {
    let key = Self.key(of: Self.me)
    var harness = Self.harness()
    _ = harness.put(key, "v")
    _ = harness.step(.committed)
    var effects: [Effect] = []
    for _ in 0..<30 {
      _ = harness.get(key)
      effects += harness.step(.timerFired)
    }
    let host = try #require(effects.words.first)
    #expect(effects.words.count == 1 && host.kind == .host && host.replicas == ["b/0"])
    let told = harness.step(Self.word(.hosted, key, number: host.number))
    let lists = told.compactMap { if case .hotKeys(let list, _) = $0 { list } else { nil } }
    #expect(lists.first?.keys.map(\.replicas) == [["b/0"]])
    // Its log is one of those that a durable write waits for.
    _ = harness.put(key, "w")
    #expect(harness.step(.committed).replies.isEmpty)
    #expect(harness.step(Self.word(.left, key, number: host.number + 1)).replies.isEmpty)
    #expect(harness.step(Self.word(.left, key, number: host.number)).replies.count == 1)
  }
}

extension [StorageShard.Effect] {
  fileprivate var words: [ReplicaWord] {
    compactMap { if case .replicaWord(let word, _) = $0 { word } else { nil } }
  }
}
