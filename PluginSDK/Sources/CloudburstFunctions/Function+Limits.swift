extension Function {
  /// What a call of the function may take; nil leaves it to its caller, or to the cluster.
  struct Limits: Hashable, Sendable {
    var time: Duration?
    var memory: Int?
    var attempts: Int?
  }

  /// The same function with limits of its own:
  ///
  /// ```swift
  /// Function("resize") { (image: [UInt8]) in … }.limits(time: .seconds(2), memory: 256 << 20)
  /// ```
  ///
  /// - Parameters:
  ///   - time: a call never runs longer, whatever its caller allows.
  ///   - memory: bytes of private memory, rounded up to MiB; a caller may ask for another amount.
  ///     The cluster's own limit is 512 MiB.
  ///   - attempts: how often a call is tried where its executor crashes or is lost, 1 to 255; a caller
  ///     may ask for another number. The cluster tries 3 times.
  public func limits(
    time: Duration? = nil, memory: Int? = nil, attempts: Int? = nil
  ) -> Function {
    precondition(time.map { $0 > .zero } ?? true, "\(name): a call needs some time")
    precondition(memory.map { $0 > 0 } ?? true, "\(name): a call needs some memory")
    precondition(
      attempts.map { (1...255).contains($0) } ?? true, "\(name): attempts are 1 to 255")
    var limited = self
    limited.limits = Limits(time: time, memory: memory, attempts: attempts)
    return limited
  }
}

extension Function.Limits {
  var microseconds: UInt64 {
    guard let time else { return 0 }
    let (seconds, attoseconds) = time.components
    let (whole, isTooLong) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000)
    return isTooLong ? .max : max(1, whole &+ UInt64(attoseconds / 1_000_000_000_000))
  }

  var mebibytes: UInt32 {
    memory.map { UInt32(clamping: ($0 - 1) >> 20 + 1) } ?? 0
  }
}
