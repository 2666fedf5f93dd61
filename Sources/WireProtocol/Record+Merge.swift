import ClusterModel
import Lattices

/// What merging did to the record it was called on.
package enum MergeOutcome: Equatable, Sendable {
  case unchanged
  case changed
  /// Two types in one generation, or a payload that is not of its type; nothing changed.
  case latticeConflict
}

/// The record as a lattice. Replicas and caches may merge any records of a key, in any order, any
/// number of times, and end up equal:
///
/// * the higher generation replaces the lower one as a whole;
/// * within a generation a tombstone is below every value, and two tombstones keep the later stamp;
/// * a last-writer-wins value is superseded by (stamp, payload, encoding, expiry, metadata), compared
///   in that order, so that its expiry goes with the write that set it; one that came through the Anna
///   door is placed by more than its stamp (`Record+Foreign.swift`);
/// * a priority value is superseded by (priority, lowest first; value, encoding), whatever the stamps;
/// * the other types join their payloads, within the limits of the type;
/// * of all but last-writer-wins values the stamp and expiry are the larger ones, where an expiry of
///   zero says nothing;
/// * a flag `partial` or `blind` stays only while both sides have it.
///
/// `writeSequence` is no part of the lattice: it is the holder's own note and stays as it is.
extension Record {
  package mutating func merge(_ other: Record) -> MergeOutcome {
    if other.generation < generation { return .unchanged }
    if other.generation > generation {
      guard other.isWellFormed else { return .latticeConflict }
      replace(by: other)
      return .changed
    }
    switch (lattice, other.lattice) {
    case (.none, .none): return mergeTombstone(other)
    case (_, .none): return .unchanged
    case (.none, _):
      guard other.isWellFormed else { return .latticeConflict }
      replace(by: other)
      return .changed
    case (.lastWriterWins, .lastWriterWins): return mergeRegister(other)
    case (.priority, .priority): return mergePriority(other)
    case let (mine, theirs) where mine == theirs: return mergePayload(other)
    default: return .latticeConflict
    }
  }

  /// Which of two records stays where merging them was a conflict, in memory and in the log: copies that
  /// took writes of different types for one generation keep the type of the higher number.
  package func givesWay(to other: Record) -> Bool { lattice.rawValue < other.lattice.rawValue }

  /// Whether the payload is what the lattice type says. Whoever takes a record from outside asks
  /// once, and stores `canonical` so that equal values have equal bytes.
  package var isWellFormed: Bool { canonical != nil }

  /// The record with its payload in the one form that every replica writes; nil when the payload is
  /// not of the type.
  package var canonical: Record? {
    guard lattice == .lastWriterWins ? isSoundlyPlaced : !isPlaced,
      let payload = lattice.canonical(payload)
    else { return nil }
    var record = self
    record.payload = payload
    return record
  }

  private mutating func replace(by other: Record) {
    let sequence = writeSequence
    self = other
    writeSequence = sequence
  }

  private mutating func mergeTombstone(_ other: Record) -> MergeOutcome {
    let before = self
    encoding = max(encoding, other.encoding)
    joinEnvelope(other)
    return self == before ? .unchanged : .changed
  }

  private mutating func mergeRegister(_ other: Record) -> MergeOutcome {
    if isPlaced || other.isPlaced { return mergePlaced(other) }
    let order = registerOrder(other)
    let joined = joinedFlags(other)
    if order > 0 {
      replace(by: other)
      flags = joined
      return .changed
    }
    guard joined != flags else { return .unchanged }
    flags = joined
    return .changed
  }

  /// Positive when `other` supersedes this value, zero when they are the same write.
  private func registerOrder(_ other: Record) -> Int {
    if stamp != other.stamp { return stamp < other.stamp ? 1 : -1 }
    let payloads = compareBytes(other.payload, payload)
    if payloads != 0 { return payloads }
    if encoding != other.encoding { return encoding < other.encoding ? 1 : -1 }
    if expiry != other.expiry { return expiry < other.expiry ? 1 : -1 }
    return compareBytes(other.metadata, metadata)
  }

  private mutating func mergePayload(_ other: Record) -> MergeOutcome {
    guard let joined = lattice.join(payload, other.payload) else { return .latticeConflict }
    let before = self
    payload = joined
    encoding = max(encoding, other.encoding)
    joinEnvelope(other)
    return self == before ? .unchanged : .changed
  }

  /// The payload that survives brings its encoding along.
  private mutating func mergePriority(_ other: Record) -> MergeOutcome {
    guard let mine = try? Priority(serialized: payload),
      let theirs = try? Priority(serialized: other.payload)
    else { return .latticeConflict }
    let before = self
    if mine.isSuperseded(by: theirs) || (mine == theirs && encoding < other.encoding) {
      payload = theirs.serialized()[...]
      encoding = other.encoding
    }
    joinEnvelope(other)
    return self == before ? .unchanged : .changed
  }

  /// Everything but the payload and its encoding, for types whose stamp does not decide which payload
  /// survives.
  private mutating func joinEnvelope(_ other: Record) {
    stamp = max(stamp, other.stamp)
    expiry = max(expiry, other.expiry)
    if compareBytes(metadata, other.metadata) < 0 { metadata = other.metadata }
    flags = joinedFlags(other)
  }

  private func joinedFlags(_ other: Record) -> Flags {
    let local: Flags = [.partial, .blind]
    return flags.union(other.flags).subtracting(local)
      .union(flags.intersection(other.flags).intersection(local))
  }
}

extension Record? {
  /// What a log makes of the state that it has of a key, and another one: what every copy does.
  package mutating func mergeInLog(_ other: Record) {
    guard var held = self else {
      self = other
      return
    }
    if held.merge(other) == .latticeConflict, held.givesWay(to: other) { held = other }
    self = held
  }
}
