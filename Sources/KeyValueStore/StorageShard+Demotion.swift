import ClusterModel
import WireProtocol

/// Where the clock's hand is that records in memory are demoted by.
struct Demotion {
  /// An entry.
  var hand = 0
  /// How many it passed since it last demoted one.
  var misses = 0
  /// Monotonic; nil while there is room.
  var nextAt: UInt64?
  /// Nothing could be demoted, how often in a row that was so, and how much was in memory then.
  var isStuck = false
  var strikes = 0
  var stuckBytes = 0
}

/// Keeping the records in memory within their budget: those that are used least stay on the disk only.
///
/// A clock's hand goes over the entries: each use of a record raises its heat, up to three, the hand
/// halves it, and a record without any is demoted (Anna, VLDB 2019, demotes by access frequency, too;
/// this needs a byte an entry). A write brings its record back, a read has it loaded.
extension StorageShard {
  /// Down to which records are demoted, once there is more than the budget.
  private var demotesTo: Int { limits.memoryBytesMax / 16 * 15 }

  /// What a write may not pass.
  var memoryMax: Int {
    limits.memoryBytesMax + (configuration.hasLog ? limits.unloggedBytesMax : 0)
  }

  /// Without a log there is no disk to read from; and nothing is planned again before there is more in
  /// memory than when nothing could be demoted.
  mutating func planDemotion(at now: Now) {
    guard table.memoryByteCount > limits.memoryBytesMax, configuration.hasLog else { return }
    if demotion.isStuck {
      guard table.memoryByteCount > demotion.stuckBytes + limits.memoryBytesMax / 16 else { return }
    } else if demotion.nextAt != nil {
      return
    }
    (demotion.misses, demotion.strikes, demotion.isStuck) = (0, 0, false)
    demotion.nextAt = now.monotonic
  }

  mutating func continueDemotion(at now: Now) {
    demotion.nextAt = nil
    demotion.isStuck = false
    for _ in 0..<limits.demotedPerStepMax {
      guard table.memoryByteCount > demotesTo else { return }
      if demotion.hand >= table.count { demotion.hand = 0 }
      demotion.misses += 1
      if isDemotable(demotion.hand), table.cool(demotion.hand) {
        table.demote(demotion.hand)
        statistic.demotions += 1
        (demotion.misses, demotion.strikes) = (0, 0)
      }
      demotion.hand += 1
    }
    // The heat of all of them is gone after three rounds; then what is left waits for log or peers, is too
    // short, or is keys alone.
    let isStuck = demotion.misses > 4 * table.count
    demotion.nextAt =
      now.monotonic
      &+ (isStuck ? pauseOfStuck() : limits.demotionInterval)
      .wholeNanoseconds
  }

  /// Looked for again later and later, and for a twentieth of the time at most: what keeps memory above
  /// its budget for good costs nothing.
  private mutating func pauseOfStuck() -> Duration {
    demotion.isStuck = true
    demotion.stuckBytes = table.memoryByteCount
    demotion.misses = 0
    demotion.strikes = min(demotion.strikes + 1, Self.strikesMax)
    let steps = 4 * table.count / limits.demotedPerStepMax
    return max(
      limits.demotionPause * (1 << demotion.strikes), limits.demotionInterval * (20 * steps))
  }

  private static let strikesMax = 12

  /// At the start: what finds no room is not kept in memory at all.
  mutating func demoteRestored(_ entry: Int) {
    if table.memoryByteCount > demotesTo, isDemotable(entry) { table.demote(entry) }
  }

  /// Whether the log has an entry's record, and nobody is about to be sent it.
  private func isDemotable(_ entry: Int) -> Bool {
    let held = table[entry]
    guard !held.isFree, !held.isCold, !held.isTombstone,
      held.envelopeByteCount >= RecordTable.Entry.coldByteCount + Self.savingMin, canForget(entry)
    else { return false }
    guard !hotKeys.isEmpty || !coldReads.isIdle else { return true }
    let hash = held.hash
    return hotKeys[hash] == nil && !coldReads.isWaitedFor(hash)
  }

  /// For less it is not worth a read.
  private static let savingMin = 16
}
