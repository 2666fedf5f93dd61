import ClusterModel
import Glibc
import Lattices
import WireProtocol

extension RecordTable {
  /// Refers to the table's memory: what it gives is valid until the table is changed or gone.
  struct Entry {
    /// The key, then the envelope: what a look-up and a write read first lies together. Behind the key of
    /// a large record: a reference to it. Nil in a free entry.
    var block: UnsafeMutableRawPointer?
    var envelopeCount: UInt32 = 0
    var keyCount: UInt16 = 0
    var state: State = []
    /// How much it was used lately: up to ``heatMax``.
    var heat: UInt8 = 1
    /// The log sequence that covers the record as it is now; 0 where it needs none.
    var logSequence: UInt64 = 0

    struct State: OptionSet {
      let rawValue: UInt8
      static let large = Self(rawValue: 1)
      static let observed = Self(rawValue: 2)
      static let cold = Self(rawValue: 4)
    }

    static let heatMax: UInt8 = 3
    /// What a cold record has in its block besides the key: header and sum.
    static let coldByteCount = Record.headerByteCount + MemoryLayout<UInt64>.size

    /// Holds no key: to be given to the next.
    var isFree: Bool { block == nil }
    /// Of the whole record, also of a cold one.
    var envelopeByteCount: Int { Int(envelopeCount) }
    var isLarge: Bool { state.contains(.large) }
    /// Was used as often lately as is counted.
    var isHot: Bool { heat >= Self.heatMax }
    /// Of the record only the header is in memory: neither `envelope` nor `record` may be asked for.
    var isCold: Bool { state.contains(.cold) }
    /// Somebody watches the key or is subscribed to it.
    var isObserved: Bool {
      get { state.contains(.observed) }
      set { if newValue { state.insert(.observed) } else { state.remove(.observed) } }
    }

    /// The encoded record, borrowed.
    @inline(__always)
    var envelopeBytes: UnsafeRawBufferPointer {
      guard state.isDisjoint(with: [.large, .cold]), let block else { return largeBytes }
      return UnsafeRawBufferPointer(start: block + Int(keyCount), count: Int(envelopeCount))
    }

    /// What the header is read from: the envelope, or of a cold record its beginning.
    @inline(__always)
    private var headerBytes: UnsafeRawBufferPointer {
      guard !isLarge, let block else { return largeBytes }
      return UnsafeRawBufferPointer(start: block + Int(keyCount), count: Record.headerByteCount)
    }

    /// Not in line: most records are small.
    @inline(never)
    private var largeBytes: UnsafeRawBufferPointer { large.memory }

    /// `StableHash` of the envelope.
    var sum: UInt64 {
      guard isCold, let block else { return StableHash.of(envelopeBytes) }
      let offset = Int(keyCount) + Record.headerByteCount
      return block.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    var large: LargeEnvelope { largeReference.takeUnretainedValue() }

    var largeReference: Unmanaged<LargeEnvelope> {
      guard let block, isLarge else { preconditionFailure("a small record has no reference") }
      let bits = block.loadUnaligned(fromByteOffset: Int(keyCount), as: UInt.self)
      guard let reference = UnsafeRawPointer(bitPattern: bits) else {
        preconditionFailure("a large record is kept")
      }
      return Unmanaged.fromOpaque(reference)
    }

    /// Of its own memory.
    var blockByteCount: Int {
      if isCold { return Int(keyCount) + Self.coldByteCount }
      return Int(keyCount) + (isLarge ? MemoryLayout<UInt>.size : Int(envelopeCount))
    }

    /// The key, borrowed.
    var keyBytes: UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(start: block, count: Int(keyCount))
    }

    var byteCount: Int { Int(envelopeCount) + Int(keyCount) }
    /// Key and envelope, as far as they are in memory.
    var memoryByteCount: Int { isCold ? blockByteCount : byteCount }

