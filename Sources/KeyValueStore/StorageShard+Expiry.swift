import WireProtocol

/// Expired records read as absent at once; this turns them into tombstones, bounded at a time, so
/// that their memory is free, the log forgets their values and watchers hear of it.
///
/// Tombstones themselves stay for a grace period (`StorageShard+Tombstones.swift`) and count towards
/// `storedBytesMax`.
extension StorageShard {
  mutating func scheduleExpiry(of entry: Int, at now: Now) {
    let expiry = table[entry].isTombstone ? 0 : table[entry].expiry
    guard expiry != 0 else { return }
    // An item that is due earlier asks the entry then; one that is due later is left to go stale.
    guard expiry < expiries.time(of: entry) ?? .max else { return }
    expiries.insert(.init(time: expiry, entry: Int32(entry)))
    if expiries.count > 2 * expiries.entryCount + 1024 { expiries.rebuild() }
    scheduleSweep(at: now)
  }

  mutating func sweep(at now: Now, into effects: inout [Effect]) {
    for _ in 0..<limits.expiredPerStepMax {
      guard let item = expiries.takeFirst(dueAt: now.wall) else { break }
      let entry = Int(item.entry)
      guard !table[entry].isFree else { continue }
      if let tombstone = table[entry].buried(at: now.wall) {
        table.replace(entry, by: tombstone)
        noteChange(of: entry, knownTo: nil, at: now, into: &effects)
      } else {
        scheduleExpiry(of: entry, at: now)
      }
    }
    scheduleSweep(at: now)
  }

  /// The wall clock may be set while the sweep waits: it looks again at least this often.
  private static let sweepPauseMillisecondsMax: UInt64 = 60_000

  private mutating func scheduleSweep(at now: Now) {
    sweepDeadline = expiries.first.map { first in
      let pause = first.time > now.wall ? first.time - now.wall : 0
      return now.monotonic &+ min(pause, Self.sweepPauseMillisecondsMax) &* 1_000_000
    }
  }
}
