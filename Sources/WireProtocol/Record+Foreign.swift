package import ClusterModel
import Lattices

/// Values whose stamps are not of our clocks: they came through the Anna door, where each client
/// stamps as it likes.
///
/// Foreign stamps are compared only with each other. What a foreign value is worth among native ones
/// its *base* says: the stamp of the native value (or tombstone) that it was put over, zero where
/// there was none. It stands above that value and below every later native one. `stamp` remains the
/// owner's clock at the last change, so a version never means anything else than it did.
///
/// A native value that meets a foreign one changed later than itself takes over the later stamp, and
/// keeps its own as its base. So a register is the larger of two in one total order (base, foreign
/// above native, foreign stamp, payload, encoding, expiry, metadata), beside the larger of two
/// stamps: a lattice, whatever the stamps are.
extension Record {
  /// A put of a value stamped by another system; its owner stamps and places it.
  package static func foreign(stamp foreignStamp: UInt64, payload: Bytes) -> Record {
    var record = Record(lattice: .lastWriterWins, flags: .blind, payload: payload)
    record.place = Place(base: 0, foreignStamp: foreignStamp, rest: [])
    return record
  }

  /// Nil for a native value.
  package var foreignStamp: UInt64? { place.foreignStamp }

  /// Whether base and foreign stamp are where the flags say.
  var isSoundlyPlaced: Bool {
    switch (flags.contains(.foreign), flags.contains(.based)) {
    case (false, false): true
    case (true, true): false
    case (true, false): metadata.count == 16 && word(at: 0) <= stamp
    case (false, true): metadata.count >= 8 && word(at: 0) < stamp
    }
  }

  var isPlaced: Bool { !flags.isDisjoint(with: [.foreign, .based]) }

  /// The value as a plain write of its own stamp, for whoever takes it as a write.
  package var asWrite: Record {
    guard isPlaced, isSoundlyPlaced else { return self }
    var record = self
    let place = place
    if place.foreignStamp != nil {
      // Its owner stamps it, whatever it was stamped elsewhere.
      record.stamp = 0
      record.place = Place(base: 0, foreignStamp: place.foreignStamp, rest: [])
    } else {
      record.stamp = place.base
      record.place = place
    }
    return record
  }

  /// Takes a foreign put, stamped by the owner that calls: above all that the record holds.
  mutating func take(foreign write: Record) -> MergeOutcome {
    guard lattice == .none || lattice == .lastWriterWins else { return .latticeConflict }
    guard let asked = write.foreignStamp, write.stamp > stamp else { return .unchanged }
    let held = place
    if let foreignStamp = held.foreignStamp {
      guard foreignStamp != asked else {
        guard compareBytes(payload, write.payload) < 0 else { return .unchanged }
        return replaceForeign(by: write, held.base, asked)
      }
      guard foreignStamp < asked else { return .unchanged }
    }
    return replaceForeign(by: write, isTombstone ? stamp : held.base, asked)
  }

  private mutating func replaceForeign(
    by write: Record, _ base: UInt64, _ foreignStamp: UInt64
  ) -> MergeOutcome {
    let local = flags.intersection([.partial, .blind])
    let (sequence, generation) = (writeSequence, generation)
    self = write
    flags = local
    place = Place(base: base, foreignStamp: foreignStamp, rest: [])
    writeSequence = sequence
    self.generation = generation
    return .changed
  }

  /// Two registers of which one at least is placed by more than its stamp.
  mutating func mergePlaced(_ other: Record) -> MergeOutcome {
    guard isSoundlyPlaced, other.isSoundlyPlaced else { return .latticeConflict }
    let before = self
    let local: Flags = [.partial, .blind]
    let shared = flags.intersection(other.flags).intersection(local)
    let rest = flags.union(other.flags).subtracting(local).subtracting([.foreign, .based])
    let place = isBelow(other) ? other.place : self.place
    if isBelow(other) {
      payload = other.payload
      encoding = other.encoding
      expiry = other.expiry
    }
    stamp = max(stamp, other.stamp)
    flags = rest.union(shared)
    self.place = place
    return self == before ? .unchanged : .changed
  }

  private func isBelow(_ other: Record) -> Bool {
    let (mine, theirs) = (place, other.place)
    if mine.base != theirs.base { return mine.base < theirs.base }
    if mine.foreignStamp != theirs.foreignStamp {
      guard let foreignStamp = mine.foreignStamp else { return true }
      return theirs.foreignStamp.map { foreignStamp < $0 } ?? false
    }
    let payloads = compareBytes(payload, other.payload)
    if payloads != 0 { return payloads < 0 }
    if encoding != other.encoding { return encoding < other.encoding }
    if expiry != other.expiry { return expiry < other.expiry }
    return compareBytes(mine.rest, theirs.rest) < 0
  }

  /// Where a register stands among others.
  struct Place: Equatable {
    var base: UInt64
    var foreignStamp: UInt64?
    /// The metadata behind what the flags announce.
    var rest: Bytes
  }

  /// Of a record that is soundly placed. Setting it writes the one form that equal places have.
  var place: Place {
    get {
      if flags.contains(.foreign) {
        return Place(base: word(at: 0), foreignStamp: word(at: 8), rest: metadata.dropFirst(16))
      }
      guard flags.contains(.based) else {
        return Place(base: stamp, foreignStamp: nil, rest: metadata)
      }
      return Place(base: word(at: 0), foreignStamp: nil, rest: metadata.dropFirst(8))
    }
    set {
      flags.subtract([.foreign, .based])
      guard newValue.foreignStamp != nil || newValue.base != stamp else {
        metadata = newValue.rest
        return
      }
      flags.insert(newValue.foreignStamp == nil ? .based : .foreign)
      var writer = ProtobufWriter(reserving: 16 + newValue.rest.count)
      writer.word(newValue.base)
      if let foreignStamp = newValue.foreignStamp { writer.word(foreignStamp) }
      writer.raw(newValue.rest)
      metadata = writer.bytes[...]
    }
  }

  /// Zero beyond the metadata's end.
  private func word(at offset: Int) -> UInt64 {
    guard metadata.count >= offset + 8 else { return 0 }
    let start = metadata.startIndex + offset
    return metadata[start..<start + 8].withUnsafeBytes {
      UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))
    }
  }
}
