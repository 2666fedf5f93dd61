package import ClusterModel

/// How the holder of a key's state (its owner, or a cache for its own node's calls) takes a write.
///
/// A merge alone would not do: a put must not have to know of a delete it never saw, and a delete
/// must not undo what is later than itself. Writes are therefore placed by their stamps first, in
/// the generation the holder is in, and merged there.
extension Record {
  /// Takes a put of any type; the write is stamped already.
  ///
  /// * A put of a later generation, and one of this generation, merge as records do.
  /// * A put stamped at or before the tombstone it meets was deleted by it: unchanged.
  /// * A last-writer-wins put and a blind one join the holder's generation, whatever they knew; so
  ///   the later put survives a delete it had not seen.
  /// * A foreign put (`Record.foreign`) is compared with foreign stamps only, and supersedes anything
  ///   native: the caller stamped it later than all that it holds.
  /// * Any other put of an older generation adds to a state that was deleted: unchanged.
  /// * A put that gives a field of a map another kind is a conflict, as one of another type is.
  package mutating func take(_ write: Record) -> MergeOutcome {
    if write.flags.contains(.foreign) { return take(foreign: write) }
    let isBlind = write.flags.contains(.blind)
    if write.generation > generation && !isBlind { return merge(write) }
    if isTombstone && write.stamp <= stamp { return .unchanged }
    if write.generation < generation && !isBlind {
      guard write.lattice == .lastWriterWins else { return .unchanged }
      // An old put sent again meets a key that was deleted and is of another type by now.
      if lattice != .lastWriterWins && !isTombstone && write.stamp <= stamp { return .unchanged }
    }
    if conflictsInside(write) { return .latticeConflict }
    var write = write
    // What the holder knows of the key, it still knows after the write, and no more than that.
    write.flags.subtract([.partial, .blind])
    write.flags.formUnion(flags.intersection([.partial, .blind]))
    write.generation = generation
    return merge(write)
  }

  /// Takes a delete: the next generation, without a value, if the delete is later than the record.
  ///
  /// - Returns: `latticeConflict` when the generations are used up, which only a peer's bad bytes
  ///   can bring about.
  package mutating func take(deleteStamped deleteStamp: UInt64) -> MergeOutcome {
    guard deleteStamp > stamp else { return .unchanged }
    if isTombstone {
      stamp = deleteStamp
      return .changed
    }
    guard generation < .max else { return .latticeConflict }
    become(.tombstone(Version(generation: generation + 1, stamp: deleteStamp)))
    return .changed
  }

  /// What an expired record is: deleted at the instant of its expiry. Every holder derives the same
  /// tombstone on its own. Nil while the record lives, and where it is deleted already.
  ///
  /// - Parameter now: milliseconds since the epoch.
  package func buried(at now: UInt64) -> Record? {
    isTombstone ? nil : Record.buried(version, expiry: expiry, at: now)
  }

  fileprivate static func buried(_ version: Version, expiry: UInt64, at now: UInt64) -> Record? {
    guard expiry != 0, expiry <= now, version.generation < .max else { return nil }
    // The last stamp before the expiry, so that a write in its very millisecond comes after it; but
    // not before the record's own stamp, which may lie after the expiry it carries.
    let instant = max(HybridLogicalClock.stamp(milliseconds: expiry) - 1, version.stamp)
    return .tombstone(Version(generation: version.generation + 1, stamp: instant))
  }

  /// Whether a value was stamped so much later than a tombstone that it can only be of a key which began
  /// anew after others had forgotten the tombstone, whatever the generations.
  package func isAnew(after tombstone: Record, by late: Duration) -> Bool {
    guard tombstone.isTombstone, !isTombstone else { return false }
    let milliseconds = UInt64(late.wholeNanoseconds / 1_000_000)
    return HybridLogicalClock.milliseconds(of: stamp)
      > HybridLogicalClock.milliseconds(of: tombstone.stamp) + milliseconds
  }

  package static func tombstone(_ version: Version) -> Record {
    Record(lattice: .none, flags: .tombstone, version: version, payload: [])
  }

  private mutating func become(_ other: Record) {
    let sequence = writeSequence
    self = other
    writeSequence = sequence
  }
}

extension RecordHeader {
  /// What ``Record/buried(at:)`` gives of the whole record.
  package func buried(at now: UInt64) -> Record? {
    flags.contains(.tombstone) ? nil : Record.buried(version, expiry: expiry, at: now)
  }
}
