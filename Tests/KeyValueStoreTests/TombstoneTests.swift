import ClusterModel
import Testing
import WireProtocol

@testable import KeyValueStore

/// What was deleted is forgotten in time, and does not come back. How several shards forget is the
/// simulation's (`TierTests`).
struct TombstoneTests {
  typealias Harness = ShardHarness

  private static let grace = Duration.seconds(60)

  private func harness(log: Bool = false) -> Harness {
    var limits = StorageLimits()
    limits.tombstoneGrace = Self.grace
    return Harness(log: log, limits: limits)
  }

  /// Fires timers until so much time has passed.
  private func pass(_ time: Duration, _ harness: inout Harness) -> [StorageShard.Effect] {
    var effects: [StorageShard.Effect] = []
    let end = harness.now.monotonic + UInt64(time / .nanoseconds(1))
    while let due = harness.shard.nextDeadline, due <= end { effects += harness.fireTimer() }
    harness.advance(.nanoseconds(Int64(end - min(end, harness.now.monotonic))))
    return effects
  }

  private func delete(_ key: String, _ harness: inout Harness) {
    _ = harness.answer(.delete, KeyTuple(key: Key(key)), level: .accepted)
  }

  /// Put and deleted, both in the log.
  private func harnessWithDeletedKey() -> Harness {
    var harness = harness(log: true)
    _ = harness.put("k", "v")
    _ = harness.step(.committed)
    delete("k", &harness)
    _ = harness.step(.committed)
    return harness
  }

  @Test func aTombstoneIsForgottenAfterTheGracePeriodAndNotBefore() {
    var harness = harness()
    for number in 0..<100 { _ = harness.put("k\(number)", "v") }
    for number in 0..<99 { delete("k\(number)", &harness) }
    _ = pass(Self.grace - .seconds(1), &harness)
    #expect(harness.shard.statistics.collectedTombstones == 0)
    _ = pass(.seconds(30), &harness)
    #expect(harness.shard.statistics.collectedTombstones == 99)
    let left = Key("k99").bytes.count + Record.headerByteCount + 1
    #expect(harness.shard.statistics.storedBytes == left)
    // Nothing is deleted any more, so nothing is looked for.
    #expect(harness.shard.nextDeadline == nil)
    #expect(harness.text("k99") == "v")
    #expect(harness.put("k1", "new")?.version.generation == 0)
  }

  @Test func theLogForgetsItToo() throws {
    var harness = harnessWithDeletedKey()
    let effects = pass(Self.grace + .seconds(30), &harness)
    let entries = effects.commits.flatMap(\.self)
    #expect(entries == [.init(key: Key("k"), envelope: [])])
  }

  /// The scan may come later than the age at which others count the tombstone as gone.
  @Test func aKeyWhoseTombstoneIsOldBeginsAnewInTheLogToo() throws {
    var harness = harnessWithDeletedKey()
    harness.advance(Self.grace + .seconds(2))
    let effects = harness.send(.put, [Harness.tuple("k", Harness.value("new"))])
    let entries = effects.commits.flatMap(\.self)
    #expect(entries.first == .init(key: Key("k"), envelope: []))
    #expect(entries.count == 2)
    let written = try Record(entries[1].envelope)
    #expect(written.generation == 0 && written.payload.text == "new")
    #expect(harness.text("k") == "new")
  }

  @Test func aCachesWriteFromBeforeTheDeleteDoesNotComeBack() {
    var harness = harness()
    _ = harness.put("k", "v")
    let written = Harness.stamp(1)
    harness.advance(.milliseconds(10))
    delete("k", &harness)
    _ = pass(Self.grace + .seconds(30), &harness)
    _ = harness.put("k", "late", from: Harness.cache, stamp: written)
    #expect(harness.text("k") == nil)
    // Not held against what is later.
    _ = harness.put("k", "later", from: Harness.cache, stamp: Harness.stamp(90_005))
    #expect(harness.text("k") == "later")
  }

  /// Nor where the tombstone counts as forgotten and is still there.
  @Test func aCachesWriteFromBeforeTheDeleteDoesNotReplaceItsOldTombstone() {
    var harness = harness()
    _ = harness.put("k", "v")
    let written = Harness.stamp(1)
    harness.advance(.milliseconds(10))
    delete("k", &harness)
    harness.advance(Self.grace + .seconds(2))
    _ = harness.put("k", "late", from: Harness.cache, stamp: written)
    #expect(harness.text("k") == nil)
    _ = harness.put("k", "new")
    #expect(harness.text("k") == "new")
    _ = harness.put("other", "late", from: Harness.cache, stamp: written)
    #expect(harness.text("other") == nil)
  }
}
