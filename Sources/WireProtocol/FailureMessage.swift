package import ClusterModel

/// A `Failure` on the wire.
package struct FailureMessage: WireMessage {
  package var failure: Failure

  package init() { failure = Failure(.internalError, "") }
  package init(_ failure: Failure) { self.failure = failure }

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, UInt32(failure.code.rawValue))
    writer.field(2, failure.message)
    writer.field(3, failure.hint)
    writer.field(4, failure.function)
    writer.field(5, failure.version)
    writer.field(6, failure.node)
    writer.field(7, failure.detail)
    if let id = failure.requestID { writer.field(8, id.wireBytes) }
    writer.field(9, UInt32(clamping: failure.retryAfter.wholeMicroseconds / 1000))
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1:
      // A newer peer's code is still a failure; its message says which.
      failure.code =
        ErrorCode(rawValue: UInt16(clamping: try reader.uint32())) ?? .internalError
    case 2: failure.message = try reader.string()
    case 3: failure.hint = try reader.string()
    case 4: failure.function = try reader.string()
    case 5: failure.version = try reader.string()
    case 6: failure.node = try reader.string()
    case 7: failure.detail = try reader.string()
    case 8: failure.requestID = try InvocationID(wireBytes: reader.bytesField(), field: 8)
    case 9: failure.retryAfter = .milliseconds(Int64(try reader.uint32()))
    default: try reader.skip()
    }
  }
}

extension InvocationID {
  /// 16 bytes, big-endian, so that bytes and text sort alike.
  package var wireBytes: Bytes {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(16)
    for number in [high, low] {
      withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }
    return bytes[...]
  }

  package init(wireBytes bytes: Bytes, field: UInt32) throws(WireError) {
    guard bytes.count == 16 else { throw .badValue(field: field) }
    var numbers: (high: UInt64, low: UInt64) = (0, 0)
    for byte in bytes.prefix(8) { numbers.high = numbers.high << 8 | UInt64(byte) }
    for byte in bytes.suffix(8) { numbers.low = numbers.low << 8 | UInt64(byte) }
    self.init(high: numbers.high, low: numbers.low)
  }
}
