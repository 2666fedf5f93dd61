import ClusterModel
import WireProtocol

/// How one key and its record lie in LMDB.
///
/// LMDB's keys end at 511 bytes, ours at 1024: a longer key is its first 503 bytes and the hash of all
/// of them, 511 bytes in sum, which no short key has; the value then repeats the whole key, because
/// hashes collide.
///
/// Value: `u8 kind (0 inline, 1 file), u8 zero, u16 count of key bytes that follow, u32 zero, key bytes,
/// record envelope`. Of a value in a file of its own the envelope has no payload and
/// `u64 file number, u64 byte count` follow.
enum CacheEntry {
  static let headByteCount = 8
  static let largeReferenceByteCount = 16
  static let shortKeyBytesMax = 510
  private static let longKeyPrefixBytes = 503

  enum Kind: UInt8 {
    case inline = 0
    case file = 1
  }

  /// Calls `body` with the key as LMDB stores it; the bytes are borrowed.
  static func withStoredKey<Result>(
    _ key: UnsafeRawBufferPointer, hash: UInt64, _ body: (UnsafeRawBufferPointer) -> Result
  ) -> Result {
    guard key.count > shortKeyBytesMax else { return body(key) }
    return withUnsafeTemporaryAllocation(byteCount: longKeyPrefixBytes + 8, alignment: 8) { long in
      long.copyMemory(from: UnsafeRawBufferPointer(rebasing: key[..<longKeyPrefixBytes]))
      withUnsafeBytes(of: hash.bigEndian) {
        UnsafeMutableRawBufferPointer(rebasing: long[longKeyPrefixBytes...]).copyMemory(from: $0)
      }
      return body(UnsafeRawBufferPointer(long))
    }
  }

  static func repeatedKeyCount(_ key: UnsafeRawBufferPointer) -> Int {
    key.count > shortKeyBytesMax ? key.count : 0
  }

  /// An entry as found, its bytes borrowed from the map.
  struct Found {
    let kind: Kind
    /// The record envelope, without the reference to a file.
    let envelope: UnsafeRawBufferPointer
    let fileNumber: UInt64
    let fileByteCount: Int
  }

  /// - Returns: nil for another key with the same hash, or bytes that are no entry.
  static func parse(_ value: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer) -> Found? {
    guard value.count >= headByteCount, let kind = Kind(rawValue: value[0]) else { return nil }
    let keyCount = Int(value.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
    guard keyCount == repeatedKeyCount(key), value.count >= headByteCount + keyCount else {
      return nil
    }
    if keyCount > 0 {
      guard value[headByteCount..<headByteCount + keyCount].elementsEqual(key) else { return nil }
    }
    let rest = UnsafeRawBufferPointer(rebasing: value[(headByteCount + keyCount)...])
    guard kind == .file else {
      return Found(kind: kind, envelope: rest, fileNumber: 0, fileByteCount: 0)
    }
    let envelopeCount = rest.count - largeReferenceByteCount
    guard envelopeCount >= Record.headerByteCount else { return nil }
    return Found(
      kind: kind, envelope: UnsafeRawBufferPointer(rebasing: rest[..<envelopeCount]),
      fileNumber: rest.loadUnaligned(fromByteOffset: envelopeCount, as: UInt64.self),
      fileByteCount: Int(
        truncatingIfNeeded: rest.loadUnaligned(
          fromByteOffset: envelopeCount + 8, as: UInt64.self)))
  }

  static func byteCount(of record: Record, key: UnsafeRawBufferPointer, kind: Kind) -> Int {
    headByteCount + repeatedKeyCount(key) + record.prefixByteCount
      + (kind == .inline ? record.payload.count : largeReferenceByteCount)
  }

  /// Fills memory of `byteCount(of:key:kind:)` bytes.
  static func write(
    _ record: Record, key: UnsafeRawBufferPointer, file: UInt64?,
    to memory: UnsafeMutableRawBufferPointer
  ) {
    let keyCount = repeatedKeyCount(key)
    let kind = file == nil ? Kind.inline : .file
    let head = UInt64(kind.rawValue) | UInt64(keyCount) << 16
    memory.storeBytes(of: head.littleEndian, toByteOffset: 0, as: UInt64.self)
    if keyCount > 0 { tail(memory, headByteCount).copyMemory(from: key) }
    let envelope = tail(memory, headByteCount + keyCount)
    record.writePrefix(to: envelope)
    let rest = tail(envelope, record.prefixByteCount)
    if let file {
      rest.storeBytes(of: file, toByteOffset: 0, as: UInt64.self)
      rest.storeBytes(of: UInt64(record.payload.count), toByteOffset: 8, as: UInt64.self)
    } else {
      record.payload.withUnsafeBytes { rest.copyMemory(from: $0) }
    }
  }

  private static func tail(
    _ memory: UnsafeMutableRawBufferPointer, _ offset: Int
  ) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: memory[offset...])
  }
}
