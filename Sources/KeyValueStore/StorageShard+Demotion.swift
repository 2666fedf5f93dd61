import ClusterModel
import WireProtocol

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

  /// Without a log there is no disk to read from.
  mutating func planDemotion(at now: Now) {
    guard table.memoryByteCount > limits.memoryBytesMax, demotionAt == nil, configuration.hasLog
    else {
      return
    }
    demotionAt = now.monotonic
    demotionMisses = 0
  }

  mutating func continueDemotion(at now: Now) {
    demotionAt = nil
    for _ in 0..<limits.demotedPerStepMax {
      guard table.memoryByteCount > demotesTo else { return }
      if demotionHand >= table.count { demotionHand = 0 }
      demotionMisses += 1
      if isDemotable(demotionHand), table.cool(demotionHand) {
        table.demote(demotionHand)
        statistic.demotions += 1
        demotionMisses = 0
      }
      demotionHand += 1
    }
    // The heat of all of them is gone after three rounds; then what is left waits for log or peers.
    let isStuck = demotionMisses > 4 * table.count
    if isStuck { demotionMisses = 0 }
    let pause = isStuck ? limits.demotionPause : limits.demotionInterval
    demotionAt = now.monotonic &+ pause.wholeNanoseconds
  }

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
