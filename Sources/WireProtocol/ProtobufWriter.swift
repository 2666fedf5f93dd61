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
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
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
    var prefix: [UInt8] = []
    while length >= 0x80 {
      prefix.append(UInt8(truncatingIfNeeded: length) | 0x80)
      length >>= 7
    }
    prefix.append(UInt8(length))
    bytes.replaceSubrange(start...start, with: prefix)
  }

  package mutating func messages(_ number: UInt32, _ values: [some WireMessage]) {
    for value in values { message(number, value) }
  }

  /// Raw bytes, no tag: for what goes before the message in the same frame.
  package mutating func raw(_ value: some Collection<UInt8>) { bytes.append(contentsOf: value) }
}
