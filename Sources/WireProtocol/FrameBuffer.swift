package import ClusterModel

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
