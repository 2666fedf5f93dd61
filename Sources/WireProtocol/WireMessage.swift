package import ClusterModel

/// A hot message: a struct with a hand-written protobuf codec. `proto/` holds the contract, and a
/// test drives this codec and swift-protobuf with the same messages.
package protocol WireMessage: Equatable, Sendable {
  /// All fields at their default value.
  init()
  func encode(into writer: inout ProtobufWriter)
  /// Takes the value of `reader.field`, or skips it when the field is unknown.
  mutating func decodeField(from reader: inout ProtobufReader) throws(WireError)
  /// About how many bytes it takes: what to reserve, so that a large one is not copied as it grows.
  var sizeHint: Int { get }
}

extension WireMessage {
  package var sizeHint: Int { 64 }

  package static func decode(_ bytes: Bytes) throws(WireError) -> Self {
    try decodeHere(bytes)
  }

  /// `decode` for those inside this module, which get it specialised.
  static func decodeHere(_ bytes: Bytes) throws(WireError) -> Self {
    try bytes.withUnsafeBufferPointer { (buffer) throws(WireError) in
      var message = Self()
      var reader = ProtobufReader(bytes, in: buffer)
      while try reader.next() { try message.decodeField(from: &reader) }
      return message
    }
  }

  package func encoded() -> Bytes {
    var writer = ProtobufWriter(reserving: sizeHint)
    encode(into: &writer)
    return writer.bytes[...]
  }

  /// One whole frame: header, then message.
  package func framed(_ kind: FrameKind, number: UInt64 = 0, flags: UInt16 = 0) -> [UInt8] {
    framedHere(kind, number: number, flags: flags)
  }

  /// `framed` for those inside this module, which get it specialised.
  func framedHere(_ kind: FrameKind, number: UInt64, flags: UInt16 = 0) -> [UInt8] {
    var writer = ProtobufWriter(reserving: FrameHeader.byteCount + sizeHint)
    FrameHeader(kind: kind, flags: flags, number: number).write(to: &writer)
    encode(into: &writer)
    return writer.bytes
  }
}

/// A message that is all in its kind and number.
package struct Empty: WireMessage {
  package init() {}
  package func encode(into writer: inout ProtobufWriter) {}
  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    try reader.skip()
  }
}
