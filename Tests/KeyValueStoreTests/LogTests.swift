import ClusterModel
import Testing
import WireProtocol

@testable import KeyValueStore

struct LogTests {
  typealias Harness = ShardHarness

  private func put(_ key: String, _ text: String) -> [KeyTuple] {
    [Harness.tuple(key, Harness.value(text))]
  }

  @Test func aDurableWriteIsAcknowledgedOnlyAfterItsCommit() {
    var harness = Harness(log: true)
    let effects = harness.send(.put, put("k", "v"))
    #expect(effects.replies.isEmpty)
    #expect(effects.commits.first?.map(\.key) == [Key("k")])
    #expect(harness.step(.committed).replies.count == 1)
  }

  @Test func anAcceptedWriteIsAnsweredAtOnceAndLoggedAllTheSame() {
    var harness = Harness(log: true)
    let effects = harness.send(.put, put("k", "v"), level: .accepted)
    #expect(effects.replies.count == 1)
    #expect(effects.commits.count == 1)
  }

  @Test func whatComesDuringACommitGoesIntoTheNextAsOneBatch() {
    var harness = Harness(log: true)
    _ = harness.send(.put, put("a", "1"))
    #expect(harness.send(.put, put("b", "1")).commits.isEmpty)
    #expect(harness.send(.put, put("c", "1")).commits.isEmpty)
    let effects = harness.step(.committed)
    #expect(effects.replies.count == 1)
    #expect(effects.commits.first?.map(\.key) == [Key("b"), Key("c")])
    #expect(harness.step(.committed).replies.count == 2)
  }

  @Test func aKeyThatChangesTwiceBeforeItsCommitIsLoggedOnceAsItIs() throws {
    var harness = Harness(log: true)
    _ = harness.send(.put, put("other", "1"))
    _ = harness.send(.put, put("k", "old"))
    _ = harness.send(.put, put("k", "new"))
    let batch = try #require(harness.step(.committed).commits.first)
    #expect(batch.count == 1)
    #expect(try Record(batch[0].envelope).payload.text == "new")
    #expect(harness.step(.committed).replies.count == 2)
  }

  @Test func aKeyThatChangesDuringItsCommitWaitsForTheNext() {
    var harness = Harness(log: true)
    _ = harness.send(.put, put("k", "old"))
    _ = harness.send(.put, put("k", "new"))
    let first = harness.step(.committed)
    #expect(first.replies.count == 1)
    #expect(first.commits.first?.count == 1)
    #expect(harness.step(.committed).replies.count == 1)
  }

  @Test func aWriteThatChangesNothingWaitsForTheCommitOfWhatIsThere() {
    var harness = Harness(log: true)
    let tuple = Harness.tuple("k", Harness.value("v", stamp: Harness.stamp(1)))
    _ = harness.send(.put, [tuple], from: Harness.cache)
    #expect(harness.send(.put, [tuple], from: Harness.otherCache).replies.isEmpty)
    #expect(harness.step(.committed).replies.count == 2)
    #expect(harness.send(.put, [tuple], from: Harness.cache).replies.count == 1)
  }

  @Test func aBatchIsBounded() {
    var limits = StorageLimits()
    limits.logBatchRecordsMax = 2
    var harness = Harness(log: true, limits: limits)
    for key in ["a", "b", "c", "d"] { _ = harness.send(.put, put(key, "v"), level: .accepted) }
    #expect(harness.step(.committed).commits.first?.count == 2)
    #expect(harness.step(.committed).commits.first?.count == 1)
    #expect(harness.step(.committed).commits.isEmpty)
  }

  @Test func durableInAMemoryStoreIsRefusedUnapplied() {
    var harness = Harness(log: false)
    let reply = harness.send(.put, put("k", "v"), level: .durable).replies.first
    #expect(reply?.failure?.code == .levelUnsupported)
    #expect(harness.text("k") == nil)
  }

  @Test func aFailedCommitFailsItsWritesAndTheShardIsReadOnlyUntilOneSucceeds() {
    var harness = Harness(log: true)
    _ = harness.send(.put, put("a", "1"))
    let failed = harness.step(.commitFailed(reason: "no space left"))
    #expect(failed.replies.first?.tuples.first?.failure?.code == .storageFailed)
    #expect(failed.commits.isEmpty)
    for level in [WriteLevel.durable, .replicated, .accepted] {
      let refused = harness.send(.put, put("b", "1"), level: level).replies.first
      #expect(refused?.failure?.code == .storageFailed, "\(level)")
    }
    #expect(harness.text("b") == nil)
    #expect(harness.text("a") == "1")

    let retry = harness.fireTimer()
    #expect(retry.commits.first?.map(\.key) == [Key("a")])
    _ = harness.step(.committed)
    #expect(harness.send(.put, put("b", "1")).commits.count == 1)
  }

  @Test func aFailedCommitIsNotTriedAgainBeforeItsTime() {
    var harness = Harness(log: true)
    _ = harness.send(.put, put("a", "1"))
    _ = harness.step(.commitFailed(reason: "no space left"))
    #expect(harness.send(.put, put("c", "1"), level: .accepted).commits.isEmpty)
  }

  @Test func writesThatWaitForTheLogAreBounded() {
    var limits = StorageLimits()
    limits.acknowledgementsWaitingMax = 2
    var harness = Harness(log: true, limits: limits)
    for key in ["a", "b"] { _ = harness.send(.put, put(key, "v")) }
    let refused = harness.send(.put, put("c", "v")).replies.first
    #expect(refused?.failure?.code == .overloaded)
    #expect(harness.text("c") == nil)
  }

  @Test func anUnsyncedWriteIsReadable() {
    var harness = Harness(log: true)
    _ = harness.send(.put, put("k", "v"))
    #expect(harness.text("k") == "v")
  }

  @Test func aDeleteIsLoggedAsItsTombstone() throws {
    var harness = Harness(log: true)
    _ = harness.send(.put, put("k", "v"))
    _ = harness.step(.committed)
    let batch = try #require(
      harness.send(.delete, [KeyTuple(key: Key("k"))]).commits.first)
    #expect(try Record(batch[0].envelope).isTombstone)
  }

  @Test func whatIsRestoredIsReadNotLoggedAgainAndStampedOver() {
    var harness = Harness(log: true)
    let record = Harness.value("v", stamp: Harness.stamp(400))
    harness.shard.restore(record, under: Key("k"), at: harness.now)
    #expect(harness.text("k") == "v")
    #expect(harness.step(.timerFired).commits.isEmpty)
    let batch = harness.send(.put, put("k", "w")).commits.first
    #expect((try? Record(batch?.first?.envelope ?? []))?.payload.text == "w")
  }

  @Test func aRestoredRecordStillExpires() {
    var harness = Harness(log: true)
    var record = Harness.value("v", stamp: Harness.stamp(0))
    record.expiry = Harness.start + 100
    harness.shard.restore(record, under: Key("k"), at: harness.now)
    _ = harness.fireTimer()
    #expect(harness.shard.statistics.keys == 0)
  }
}
