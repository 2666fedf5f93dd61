import ClusterModel
package import Lattices

/// What the payloads of each type are, and how two of them join.
extension LatticeType {
  /// Nil for a tombstone, and for a last-writer-wins value: its lattice is the envelope.
  package var payloadKind: AnyLattice.Kind? {
    self == .lastWriterWins ? nil : AnyLattice.Kind(rawValue: rawValue)
  }

  /// The payload in the one form that every replica writes; nil when it is not of this type.
  func canonical(_ payload: Bytes) -> Bytes? {
    guard let kind = payloadKind else {
      return self == .lastWriterWins || payload.isEmpty ? payload : nil
    }
    return (try? AnyLattice(serialized: payload, as: kind))?.serialized()[...]
  }

  /// The least payload that holds both, in canonical form where it is not one of them; nil when one is
  /// not of this type, and where the join would be beyond the type's limits.
  func join(_ left: Bytes, _ right: Bytes) -> Bytes? {
    guard let kind = payloadKind, var joined = try? AnyLattice(serialized: left, as: kind),
      let other = try? AnyLattice(serialized: right, as: kind),
      let isChanged = joined.merge(other)
    else { return nil }
    guard isChanged else { return left }
    return joined.isWithinLimits ? joined.serialized()[...] : nil
  }
}

extension Record {
  /// The payload as a value; nil for a tombstone, a last-writer-wins value, and a payload that is not
  /// of its type.
  package var latticeValue: AnyLattice? {
    guard let kind = lattice.payloadKind else { return nil }
    return try? AnyLattice(serialized: payload, as: kind)
  }

  /// Whether the payload of this type may hold stamps or amounts that its owner has to fill in.
  package var isCompletedByOwner: Bool {
    switch lattice {
    case .counter, .growCounter, .registerMap, .map: true
    default: false
    }
  }

  /// The write of a client with what it leaves to the owner filled in.
  ///
  /// - Parameter held: the record that the write will meet.
  /// - Returns: nil when the payload is not of its type.
  package func completed(stamp: UInt64, actor: UInt64, over held: Record?) -> Record? {
    guard isCompletedByOwner else { return self }
    guard let write = latticeValue else { return nil }
    let before = held?.lattice == lattice ? held?.latticeValue : nil
    var record = self
    record.payload = write.completed(stamp: stamp, actor: actor, over: before).serialized()[...]
    return record
  }

  /// Whether a field of a map would get another kind than it has; a merge of replicas keeps both.
  package func conflictsInside(_ write: Record) -> Bool {
    guard lattice == .map, write.lattice == .map, case .map(let mine) = latticeValue,
      case .map(let its) = write.latticeValue
    else { return false }
    return mine.conflicts(with: its)
  }
}
