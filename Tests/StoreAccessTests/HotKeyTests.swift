import ClusterModel
import StoreAccess
import Testing
import WireProtocol

@Suite struct HotKeyTests {
  /// Knows of a hot key of `s1` and `s2`, which `s0` serves, too.
  private static func harness(spread: UInt64) -> (RoutesHarness, Key) {
    var harness = RoutesHarness(shards: 3, spread: spread)
    let key = harness.key(of: "s1", "s2")
    harness.receive(list(epoch: 1, [key]).framed(.hotKeys), from: "s1")
    return (harness, key)
  }

  private static func list(epoch: UInt64, _ keys: [Key]) -> HotKeyList {
    var list = HotKeyList()
    list.epoch = epoch
    list.keys = keys.map { key in
      var entry = HotKeyList.Entry()
      entry.hash = StableHash.of(key.bytes)
      entry.replicas = ["s0/0"]
      return entry
    }
    return list
  }

  @Test func processesAskDifferentReplicasAndEachAlwaysTheSame() {
    var asked: Set<String> = []
    for spread in UInt64(1)...3 {
      var (harness, key) = Self.harness(spread: spread)
      harness.get(1, [key])
      harness.request(2, .put, [key], .harmful)
      let shards = Set(harness.takeRequests().map(\.shard))
      #expect(shards.count == 1)
      asked.formUnion(shards)
    }
    #expect(asked == ["s0", "s1", "s2"])
  }

  @Test func whoDoesNotSpreadAsksTheOwner() {
    var (harness, key) = Self.harness(spread: 0)
    harness.get(1, [key])
    #expect(harness.takeRequests().map(\.shard) == ["s1"])
  }

  @Test func anExplanationIsTheOwnersToGive() {
    var (harness, key) = Self.harness(spread: 2)
    harness.request(1, .explain, [key], .harmless)
    #expect(harness.takeRequests().map(\.shard) == ["s1"])
  }

  @Test func aReplicaThatServesNoMoreIsForgottenAtOnce() {
    var (harness, key) = Self.harness(spread: 2)
    harness.get(1, [key])
    let sent = harness.takeRequests()
    #expect(sent.map(\.shard) == ["s0"])
    harness.receive(sent[0].answer(failing: [key: .wrongOwner]), from: "s0")
    #expect(harness.takeRequests().map(\.shard) == ["s1"])
  }

  @Test func ofABatchOnlyTheHotKeysAreSpread() {
    var (harness, key) = Self.harness(spread: 2)
    let other = harness.key(of: "s2", "s1")
    harness.get(1, [key, other])
    #expect(Set(harness.takeRequests().map(\.shard)) == ["s0", "s2"])
  }

  @Test func anotherListOrRingEndsIt() {
    for change in 0..<3 {
      var (harness, key) = Self.harness(spread: 2)
      switch change {
      case 0: harness.receive(Self.list(epoch: 1, []).framed(.hotKeys), from: "s1")
      case 1: harness.tell(RoutesHarness.view(2, shards: [0, 1, 2]), by: "s1")
      default: harness.lose("s0")
      }
      harness.get(1, [key])
      #expect(harness.takeRequests().map(\.shard) == ["s1"], "\(change)")
    }
  }

  @Test func aListOfTheRingToComeCountsOnceThatIsKnown() {
    var harness = RoutesHarness(shards: 3, spread: 2)
    let key = harness.key(of: "s1", "s2")
    harness.receive(Self.list(epoch: 2, [key]).framed(.hotKeys), from: "s1")
    harness.get(1, [key])
    #expect(harness.takeRequests().map(\.shard) == ["s1"])
    harness.tell(RoutesHarness.view(2, shards: [0, 1, 2]), by: "s1")
    harness.get(2, [key])
    #expect(harness.takeRequests().map(\.shard) == ["s0"])
  }
}
