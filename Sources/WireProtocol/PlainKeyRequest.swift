package import ClusterModel

/// A GET or PUT of the commonest shape, read where it lies: making messages of it would take longer
/// than serving it.
///
/// Holds no bytes itself, only where they are; reused from request to request.
package struct PlainKeyRequest {
  package struct Tuple {
    @usableFromInline var keyStart: UInt32 = 0
    @usableFromInline var keyCount: UInt32 = 0
    @usableFromInline var recordStart: UInt32 = 0
    @usableFromInline var recordCount: UInt32 = 0
    /// For whoever serves the request.
    package var entry: Int32 = -1
    package var hash: UInt64 = 0

    /// - Parameter body: what the request was read from.
    @inlinable
    package func key(in body: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
      part(of: body, keyStart, keyCount)
    }

    /// Empty where the tuple has none.
    @inlinable
    package func record(in body: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
      part(of: body, recordStart, recordCount)
    }

    @inlinable
    func part(
      of body: UnsafeRawBufferPointer, _ start: UInt32, _ count: UInt32
    ) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(rebasing: body[Int(start)..<Int(start) &+ Int(count)])
    }
  }

  package private(set) var type = KeyRequestType.get
  package private(set) var level: WriteLevel?
  package var tuples: ContiguousArray<Tuple> = []

  package init() {}

  /// - Returns: false for what is no such request, or malformed; `KeyRequest` tells.
  package mutating func read(_ body: UnsafeRawBufferPointer, tuplesMax: Int) -> Bool {
    tuples.removeAll(keepingCapacity: true)
    (type, level) = (.get, nil)
    guard body.count <= UInt32.max else { return false }
    var reader = ProtobufReader(borrowing: body)
    do throws(WireError) {
      while try reader.next() {
        switch reader.field {
        case 1:
          guard let type = KeyRequestType(rawValue: try reader.uint32()) else { return false }
          self.type = type
        case 2:
          guard tuples.count < tuplesMax, try readTuple(&reader) else { return false }
        case 100: level = try reader.writeLevel()
        // A client's clock.
        case 102: _ = try reader.fixed64()
        default: return false
        }
      }
    } catch {
      return false
    }
    return !tuples.isEmpty && (type == .get || type == .put)
  }

  private mutating func readTuple(_ reader: inout ProtobufReader) throws(WireError) -> Bool {
    var tuple = Tuple()
    let outerEnd = try reader.enter()
    while try reader.next() {
      switch reader.field {
      case 1: (tuple.keyStart, tuple.keyCount) = try reader.place()
      case 100: (tuple.recordStart, tuple.recordCount) = try reader.place()
      default: return false
      }
    }
    reader.leave(to: outerEnd)
    tuples.append(tuple)
    return true
  }
}

/// One frame to be sent, written field by field into memory that is reused.
package struct FrameBuffer: ~Copyable {
  private var memory: UnsafeMutableRawBufferPointer
  private var count = 0

  package init() {
    memory = .allocate(byteCount: 4096, alignment: 8)
  }

  deinit { memory.deallocate() }

  /// Valid until the buffer is written to or gone.
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<count]) }

  /// Begins the answer to a request; the bytes are those that `KeyResponse.framed` gives.
  package mutating func begin(_ type: KeyRequestType, number: UInt64) {
    count = 0
    reserve(64)
    word(
      UInt64(FrameHeader.protocolVersion) | UInt64(FrameKind.keyResponse.rawValue) << 8)
    word(number)
    varint(1 << 3)
    varint(UInt64(type.rawValue))
  }

  package mutating func tuple(
    key: UnsafeRawBufferPointer, record: UnsafeRawBufferPointer, version: Version
  ) {
    var size = 1 + Self.size(of: UInt64(key.count)) + key.count
    if !record.isEmpty { size += 2 + Self.size(of: UInt64(record.count)) + record.count }
    if version.generation != 0 { size += 2 + Self.size(of: version.generation) }
    if version.stamp != 0 { size += 10 }
    reserve(size + 16)
    varint(2 << 3 | 2)
    varint(UInt64(size))
    field(1, key)
    if !record.isEmpty { field(100, record) }
    if version.generation != 0 {
      varint(103 << 3)
      varint(version.generation)
    }
    fixed64(104, version.stamp)
  }

  package mutating func end(clock: UInt64) {
    reserve(16)
    fixed64(101, clock)
  }

  private mutating func field(_ number: UInt64, _ value: UnsafeRawBufferPointer) {
    varint(number << 3 | 2)
    varint(UInt64(value.count))
    guard let start = value.baseAddress else { return }
    (memory.baseAddress! + count).copyMemory(from: start, byteCount: value.count)
    count += value.count
  }

  private mutating func fixed64(_ number: UInt64, _ value: UInt64) {
    guard value != 0 else { return }
    varint(number << 3 | 1)
    word(value)
  }

  private mutating func word(_ value: UInt64) {
    memory.baseAddress!.storeBytes(of: value.littleEndian, toByteOffset: count, as: UInt64.self)
    count += 8
  }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      memory.baseAddress!.storeBytes(
        of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: count, as: UInt8.self)
      count += 1
      rest >>= 7
    }
    memory.baseAddress!.storeBytes(of: UInt8(rest), toByteOffset: count, as: UInt8.self)
    count += 1
  }

  private static func size(of value: UInt64) -> Int {
    value == 0 ? 1 : (70 - value.leadingZeroBitCount) / 7
  }

  /// What is written next fits: the other methods do not look.
  private mutating func reserve(_ more: Int) {
    guard count + more > memory.count else { return }
    let grown = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(2 * memory.count, count + more), alignment: 8)
    grown.copyMemory(from: bytes)
    memory.deallocate()
    memory = grown
  }
}
