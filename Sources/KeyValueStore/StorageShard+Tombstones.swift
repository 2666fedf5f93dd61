import ClusterModel
import WireProtocol

/// Forgetting what was deleted, and bringing none of it back.
///
/// A tombstone goes once it is older than the grace period and every other copy has it in its log. The
/// key then begins anew in generation 0, and the copies do not forget at the same instant; so a
/// tombstone first *fades*, by its age and whoever's clock: it gives way to a value stamped long after
/// it, which can only be of somebody who has forgotten it, and is not taken from others any more. All
/// copies see it fade before the first of them forgets it, as clocks agree within ``Limits/clockDriftMax``.
///
/// A node that was away for longer may still have the value in its own log: what an earlier life left
/// there is forgotten, where the cluster has gone on without it and it is older than half of the period.
/// A younger value is not forgotten: the tombstone of its delete is younger still, so it is there yet.
extension StorageShard {
  /// A pass over all entries, a part at a time.
  struct Collection {
    var cursor = 0
    /// Monotonic.
    var nextAt: UInt64
  }

  /// More than two clocks differ by.
  private static let slack = Limits.clockDriftMax * 2

  /// Whether a tombstone may have been forgotten by somebody.
  func isFading(_ tombstone: Record, at now: Now) -> Bool {
    tombstone.isTombstone
      && tombstone.stamp < now.stamp(before: limits.tombstoneGrace - Self.slack)
  }

  /// Whether an entry's tombstone counts as forgotten here, though it may not be gone yet: it is older
  /// than the grace period by anybody's clock.
  func isFaded(_ entry: Int, at now: Now) -> Bool {
    table[entry].isTombstone
      && table[entry].version.stamp < now.stamp(before: limits.tombstoneGrace + Self.slack)
  }

  /// Whether a value of an older generation is of a key that began anew after its tombstone was
  /// forgotten.
  func isAnew(_ record: Record, after tombstone: Record, at now: Now) -> Bool {
    isFading(tombstone, at: now) && record.isAnew(after: tombstone, by: limits.tombstoneGrace / 2)
  }

  /// Puts a record in the place of a tombstone, whatever their generations: in the log, too.
  mutating func beginAnew(_ entry: Int, with record: Record) {
    noteForgotten(entry)
    if configuration.hasLog { forgotten.append(table[entry].key) }
    table.replace(entry, by: record)
  }

  private mutating func noteForgotten(_ entry: Int) {
    collectedUpTo = max(collectedUpTo, table[entry].version.stamp)
  }

  /// There is nothing to do while nothing is deleted.
  mutating func planCollection(at now: Now) {
    guard collection == nil, table.tombstoneCount > 0 else { return }
    collection = Collection(nextAt: now.monotonic &+ collectionPause)
  }

  private var collectionPause: UInt64 {
    min(limits.tombstoneGrace / 8, limits.collectionIntervalMax).wholeNanoseconds
  }

  mutating func continueCollection(at now: Now) {
    guard var pass = collection else { return }
    collection = nil
    guard placement.isQuiet else {
      return planCollection(at: now)
    }
    let end = min(table.count, pass.cursor + limits.handOverRecordsPerStepMax)
    while pass.cursor < end {
      let entry = pass.cursor
      pass.cursor += 1
      guard !table[entry].isFree, isFaded(entry, at: now), canForget(entry) else { continue }
      noteForgotten(entry)
      forget(entry)
      statistic.collectedTombstones += 1
    }
    guard pass.cursor < table.count else { return planCollection(at: now) }
    pass.nextAt = now.monotonic &+ limits.handOverInterval.wholeNanoseconds
    collection = pass
  }

  /// Whether a write that was stamped elsewhere may be older than the delete of a key that is not here.
  ///
  /// - Parameter faded: the entry of the key's tombstone, where that is not gone yet.
  func mayBeDeleted(_ stamp: UInt64, by asker: Asker, faded: Int?) -> Bool {
    let latest = max(collectedUpTo, faded.map { table[$0].version.stamp } ?? 0)
    return asker.role == .cache && stamp != 0 && stamp <= latest
  }

  /// Whether what an earlier life left may have to be forgotten: nothing is merged into it before the
  /// ring tells.
  var mayHoldStaleLeftovers: Bool {
    !areLeftoversSifted && hasLeftovers && configuration.ringOrigin != 0
      && (placement.view.epoch == 0 || placement.isFenced)
  }

  /// Each shard sends one frame and waits for the answer.
  mutating func takeEarly(at now: Now, into effects: inout [Effect]) {
    guard !mayHoldStaleLeftovers else { return }
    let frames = early
    early = []
    for frame in frames {
      take(
        .replicate(frame.message, number: frame.number, from: frame.peer), at: now, into: &effects)
    }
  }

  /// Forgets what an earlier life left, if the cluster has gone on without that; once, by the first ring
  /// that names this life.
  ///
  /// It has where the ring is of the same origin as the one this log was last a part of, and does not
  /// count this shard among those who held keys. A ring of another origin was formed by a membership
  /// that knew nothing: then this log may be the only one that has its records.
  mutating func forgetStaleLeftovers(at now: Now) {
    let view = placement.view
    guard !areLeftoversSifted, view.epoch > 0, !placement.isFenced else { return }
    areLeftoversSifted = true
    guard hasLeftovers, configuration.ringOrigin != 0, view.origin == configuration.ringOrigin,
      !view.holders.contains(where: { $0.member == configuration.me })
    else { return }
    // The other half is for handing the rest to where its tombstones are.
    let began = now.stamp(before: limits.tombstoneGrace / 2)
    for entry in 0..<table.count
    where !table[entry].isFree && table[entry].version.stamp < began && canForget(entry) {
      forget(entry)
      statistic.staleLeftovers += 1
    }
  }
}

extension StorageShard.Now {
  /// The first stamp of the millisecond so long ago.
  fileprivate func stamp(before age: Duration) -> UInt64 {
    let milliseconds = UInt64(age.wholeNanoseconds / 1_000_000)
    return HybridLogicalClock.stamp(milliseconds: wall - min(wall, milliseconds))
  }
}
