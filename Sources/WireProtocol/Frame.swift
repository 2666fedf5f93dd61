package import ClusterModel

/// What the body of a frame is. Numbers are never reused.
package enum FrameKind: UInt8, CaseIterable, Sendable {
  case hello = 1
  case welcome = 2
  /// Body: `FailureMessage`. Ends the connection when it answers a hello, else the request.
  case refusal = 3
  case heartbeat = 4
  /// Cumulative acknowledgement of a one-way stream; `number` is the last one taken.
  case streamAcknowledged = 5
  /// The receiver does not know the sender: a hello comes first. The frame was not looked at.
  case sayHello = 6

  case keyRequest = 16
  case keyResponse = 17
  case watch = 18
  case watchEvent = 19
  case unwatch = 20
  /// A numbered one-way stream of updates from a shard to a subscribed cache.
  case push = 21

  case call = 32
  case result = 33
  case cancel = 34
  case dispatch = 35
  case released = 36
  case executorLost = 37
  case killExecutor = 38
  case probeBundle = 39
  case bundleProbed = 40

  case cacheFetch = 48
  case cacheFetched = 49
  case cacheWrites = 50
  case cacheApplied = 51
  case bundleRequest = 52
  case bundleReady = 53
  case logLines = 54
  case flushBarrier = 55

  /// Control messages between tools and the cluster: swift-protobuf's side (`ControlProtocol`).
  case controlRequest = 64
  case controlResponse = 65
}

/// The first 16 bytes of every native frame, so that a relay can rewrite a request's number
/// without decoding the message behind it.
///
/// Layout, little-endian: `u8 protocol version, u8 kind, u16 flags, u32 zero, u64 number`.
package struct FrameHeader: Equatable, Sendable {
  package static let protocolVersion: UInt8 = 1
  package static let byteCount = 16

  package var kind: FrameKind
  package var flags: UInt16
  /// The request's id (chosen by the asker, repeated in the answer) or the place in a stream.
  package var number: UInt64

  package init(kind: FrameKind, flags: UInt16 = 0, number: UInt64 = 0) {
    self.kind = kind
    self.flags = flags
    self.number = number
  }

  package func write(to writer: inout ProtobufWriter) {
    writer.raw([Self.protocolVersion, kind.rawValue])
    withUnsafeBytes(of: flags.littleEndian) { writer.raw($0) }
    writer.raw([0, 0, 0, 0])
    withUnsafeBytes(of: number.littleEndian) { writer.raw($0) }
  }
}

/// A received frame, header read, body still bytes.
package struct Frame: Equatable, Sendable {
  package let header: FrameHeader
  package let body: Bytes

  package init(header: FrameHeader, body: Bytes) {
    self.header = header
    self.body = body
  }

  /// - Throws: `badFormatVersion` for another protocol version, `badTag` for an unknown kind.
  package init(_ bytes: Bytes) throws(WireError) {
    guard bytes.count >= FrameHeader.byteCount else { throw .truncated }
    var reader = LittleEndianReader(bytes)
    let version: UInt8 = reader.read()
    guard version == FrameHeader.protocolVersion else { throw .badFormatVersion(version) }
    guard let kind = FrameKind(rawValue: reader.read()) else { throw .badTag }
    let flags: UInt16 = reader.read()
    let _: UInt32 = reader.read()
    header = FrameHeader(kind: kind, flags: flags, number: reader.read())
    body = reader.rest
  }
}

/// Reads fixed-layout headers; the caller has checked the length.
struct LittleEndianReader {
  private let bytes: Bytes
  private var position: Int

  init(_ bytes: Bytes) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  mutating func read<Number: FixedWidthInteger>() -> Number {
    var number: Number = 0
    for offset in 0..<MemoryLayout<Number>.size {
      number |= Number(truncatingIfNeeded: bytes[position + offset]) << Number(8 * offset)
    }
    position += MemoryLayout<Number>.size
    return number
  }

  mutating func take(_ count: Int) -> Bytes {
    defer { position += count }
    return bytes[position..<position + count]
  }

  var rest: Bytes { bytes[position...] }
}
