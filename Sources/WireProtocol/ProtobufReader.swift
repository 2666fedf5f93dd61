package import ClusterModel

/// Walks the fields of one protobuf message. Total: any bytes end in fields or a `WireError`, and
/// byte fields are cut from the input, so nothing is allocated on a peer's word. At most
/// `Limits.messageElementsMax` elements.
///
/// It reads through a pointer that `WireMessage.decode` borrows for it; noncopyable, so that it
/// cannot outlive that.
package struct ProtobufReader: ~Copyable {
  /// What byte fields are cut from, and its memory.
  private let bytes: Bytes
  private let buffer: UnsafeRawBufferPointer
  /// Offsets into `buffer`; `end` is the end of the message being read, nested ones included. Every
  /// load is below `end`, which is never above `buffer.count`.
  private var position = 0
  private var end: Int
  /// The number of the field whose value is next.
  package private(set) var field: UInt32 = 0
  private var wireType: UInt8 = 0
  private var elementsLeft = Limits.messageElementsMax

  /// - Parameter buffer: the memory of `bytes`, borrowed for as long as the reader lives.
  init(_ bytes: Bytes, in buffer: UnsafeBufferPointer<UInt8>) {
    precondition(bytes.count == buffer.count, "the buffer is the memory of these bytes")
    self.bytes = bytes
    self.buffer = UnsafeRawBufferPointer(buffer)
    end = buffer.count
  }

  /// For what is read by `place()`: byte fields cannot be cut from borrowed memory.
  init(borrowing buffer: UnsafeRawBufferPointer) {
    bytes = []
    self.buffer = buffer
    end = buffer.count
  }

  /// Where a byte field lies in the buffer.
  @inline(__always)
  mutating func place() throws(WireError) -> (start: UInt32, count: UInt32) {
    guard wireType == 2 else { throw .badValue(field: field) }
    let count = try length()
    defer { position += count }
    return (UInt32(position), UInt32(count))
  }

  /// Goes into a nested message, whose fields are next.
  ///
  /// - Returns: for `leave(to:)` at its end.
  @inline(__always)
  mutating func enter() throws(WireError) -> Int {
    guard wireType == 2 else { throw .badValue(field: field) }
    let count = try length()
    defer { end = position + count }
    return end
  }

  mutating func leave(to outerEnd: Int) { end = outerEnd }

  /// Moves to the next field. - Returns: false at the end.
  package mutating func next() throws(WireError) -> Bool {
    guard position < end else { return false }
    let tag = try varint()
    guard tag >> 3 > 0, tag >> 3 <= 0x1fff_ffff else { throw .badTag }
    field = UInt32(truncatingIfNeeded: tag >> 3)
    wireType = UInt8(truncatingIfNeeded: tag & 7)
    return true
  }

  package mutating func skip() throws(WireError) {
    switch wireType {
    case 0: _ = try varint()
    case 1: try advance(8)
    case 2: try advance(try length())
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

  /// A number that fits a byte: more is refused, because what these name (kinds, encodings, roles)
  /// must not turn into something else on the way.
  package mutating func uint8() throws(WireError) -> UInt8 {
    guard let value = UInt8(exactly: try uint64()) else { throw .badValue(field: field) }
    return value
  }

  /// Zero is nil, the default; a level that this build does not know is refused, never weakened.
  package mutating func writeLevel() throws(WireError) -> WriteLevel? {
    let number = try uint8()
    guard number != 0 else { return nil }
    guard let level = WriteLevel(rawValue: number) else { throw .badValue(field: field) }
    return level
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
    return UInt64(littleEndian: buffer.loadUnaligned(fromByteOffset: start, as: UInt64.self))
  }

  /// Shares the input's buffer.
  package mutating func bytesField() throws(WireError) -> Bytes {
    guard wireType == 2 else { throw .badValue(field: field) }
    let count = try length()
    let start = bytes.startIndex + position
    position += count
    return bytes[start..<start + count]
  }

  package mutating func string() throws(WireError) -> String {
    guard wireType == 2 else { throw .badValue(field: field) }
    let count = try length()
    let text = UnsafeRawBufferPointer(rebasing: buffer[position..<position + count])
    position += count
    guard let text = String(validating: text, as: UTF8.self) else {
      throw .badValue(field: field)
    }
    return text
  }

  /// Reads a nested message in place. After an error the reader is of no more use.
  package mutating func message<Message: WireMessage>(
    _: Message.Type = Message.self
  ) throws(WireError) -> Message {
    var message = Message()
    try fields(of: &message)
    return message
  }

  /// Reads one element of a repeated message, in place: the larger ones take as long to move as to
  /// read.
  package mutating func append<Message: WireMessage>(
    to messages: inout [Message]
  ) throws(WireError) {
    try countElement()
    messages.append(Message())
    try fields(of: &messages[messages.count - 1])
  }

  /// Reads one element of a repeated string.
  package mutating func append(to strings: inout [String]) throws(WireError) {
    try countElement()
    strings.append(try string())
  }

  private mutating func countElement() throws(WireError) {
    guard elementsLeft > 0 else { throw .tooManyElements(field: field) }
    elementsLeft -= 1
  }

  private mutating func fields(of message: inout some WireMessage) throws(WireError) {
    guard wireType == 2 else { throw .badValue(field: field) }
    let count = try length()
    let outerEnd = end
    end = position + count
    while try next() { try message.decodeField(from: &self) }
    end = outerEnd
  }

  /// Elements of a repeated number, packed or one by one.
  package mutating func packed(into numbers: inout [UInt32]) throws(WireError) {
    guard wireType == 2 else {
      try countElement()
      numbers.append(try uint32())
      return
    }
    let count = try length()
    let outerEnd = end
    end = position + count
    while position < end {
      try countElement()
      numbers.append(UInt32(truncatingIfNeeded: try varint()))
    }
    end = outerEnd
  }

  /// The length before a field's bytes, all of which are there.
  private mutating func length() throws(WireError) -> Int {
    let count = try varint()
    guard count <= UInt64(end - position) else { throw .truncated }
    return Int(count)
  }

  private mutating func advance(_ count: Int) throws(WireError) {
    guard end - position >= count else { throw .truncated }
    position += count
  }

  @inline(__always)
  private mutating func varint() throws(WireError) -> UInt64 {
    guard position < end else { throw .truncated }
    let byte = buffer[position]
    guard byte >= 0x80 else {
      position += 1
      return UInt64(byte)
    }
    return try longVarint()
  }

  private mutating func longVarint() throws(WireError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < end {
      let byte = buffer[position]
      position += 1
      // The tenth byte holds one bit; more would not fit 64.
      guard shift < 63 || byte <= 1 else { throw .badTag }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    throw .truncated
  }
}
