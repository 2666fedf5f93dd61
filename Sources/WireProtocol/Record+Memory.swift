package import ClusterModel

/// The envelope in borrowed memory, as the shared cache keeps it: no array in between.
extension Record {
  /// Size of the envelope without its payload.
  package var prefixByteCount: Int { Self.headerByteCount + metadata.count }

  /// Writes header and metadata to the first `prefixByteCount` bytes; the payload goes behind them.
  package func writePrefix(to memory: UnsafeMutableRawBufferPointer) {
    precondition(memory.count >= prefixByteCount, "the caller reserved the envelope's size")
    memory.storeBytes(of: Self.formatVersion, toByteOffset: 0, as: UInt8.self)
    memory.storeBytes(of: lattice.rawValue, toByteOffset: 1, as: UInt8.self)
    memory.storeBytes(of: flags.rawValue.littleEndian, toByteOffset: 2, as: UInt16.self)
    memory.storeBytes(of: UInt32(encoding).littleEndian, toByteOffset: 4, as: UInt32.self)
    memory.storeBytes(of: generation.littleEndian, toByteOffset: 8, as: UInt64.self)
    memory.storeBytes(of: stamp.littleEndian, toByteOffset: 16, as: UInt64.self)
    memory.storeBytes(of: writeSequence.littleEndian, toByteOffset: 24, as: UInt64.self)
    memory.storeBytes(of: expiry.littleEndian, toByteOffset: 32, as: UInt64.self)
    memory.storeBytes(
      of: UInt64(UInt32(metadata.count)).littleEndian, toByteOffset: 40, as: UInt64.self)
    guard !metadata.isEmpty else { return }
    metadata.withUnsafeBytes {
      UnsafeMutableRawBufferPointer(rebasing: memory[Self.headerByteCount...]).copyMemory(from: $0)
    }
  }

  /// Writes the whole envelope.
  package func write(to memory: UnsafeMutableRawBufferPointer) {
    writePrefix(to: memory)
    let place = UnsafeMutableRawBufferPointer(rebasing: memory[prefixByteCount...])
    payload.withUnsafeBytes { place.copyMemory(from: $0) }
  }

  /// Reads an envelope from memory of any alignment and copies its metadata and payload out, so that
  /// the memory may change afterwards.
  package init(copying memory: UnsafeRawBufferPointer) throws(WireError) {
    guard memory.count >= Self.headerByteCount else { throw .truncated }
    guard memory[0] == Self.formatVersion else { throw .badFormatVersion(memory[0]) }
    guard let lattice = LatticeType(rawValue: memory[1]) else { throw .badTag }
    func number(at offset: Int) -> UInt64 {
      UInt64(littleEndian: memory.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    let flags = UInt16(littleEndian: memory.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
    let payloadStart = Self.headerByteCount + Int(UInt32(truncatingIfNeeded: number(at: 40)))
    guard memory.count >= payloadStart else { throw .truncated }
    self.init(
      lattice: lattice, encoding: memory[4], flags: Flags(rawValue: flags),
      version: Version(generation: number(at: 8), stamp: number(at: 16)),
      payload: memory.count == payloadStart ? [] : Array(memory[payloadStart...])[...])
    writeSequence = number(at: 24)
    expiry = number(at: 32)
    if payloadStart > Self.headerByteCount {
      metadata = Array(memory[Self.headerByteCount..<payloadStart])[...]
    }
    guard !isTombstone || (lattice == .none && payload.isEmpty) else { throw .badTag }
  }
}

/// The fixed part of an envelope, read where it lies.
package struct RecordHeader {
  package let lattice: UInt8
  package let flags: Record.Flags
  package let encoding: UInt8
  package let version: Version
  /// Milliseconds since the epoch; zero is never.
  package let expiry: UInt64
  package let metadataByteCount: Int

  /// - Parameter envelope: at least `Record.headerByteCount` bytes, of any alignment.
  @inlinable @inline(__always)
  package init(_ envelope: UnsafeRawBufferPointer) {
    precondition(envelope.count >= Record.headerByteCount, "an envelope begins with its header")
    func number(at offset: Int) -> UInt64 {
      UInt64(littleEndian: envelope.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    lattice = envelope[1]
    flags = Record.Flags(
      rawValue: UInt16(littleEndian: envelope.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
    encoding = envelope[4]
    version = Version(generation: number(at: 8), stamp: number(at: 16))
    expiry = number(at: 32)
    metadataByteCount = Int(UInt32(truncatingIfNeeded: number(at: 40)))
  }

  /// Nil where a `Record` could not be decoded.
  package init?(checking envelope: UnsafeRawBufferPointer) {
    guard envelope.count >= Record.headerByteCount, envelope[0] == Record.formatVersion,
      LatticeType(rawValue: envelope[1]) != nil
    else { return nil }
    self.init(envelope)
    let rest = envelope.count - Record.headerByteCount
    guard metadataByteCount <= rest else { return nil }
    let isTombstone = flags.contains(.tombstone)
    guard !isTombstone || (lattice == LatticeType.none.rawValue && metadataByteCount == rest)
    else { return nil }
  }

  /// Writes a last-writer-wins record as sent, with a version of its own.
  package static func stamped(
    _ record: UnsafeRawBufferPointer, _ version: Version,
    to memory: UnsafeMutableRawBufferPointer
  ) {
    memory.copyMemory(from: record)
    let kept = UInt64(Record.formatVersion) | UInt64(record[1]) << 8 | UInt64(record[4]) << 32
    memory.storeBytes(of: kept.littleEndian, toByteOffset: 0, as: UInt64.self)
    memory.storeBytes(of: version.generation.littleEndian, toByteOffset: 8, as: UInt64.self)
    memory.storeBytes(of: version.stamp.littleEndian, toByteOffset: 16, as: UInt64.self)
    memory.storeBytes(of: 0, toByteOffset: 24, as: UInt64.self)
    memory.storeBytes(of: 0, toByteOffset: 40, as: UInt64.self)
  }

  /// - Parameter now: milliseconds since the epoch.
  @inlinable
  package func isAbsent(at now: UInt64) -> Bool {
    flags.contains(.tombstone) || isExpired(at: now)
  }

  @inlinable
  package func isExpired(at now: UInt64) -> Bool { expiry != 0 && expiry <= now }
}
