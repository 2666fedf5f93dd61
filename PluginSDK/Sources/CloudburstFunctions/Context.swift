/// What a running function can ask of the platform: shared state, its log, its deadline.
///
/// Take it as the first parameter. It is good until the function returns and on the function's own
/// loop, where sync bodies run as a whole and async bodies between their `await`s; elsewhere, such
/// as in a `Task {}` of your own, everything but the log throws `HostError` (`wrongThread`).
public struct Context: Sendable {
  /// The invocation's id: 16 bytes, the same at every attempt.
  public struct ID: Hashable, Sendable, CustomStringConvertible {
    @usableFromInline let high: UInt64
    @usableFromInline let low: UInt64

    @inlinable init(high: UInt64, low: UInt64) {
      self.high = high
      self.low = low
    }

    public var bytes: [UInt8] { Self.bytes(of: high) + Self.bytes(of: low) }
    public var description: String {
      String(Self.bytes(of: high).flatMap(Self.hex) + Self.bytes(of: low).flatMap(Self.hex))
    }
    private static func bytes(of half: UInt64) -> [UInt8] {
      (0..<8).map { UInt8(truncatingIfNeeded: half >> (56 - 8 * $0)) }
    }
    private static func hex(_ byte: UInt8) -> [Character] {
      Array((byte < 16 ? "0" : "") + String(byte, radix: 16))
    }
  }

  public let id: ID
  /// From 1; above 1 when the platform runs the call again after an executor was lost.
  public let attempt: Int
  public let functionName: String
  @usableFromInline let hostCall: HostCall

  @inlinable init(id: ID, attempt: Int, functionName: String, hostCall: HostCall) {
    self.id = id
    self.attempt = attempt
    self.functionName = functionName
    self.hostCall = hostCall
  }

  /// Time left until the call's deadline, zero when it has passed; `nil` when it has none.
  public func remainingTime() throws -> Duration? {
    let nanoseconds = hostCall.table.pointee.deadline_remaining(hostCall.table, hostCall.call)
    if nanoseconds < 0 {
      try hostCall.check(cb_status(truncatingIfNeeded: nanoseconds), "remaining time")
    }
    return nanoseconds == Int64.max ? nil : .nanoseconds(nanoseconds)
  }

  /// The function's log, shown by `cbctl logs`.
  public var log: FunctionLog { FunctionLog(hostCall: hostCall) }
}

/// Writes lines to a function's log, from any thread.
public struct FunctionLog: Sendable {
  let hostCall: HostCall

  public func trace(_ message: String) { write(CB_LOG_TRACE, message) }
  public func debug(_ message: String) { write(CB_LOG_DEBUG, message) }
  public func info(_ message: String) { write(CB_LOG_INFO, message) }
  public func warning(_ message: String) { write(CB_LOG_WARNING, message) }
  public func error(_ message: String) { write(CB_LOG_ERROR, message) }

  private func write(_ level: Int, _ message: String) {
    let status = append(level, message)
    guard status == cb_status(CB_WRONG_THREAD) else { return }
    let line = PostedLine(log: self, level: level, message: message)
    let context = Unmanaged.passRetained(line).toOpaque()
    let posted = hostCall.table.pointee.post(
      hostCall.table,
      { context in
        guard let context else { return }
        let line = Unmanaged<PostedLine>.fromOpaque(context).takeRetainedValue()
        _ = line.log.append(line.level, line.message)
      }, context)
    if posted != cb_status(CB_OK) { Unmanaged<PostedLine>.fromOpaque(context).release() }
  }

  fileprivate func append(_ level: Int, _ message: String) -> cb_status {
    message.withText {
      hostCall.table.pointee.log(hostCall.table, hostCall.call, UInt32(level), $0)
    }
  }
}

private final class PostedLine: Sendable {
  let log: FunctionLog
  let level: Int
  let message: String

  init(log: FunctionLog, level: Int, message: String) {
    self.log = log
    self.level = level
    self.message = message
  }
}
