package import ClusterModel

/// Walks the fields of one protobuf message. Total: any bytes end in fields or a `WireError`, and
/// byte fields are cut from the input, so nothing is allocated on a peer's word.
package struct ProtobufReader {
  private let bytes: Bytes
  private var position: Int
  /// The number of the field whose value is next.
  package private(set) var field: UInt32 = 0
  private var wireType: UInt8 = 0

  package init(_ bytes: Bytes) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  /// Moves to the next field. - Returns: false at the end.
  package mutating func next() throws(WireError) -> Bool {
    guard position < bytes.endIndex else { return false }
    let tag = try varint()
    guard tag >> 3 > 0, tag >> 3 <= 0x1fff_ffff else { throw .badTag }
    field = UInt32(tag >> 3)
    wireType = UInt8(tag & 7)
    return true
  }

  package mutating func skip() throws(WireError) {
    switch wireType {
    case 0: _ = try varint()
    case 1: try advance(8)
    case 2: _ = try bytesField()
    case 5: try advance(4)
    default: throw .badTag
    }
  }

  package mutating func uint64() throws(WireError) -> UInt64 {
    guard wireType == 0 else { throw .badValue(field: field) }
    return try varint()
  }

  package mutating func uint32() throws(WireError) -> UInt32 {
    // Protobuf keeps the lower 32 bits of a longer number; so does swift-protobuf.
    UInt32(truncatingIfNeeded: try uint64())
  }

  package mutating func bool() throws(WireError) -> Bool { try uint64() != 0 }

  package mutating func zigzag() throws(WireError) -> Int64 {
    let value = try uint64()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }

  package mutating func fixed64() throws(WireError) -> UInt64 {
    guard wireType == 1 else { throw .badValue(field: field) }
    let start = position
    try advance(8)
    var value: UInt64 = 0
    for offset in 0..<8 { value |= UInt64(bytes[start + offset]) << UInt64(8 * offset) }
    return value
  }

  /// Shares the input's buffer.
  package mutating func bytesField() throws(WireError) -> Bytes {
    guard wireType == 2 else { throw .badValue(field: field) }
    let length = try varint()
    guard length <= UInt64(bytes.endIndex - position) else { throw .truncated }
    let start = position
    position += Int(length)
    return bytes[start..<position]
  }

  package mutating func string() throws(WireError) -> String {
    let value = try bytesField()
    guard let text = String(validating: value, as: UTF8.self) else {
      throw .badValue(field: field)
    }
    return text
  }

  package mutating func message<Message: WireMessage>(
    _: Message.Type = Message.self
  ) throws(WireError) -> Message {
    try Message.decode(try bytesField())
  }

  /// Elements of a repeated number, packed or one by one.
  package mutating func packed(into numbers: inout [UInt32]) throws(WireError) {
    guard wireType == 2 else {
      numbers.append(try uint32())
      return
    }
    var inner = ProtobufReader(try bytesField())
    while inner.position < inner.bytes.endIndex {
      numbers.append(UInt32(truncatingIfNeeded: try inner.varint()))
    }
  }

  private mutating func advance(_ count: Int) throws(WireError) {
    guard bytes.endIndex - position >= count else { throw .truncated }
    position += count
  }

  private mutating func varint() throws(WireError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < bytes.endIndex {
      let byte = bytes[position]
      position += 1
      // The tenth byte holds one bit; more would not fit 64.
      guard shift < 63 || byte <= 1 else { throw .badTag }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift += 7
      guard shift <= 63 else { throw .badTag }
    }
    throw .truncated
  }
}
