import ClusterModel

/// What the clocks say, as an argument of a step.
package struct Moment: Equatable, Sendable {
  /// Nanoseconds of a clock that never jumps: for deadlines and timers.
  package var nanoseconds: UInt64
  /// Milliseconds since the epoch, which may jump: for stamps and expiries.
  package var wallMilliseconds: UInt64

  package init(nanoseconds: UInt64, wallMilliseconds: UInt64) {
    self.nanoseconds = nanoseconds
    self.wallMilliseconds = wallMilliseconds
  }
}

extension Duration {
  /// For people: `1.5 s`, `30 s`, `20 ms`.
  var readable: String {
    let milliseconds = wholeNanoseconds / 1_000_000
    guard milliseconds >= 1000 else { return "\(milliseconds) ms" }
    let tenths = milliseconds / 100
    return tenths % 10 == 0 ? "\(tenths / 10) s" : "\(tenths / 10).\(tenths % 10) s"
  }
}

extension UInt64 {
  func addingSaturating(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
