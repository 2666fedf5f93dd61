/// A promise that was broken.
package struct Violation: Equatable, Sendable {
  package enum Oracle: String, CaseIterable, Sendable {
    /// A write acknowledged at its level is gone, or a deleted value is back.
    case acknowledgedWrites = "acknowledged-writes"
    /// A read returned what nobody wrote.
    case inventedValue = "invented-value"
    /// A counter is outside of [acknowledged, attempted].
    case counter
    /// A set lacks an acknowledged element.
    case set
    /// A session read a version older than one it had seen.
    case session
    /// A request had no end, or two.
    case everyCallEnds = "every-call-ends"
    /// An attempt of a call ran twice.
    case oneRunAnAttempt = "one-run-an-attempt"
    /// A call runs in two executors at once.
    case oneAttempt = "one-attempt"
    /// A table is larger than its named limit.
    case bounded
    /// A node asks to be woken again and again while time stands still.
    case busyPolling = "busy-polling"
    /// Caches and their owner differ after everything was quiet.
    case convergence
  }

  package let oracle: Oracle
  /// Nanoseconds of virtual time.
  package let time: UInt64
  package let text: String
}
