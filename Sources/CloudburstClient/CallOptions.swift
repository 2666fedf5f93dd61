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

  /// How often the call is tried where its executor crashes or is lost, 1 to 255; the cluster tries
  /// 3 times. With 1 it runs at most once.
  public var attempts: Int?
  /// Bytes of memory the function may take, rounded up to MiB, at most 64 GiB; beyond them it is
  /// stopped: `memoryExceeded`. The cluster gives 512 MiB.
  public var memoryLimit: Int?

  public init(
    timeLimit: Duration? = nil, consistency: CloudburstClient.Consistency? = nil,
    writeLevel: CloudburstClient.WriteLevel? = nil, attempts: Int? = nil, memoryLimit: Int? = nil
  ) {
    self.timeLimit = timeLimit
    self.consistency = consistency
    self.writeLevel = writeLevel
    self.attempts = attempts
    self.memoryLimit = memoryLimit
  }

  func header() -> CallHeader {
    var header = CallHeader(
      invocation: InvocationID(high: RandomBytes.word(), low: RandomBytes.word()))
    if let consistency { header.consistency = consistency.wire }
    header.writeLevel = writeLevel?.wire
    if let attempts { header.attemptsMax = UInt8(clamping: max(1, attempts)) }
    if let memoryLimit {
      header.memoryMebibytes = UInt16(clamping: max(1, (memoryLimit - 1) >> 20 + 1))
    }
    return header
  }
}
