package import ClusterModel

// `WireMessage.decode` and `framed` are generic, and behind the module's wall nothing specialises
// them: they then cost a quarter more on a small message. These are the same calls, on concrete
// types.

extension KeyRequest {
  package static func decode(_ bytes: Bytes) throws(WireError) -> Self { try decodeHere(bytes) }
  package func framed(_ kind: FrameKind, number: UInt64) -> [UInt8] {
    framedHere(kind, number: number)
  }
}

extension KeyResponse {
  package static func decode(_ bytes: Bytes) throws(WireError) -> Self { try decodeHere(bytes) }
  package func framed(_ kind: FrameKind, number: UInt64) -> [UInt8] {
    framedHere(kind, number: number)
  }
}

extension Call {
  package static func decode(_ bytes: Bytes) throws(WireError) -> Self { try decodeHere(bytes) }
  package func framed(_ kind: FrameKind, number: UInt64) -> [UInt8] {
    framedHere(kind, number: number)
  }
}

extension Dispatch {
  package static func decode(_ bytes: Bytes) throws(WireError) -> Self { try decodeHere(bytes) }
  package func framed(_ kind: FrameKind, number: UInt64) -> [UInt8] {
    framedHere(kind, number: number)
  }
}

extension CallResult {
  package static func decode(_ bytes: Bytes) throws(WireError) -> Self { try decodeHere(bytes) }
  package func framed(_ kind: FrameKind, number: UInt64) -> [UInt8] {
    framedHere(kind, number: number)
  }
}

extension CacheWrites {
  package static func decode(_ bytes: Bytes) throws(WireError) -> Self { try decodeHere(bytes) }
  package func framed(_ kind: FrameKind, number: UInt64) -> [UInt8] {
    framedHere(kind, number: number)
  }
}

extension [KeyTuple] {
  /// Tuples of one message are taken to be alike.
  fileprivate var sizeHint: Int {
    guard let first else { return 0 }
    return count * (48 + first.key.bytes.count + first.record.count + first.payload.count)
  }
}

extension KeyRequest {
  package var sizeHint: Int { 48 + tuples.sizeHint }
}

extension KeyResponse {
  package var sizeHint: Int { 48 + tuples.sizeHint }
}

extension [Argument] {
  fileprivate var sizeHint: Int { reduce(0) { $0 + 24 + $1.value.count + $1.reference.count } }
}

extension Call {
  package var sizeHint: Int { 96 + header.count + arguments.sizeHint }
}

extension Dispatch {
  package var sizeHint: Int {
    stages.reduce(48 + header.count) { $0 + 128 + $1.arguments.sizeHint }
  }
}

extension CallResult {
  package var sizeHint: Int { 96 + value.count + session.count }
}
