package import ClusterModel

/// Appends protobuf fields to a growing buffer; fields at their default value are left out.
package struct ProtobufWriter {
  package private(set) var bytes: [UInt8]

  package init(reserving capacity: Int = 64) {
    bytes = []
    bytes.reserveCapacity(capacity)
  }

  package mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  package mutating func field(_ number: UInt32, _ value: UInt64) {
    guard value != 0 else { return }
    varint(UInt64(number) << 3)
    varint(value)
  }

  package mutating func field(_ number: UInt32, _ value: UInt32) { field(number, UInt64(value)) }
  package mutating func field(_ number: UInt32, _ value: Bool) {
    field(number, value ? 1 as UInt64 : 0)
  }

  /// A `sint64`.
  package mutating func zigzag(_ number: UInt32, _ value: Int64) {
    field(number, UInt64(bitPattern: (value << 1) ^ (value >> 63)))
  }

  package mutating func fixed64(_ number: UInt32, _ value: UInt64) {
    guard value != 0 else { return }
    varint(UInt64(number) << 3 | 1)
    word(value)
  }

  package mutating func field(_ number: UInt32, _ value: Bytes) {
    guard !value.isEmpty else { return }
    element(number, value)
  }

  package mutating func field(_ number: UInt32, _ value: String) {
    guard !value.isEmpty else { return }
    varint(UInt64(number) << 3 | 2)
    varint(UInt64(value.utf8.count))
    bytes.append(contentsOf: value.utf8)
  }

  /// Like `field`, but present even when empty: an element of a repeated field.
  package mutating func element(_ number: UInt32, _ value: Bytes) {
    varint(UInt64(number) << 3 | 2)
    varint(UInt64(value.count))
    bytes.append(contentsOf: value)
  }

  package mutating func element(_ number: UInt32, _ value: String) {
    element(number, Bytes(text: value))
  }

  /// A message field, present even when empty.
  package mutating func message(_ number: UInt32, _ value: some WireMessage) {
    varint(UInt64(number) << 3 | 2)
    // One byte is kept for the length, which is right for messages below 128 bytes.
    let start = bytes.count
    bytes.append(0)
    value.encode(into: &self)
    var length = UInt64(bytes.count - start - 1)
    guard length >= 0x80 else {
      bytes[start] = UInt8(length)
      return
    }
    let body = bytes.count
    length >>= 7
    while length > 0 {
      bytes.append(0)
      length >>= 7
    }
    makeRoom(at: start + 1, for: bytes.count - body)
    writeLength(UInt64(body - start - 1), at: start)
  }

  package mutating func messages(_ number: UInt32, _ values: [some WireMessage]) {
    for value in values { message(number, value) }
  }

  /// Raw bytes, no tag: for what goes before the message in the same frame.
  package mutating func raw(_ value: Bytes) { bytes.append(contentsOf: value) }
  package mutating func raw(_ value: [UInt8]) { bytes.append(contentsOf: value) }

  /// Eight bytes, little-endian, no tag: fixed layouts are written as words.
  package mutating func word(_ value: UInt64) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Moves everything from `start` on by `count` bytes; that many have been appended at the end.
  private mutating func makeRoom(at start: Int, for count: Int) {
    bytes.withUnsafeMutableBytes { buffer in
      let source = UnsafeRawBufferPointer(rebasing: buffer[start..<buffer.count - count])
      UnsafeMutableRawBufferPointer(rebasing: buffer[(start + count)...]).copyMemory(from: source)
    }
  }

  private mutating func writeLength(_ length: UInt64, at start: Int) {
    var rest = length
    var position = start
    while rest >= 0x80 {
      bytes[position] = UInt8(truncatingIfNeeded: rest) | 0x80
      rest >>= 7
      position += 1
    }
    bytes[position] = UInt8(rest)
  }
}
