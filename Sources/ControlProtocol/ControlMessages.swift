package import ClusterModel
package import FoundationEssentials

/// The names by which the rest of the code knows the roots of `proto/control.proto`.
package typealias ControlRequest = Cloudburst_Control_ControlRequest
package typealias ControlResponse = Cloudburst_Control_ControlResponse

extension ControlResponse {
  /// An answer that says no.
  package init(_ failure: Failure) {
    self.init()
    self.failure = Cloudburst_FailureMessage(failure)
  }
}

extension Cloudburst_FailureMessage {
  package init(_ failure: Failure) {
    self.init()
    code = UInt32(failure.code.rawValue)
    message = failure.message
    hint = failure.hint
    function = failure.function
    version = failure.version
    node = failure.node
    detail = failure.detail
    if let id = failure.requestID { requestID = id.wireData }
    retryAfterMilliseconds = failure.retryAfter.milliseconds
  }
}

extension Failure {
  /// A newer peer's code reads as `internalError`, an id of a wrong length as none.
  package init(_ message: Cloudburst_FailureMessage) {
    let code = UInt16(exactly: message.code).flatMap(ErrorCode.init(rawValue:))
    self.init(code ?? .internalError, message.message, hint: message.hint)
    function = message.function
    version = message.version
    node = message.node
    detail = message.detail
    requestID = InvocationID(wireData: message.requestID)
    retryAfter = .milliseconds(Int64(message.retryAfterMilliseconds))
  }
}

extension InvocationID {
  /// 16 bytes, big-endian: an id as a protobuf field.
  package var wireData: Data {
    var data = Data(capacity: 16)
    for number in [high, low] {
      withUnsafeBytes(of: number.bigEndian) { data.append(contentsOf: $0) }
    }
    return data
  }

  /// - Returns: nil unless there are 16 bytes.
  package init?(wireData data: Data) {
    guard data.count == 16 else { return nil }
    self.init(
      high: data.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
      low: data.suffix(8).reduce(0) { $0 << 8 | UInt64($1) })
  }
}

extension Duration {
  /// Never negative; saturates.
  fileprivate var milliseconds: UInt32 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    guard seconds <= Int64(UInt32.max) else { return .max }
    return UInt32(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000)
  }
}
