/// Walks the fields of one protobuf message held in memory.
///
/// Total: any bytes give fields or a `LatticeError`. Allocates nothing; byte fields are slices of the
/// input.
struct ProtobufReader {
  enum Field {
    case varint(UInt32, UInt64)
    case fixed64(UInt32, UInt64)
    case bytes(UInt32, ArraySlice<UInt8>)
    /// Four bytes; no lattice payload has one.
    case fixed32(UInt32)
  }

  private let bytes: ArraySlice<UInt8>
  private let payload: LatticeError.Payload
  private var position: Int

  init(_ bytes: ArraySlice<UInt8>, of payload: LatticeError.Payload) {
    self.bytes = bytes
    self.payload = payload
    position = bytes.startIndex
  }

  /// - Returns: `nil` at the end of the message.
  mutating func nextField() throws(LatticeError) -> Field? {
    guard position < bytes.endIndex else { return nil }
    let tag = try varint()
    let number = tag >> 3
    guard number >= 1, number < 1 << 29 else { throw failure(.fieldNumber) }
    switch tag & 7 {
    case 0: return .varint(UInt32(number), try varint())
    case 1: return .fixed64(UInt32(number), try fixed64())
    case 2: return .bytes(UInt32(number), try take(varint()))
    case 5:
      _ = try take(4)
      return .fixed32(UInt32(number))
    default: throw failure(.wireType)
    }
  }

  /// One of a packed field's numbers; `nil` at their end.
  mutating func nextVarint() throws(LatticeError) -> UInt64? {
    position < bytes.endIndex ? try varint() : nil
  }

  private mutating func varint() throws(LatticeError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < bytes.endIndex {
      let byte = bytes[position]
      position += 1
      // The tenth byte holds bit 63 alone.
      if shift == 63, byte > 1 { throw failure(.varint) }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    throw failure(.truncated)
  }

  private mutating func fixed64() throws(LatticeError) -> UInt64 {
    try take(8).withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
  }

  private mutating func take(_ count: UInt64) throws(LatticeError) -> ArraySlice<UInt8> {
    guard count <= UInt64(bytes.endIndex - position) else { throw failure(.truncated) }
    let end = position + Int(count)
    defer { position = end }
    return bytes[position..<end]
  }

  func failure(_ code: LatticeError.Code) -> LatticeError {
    LatticeError(code: code, payload: payload, offset: position - bytes.startIndex)
  }
}

/// When parts that were appended as they came are to be normalised while more are read: a payload that
/// repeats a part of two bytes must not cost a whole part in memory each time.
struct Repetitions {
  static let unsortedPartsMax = 1024
  private var due = unsortedPartsMax

  func areDue(at count: Int) -> Bool { count >= due }

  /// - Parameter count: of the parts that normalising left.
  mutating func settle(at count: Int) { due = max(Self.unsortedPartsMax, 2 * count) }
}

/// The tags these payloads write: field number and wire type in one byte.
enum ProtobufTag {
  static let fixed1: UInt8 = 1 << 3 | 1
  static let bytes1: UInt8 = 1 << 3 | 2
  static let fixed2: UInt8 = 2 << 3 | 1
  static let varint1: UInt8 = 1 << 3
  static let varint2: UInt8 = 2 << 3
  static let varint3: UInt8 = 3 << 3
  static let varint4: UInt8 = 4 << 3
  static let varint5: UInt8 = 5 << 3
}

/// Bytes that `value` takes as a varint: 1 to 10.
func varintCount(_ value: UInt64) -> Int {
  (70 - (value | 1).leadingZeroBitCount) / 7
}

extension [UInt8] {
  mutating func appendVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    append(UInt8(rest))
  }

  mutating func appendNumber(_ tag: UInt8, _ value: UInt64) {
    append(tag)
    appendVarint(value)
  }

  /// The tag of a field of bytes.
  mutating func appendTag(_ number: UInt32) { appendVarint(UInt64(number) << 3 | 2) }

  /// A field of bytes, written even where it is empty.
  mutating func appendField(_ number: UInt32, _ field: ArraySlice<UInt8>) {
    appendTag(number)
    appendVarint(UInt64(field.count))
    append(contentsOf: field)
  }

  mutating func appendLittleEndian(_ value: UInt64) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
}
