/// How many lines of output one executor may add to the log: a burst, then a steady rate.
///
/// What comes beyond it is dropped and counted, so that a function that floods its output costs its
/// node a count and not a log.
package struct LineBudget: Sendable {
  package static let burst: UInt64 = 1000
  package static let perSecond: UInt64 = 200
  /// A note about dropped lines follows the first of them after so long.
  package static let noteInterval: UInt64 = 1_000_000_000

  private var left = Self.burst
  /// When the budget was last added to; nanoseconds of a monotonic clock.
  private var filledAt: UInt64 = 0
  /// Lines dropped and not told of yet.
  package private(set) var dropped: UInt64 = 0
  private var droppedSince: UInt64 = 0

  package init() {}

  /// - Returns: whether the next line may go to the log.
  package mutating func take(now: UInt64) -> Bool {
    fill(now: now)
    guard left > 0 else { return false }
    left -= 1
    return true
  }

  package mutating func drop(_ count: UInt64, now: UInt64) {
    if dropped == 0 { droppedSince = now }
    dropped += count
  }

  /// How many lines were dropped, once there is something to say: at the end, or when it is time.
  package mutating func takeNote(now: UInt64, isEnd: Bool = false) -> UInt64? {
    guard dropped > 0, isEnd || now >= droppedSince + Self.noteInterval else { return nil }
    defer { dropped = 0 }
    return dropped
  }

  package static func note(_ count: UInt64, of what: String) -> String {
    "\(count) lines of \(what) dropped: \(perSecond) a second are kept"
  }

  private mutating func fill(now: UInt64) {
    guard now > filledAt else { return }
    let (earned, isMuch) = (now - filledAt).multipliedReportingOverflow(by: Self.perSecond)
    let lines = isMuch ? Self.burst : earned / 1_000_000_000
    guard lines > 0 else { return }
    left = min(Self.burst, left + lines)
    filledAt = now
  }
}
