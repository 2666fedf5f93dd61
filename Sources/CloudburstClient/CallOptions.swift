import ClusterModel
import Platform
import WireProtocol

/// What a call may take and promise; nil leaves it to the client's or the cluster's default.
public struct CallOptions: Sendable {
  /// From now until the result. At the end of it the function is stopped: `deadlineExceeded`.
  public var timeLimit: Duration?
  public var consistency: CloudburstClient.Consistency?
  /// When the function's writes count as done; its result is held back until then.
  public var writeLevel: CloudburstClient.WriteLevel?

  public init(
    timeLimit: Duration? = nil, consistency: CloudburstClient.Consistency? = nil,
    writeLevel: CloudburstClient.WriteLevel? = nil
  ) {
    self.timeLimit = timeLimit
    self.consistency = consistency
    self.writeLevel = writeLevel
  }

  func header() -> CallHeader {
    var header = CallHeader(
      invocation: InvocationID(high: RandomBytes.word(), low: RandomBytes.word()))
    if let consistency { header.consistency = consistency.wire }
    header.writeLevel = writeLevel?.wire
    return header
  }
}