    /// A copy; of a large one, the same bytes.
    var envelope: Bytes { isLarge ? large.bytes[...] : Array(envelopeBytes)[...] }
    /// A copy.
    var key: Key { Key(trusted: Array(keyBytes)[...]) }
    var hash: UInt64 { StableHash.of(keyBytes) }
    @inline(__always)
    var header: RecordHeader { RecordHeader(headerBytes) }
    var version: Version { header.version }
    var expiry: UInt64 { header.expiry }
    var isTombstone: Bool { header.flags.contains(.tombstone) }

    /// Decodes a copy; of a large one, the same bytes.
    var record: Record {
      guard
        let record = isLarge ? try? Record(large.bytes[...]) : try? Record(copying: envelopeBytes)
      else {
        preconditionFailure("an entry holds what a Record was encoded to")
      }
      return record
    }

    /// - Parameter now: milliseconds since the epoch.
    func isAbsent(at now: UInt64) -> Bool { header.isAbsent(at: now) }

    /// What an expired record has become; also of a cold one.
    ///
    /// - Parameter now: milliseconds since the epoch.
    func buried(at now: UInt64) -> Record? { header.buried(at: now) }

    /// The user's bytes.
    var payloadByteCount: Int {
      envelopeByteCount - Record.headerByteCount - header.metadataByteCount
    }

    func holds(_ envelope: Bytes) -> Bool {
      guard envelope.count == envelopeByteCount else { return false }
      return envelope.withUnsafeBytes {
        memcmp($0.baseAddress!, envelopeBytes.baseAddress!, $0.count) == 0
      }
    }
  }
}

extension RecordTable.Entry {
  /// From here on a record is kept in an array, which answers and the log share.
  private static let largeByteCountMin = 16 << 10

  static func made(
    _ key: UnsafeRawBufferPointer, _ envelopeByteCount: Int,
    _ fill: (UnsafeMutableRawBufferPointer) -> Void
  ) -> Self {
    var entry = Self(
      block: nil, envelopeCount: UInt32(envelopeByteCount), keyCount: UInt16(key.count))
    if envelopeByteCount >= largeByteCountMin { entry.state = .large }
    let block = allocate(entry.blockByteCount)
    entry.block = block
    UnsafeMutableRawBufferPointer(start: block, count: key.count).copyMemory(from: key)
    if entry.isLarge {
      let large = LargeEnvelope(byteCount: envelopeByteCount, fill)
      let reference = UInt(bitPattern: Unmanaged.passRetained(large).toOpaque())
      block.storeBytes(of: reference, toByteOffset: key.count, as: UInt.self)
    } else {
      fill(UnsafeMutableRawBufferPointer(start: block + key.count, count: envelopeByteCount))
    }
    return entry
  }

  /// Of the same key, with what a cold record keeps.
  func cooled() -> Self {
    var entry = Self(block: nil, envelopeCount: envelopeCount, keyCount: keyCount)
    entry.state = .cold
    let block = allocate(entry.blockByteCount)
    block.copyMemory(from: keyBytes.baseAddress!, byteCount: keyBytes.count)
    (block + keyBytes.count).copyMemory(
      from: envelopeBytes.baseAddress!, byteCount: Record.headerByteCount)
    block.storeBytes(
      of: sum, toByteOffset: keyBytes.count + Record.headerByteCount, as: UInt64.self)
    entry.block = block
    return entry
  }

  /// Of the same key and record; a large one is shared, as it never changes.
  func copied() -> Self {
    guard let block else { return self }
    var copy = self
    let memory = allocate(blockByteCount)
    memory.copyMemory(from: block, byteCount: blockByteCount)
    copy.block = memory
    if isLarge { _ = largeReference.retain() }
    return copy
  }

  func free() {
    if isLarge { largeReference.release() }
    Glibc.free(block)
  }
}

/// The encoded record of a large value; never changes.
final class LargeEnvelope {
  let bytes: [UInt8]
  /// Of `bytes`, which keep it where it is for as long as they live.
  let memory: UnsafeRawBufferPointer

  init(byteCount: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) {
    bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { room, count in
      fill(
        UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(room)[..<byteCount]))
      count = byteCount
    }
    memory = bytes.withUnsafeBytes { $0 }
  }
}

func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer {
  guard let memory = malloc(byteCount) else { preconditionFailure("out of memory") }
  return memory
}
