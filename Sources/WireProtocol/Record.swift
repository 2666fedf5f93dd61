package import ClusterModel

/// What kind of lattice a record holds. The first seven are Anna's numbers; from 1 on they
/// are those of `AnyLattice.Kind`.
package enum LatticeType: UInt8, CaseIterable, Sendable {
  /// No value: a tombstone.
  case none = 0
  case lastWriterWins = 1
  case set = 2
  case singleKeyCausal = 3
  case multiKeyCausal = 4
  case orderedSet = 5
  case priority = 6
  case counter = 100
  case growCounter = 101
  case maximum = 102
  case minimum = 103
  case flag = 104
  case map = 105
  case observedRemoveSet = 106
  case registerMap = 107
  case hyperLogLog = 108

  /// Whether a record's stamp is of its owner's last merge, and not of the write itself.
  package var isStampedByOwner: Bool { self != .none && self != .lastWriterWins }
}

/// The record envelope: a stored value with everything that decides merges, the same bytes in
/// cache, log, gossip, flush and watch.
///
/// Layout, little-endian, 48 bytes, then `metadata`, then `payload`:
/// `u8 format version, u8 lattice type, u16 flags, u8 value encoding, u8[3] zero, u64 generation,
/// u64 stamp, u64 write sequence, u64 expiry, u32 metadata length, u32 zero`.
///
/// The payload of a last-writer-wins record is the value's bytes as they are, so that a reader can
/// use them in place; of the other types, their message in `proto/lattices.proto`.
package struct Record: Equatable, Sendable {
  package static let formatVersion: UInt8 = 1
  package static let headerByteCount = 48

  package struct Flags: OptionSet, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }
    /// Deleted in this generation; `lattice` is `.none`, the payload empty.
    package static let tombstone = Flags(rawValue: 1)
    /// In a cache only: written blind, so a read fetches the owner's state and merges first.
    package static let partial = Flags(rawValue: 2)
    /// On a write: joins the owner's current generation, whatever it is.
    package static let blind = Flags(rawValue: 4)
    /// A last-writer-wins value stamped by another system. `metadata` is `u64 base, u64 foreign stamp`.
    package static let foreign = Flags(rawValue: 8)
    /// A last-writer-wins value that was written before its `stamp`: `metadata` begins with `u64 base`,
    /// the stamp of the write. See `Record+Foreign.swift`.
    package static let based = Flags(rawValue: 16)
  }

  package var lattice: LatticeType
  package var flags: Flags
  /// `ValueEncoding` of the user's bytes in the payload: 0 raw, 1 JSON, 2 native. Of elements that were
  /// written with different ones it is the highest.
  package var encoding: UInt8
  /// Compared before anything else; a delete starts the next one.
  package var generation: UInt64
  /// Hybrid logical clock: of the write (last-writer-wins), of the owner's last merge (others).
  /// Zero on a write means that the owner stamps it.
  package var stamp: UInt64
  /// In a cache: the local write that last touched the record, for the release barrier.
  package var writeSequence: UInt64
  /// Milliseconds since the epoch after which the record reads as absent; zero is never. Goes with the
  /// write of a last-writer-wins value; merged by maximum otherwise.
  package var expiry: UInt64
  /// Consistency metadata of the causal levels, behind what the flags announce.
  package var metadata: Bytes
  package var payload: Bytes

  package init(
    lattice: LatticeType, encoding: UInt8 = 0, flags: Flags = [],
    version: Version = .none, payload: Bytes
  ) {
    self.lattice = lattice
    self.flags = flags
    self.encoding = encoding
    generation = version.generation
    stamp = version.stamp
    writeSequence = 0
    expiry = 0
    metadata = []
    self.payload = payload
  }

  package var version: Version { Version(generation: generation, stamp: stamp) }
  package var isTombstone: Bool { flags.contains(.tombstone) }

  /// - Parameter now: milliseconds since the epoch.
  package func isExpired(at now: UInt64) -> Bool { expiry != 0 && expiry <= now }

  package func write(to writer: inout ProtobufWriter) {
    writer.word(
      UInt64(Self.formatVersion) | UInt64(lattice.rawValue) << 8 | UInt64(flags.rawValue) << 16
        | UInt64(encoding) << 32)
    writer.word(generation)
    writer.word(stamp)
    writer.word(writeSequence)
    writer.word(expiry)
    writer.word(UInt64(UInt32(metadata.count)))
    writer.raw(metadata)
    writer.raw(payload)
  }

  package func encoded() -> Bytes {
    var writer = ProtobufWriter(
      reserving: Self.headerByteCount + metadata.count + payload.count)
    write(to: &writer)
    return writer.bytes[...]
  }

  /// The fields share `bytes`' buffer.
  package init(_ bytes: Bytes) throws(WireError) {
    guard bytes.count >= Self.headerByteCount else { throw .truncated }
    var reader = LittleEndianReader(bytes)
    let word = reader.word()
    guard word.byte(0) == Self.formatVersion else { throw .badFormatVersion(word.byte(0)) }
    guard let lattice = LatticeType(rawValue: word.byte(1)) else { throw .badTag }
    self.lattice = lattice
    flags = Flags(rawValue: UInt16(truncatingIfNeeded: word >> 16))
    encoding = word.byte(4)
    generation = reader.word()
    stamp = reader.word()
    writeSequence = reader.word()
    expiry = reader.word()
    let metadataCount = Int(UInt32(truncatingIfNeeded: reader.word()))
    guard reader.rest.count >= metadataCount else { throw .truncated }
    metadata = reader.take(metadataCount)
    payload = reader.rest
    guard !isTombstone || (lattice == .none && payload.isEmpty) else { throw .badTag }
  }
}
