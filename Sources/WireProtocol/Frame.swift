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
  /// Without a body: asks a shard or the membership for the ring. With one: a `RingMessage`, asked for
  /// or not.
  case ring = 22
  case memberReport = 23
  case lease = 24
  /// A numbered one-way stream of records between shards.
  case replicate = 25
  case replicated = 26
  /// From a shard that is to hold keys to one that held them: its records, tombstones too. Answered
  /// by `keyResponse`, whose `epoch` is the answerer's.
  case holderRequest = 27
  /// What two shards hold together, to be compared.
  case rangeDigest = 28
  case rangeRepair = 29
  /// About the extra replicas of a hot key.
  case replicaWord = 30
  /// From a shard to its clients: which of its keys are hot, and who has them besides their owners.
  case hotKeys = 31

  case call = 32
  case result = 33
  case cancel = 34
  case dispatch = 35
  case released = 36
  case executorLost = 37
  case killExecutor = 38
  case probeBundle = 39
  case bundleProbed = 40
  /// Asks an agent to take back what an executor has not begun.
  case recall = 41
  /// From the agent, or from the executor that found a dispatch recalled.
  case recalled = 42

  case cacheFetch = 48
  case cacheFetched = 49
  case cacheWrites = 50
  case cacheApplied = 51
  case bundleRequest = 52
  case bundleReady = 53
  case logLines = 54
  /// An executor whose agent sleeps has begun a call: look after it. No body.
  case executorBusy = 55

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
    writer.word(
      UInt64(Self.protocolVersion) | UInt64(kind.rawValue) << 8 | UInt64(flags) << 16)
    writer.word(number)
  }
}

extension FrameHeader {
  /// The number of a frame, if it is of this protocol's version and of a kind.
  package static func number(of frame: UnsafeRawBufferPointer, ifOf kind: FrameKind) -> UInt64? {
    guard frame.count >= byteCount, frame[0] == protocolVersion, frame[1] == kind.rawValue else {
      return nil
    }
    return UInt64(littleEndian: frame.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
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
    let word = reader.word()
    guard word.byte(0) == FrameHeader.protocolVersion else {
      throw .badFormatVersion(word.byte(0))
    }
    guard let kind = FrameKind(rawValue: word.byte(1)) else { throw .badTag }
    header = FrameHeader(
      kind: kind, flags: UInt16(truncatingIfNeeded: word >> 16), number: reader.word())
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

  mutating func word() -> UInt64 {
    defer { position += 8 }
    return bytes[position..<position + 8].withUnsafeBytes {
      UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))
    }
  }

  mutating func take(_ count: Int) -> Bytes {
    defer { position += count }
    return bytes[position..<position + count]
  }

  var rest: Bytes { bytes[position...] }
}

extension UInt64 {
  /// Byte `index` of eight, the lowest first.
  func byte(_ index: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: self >> (8 * index)) }
}
