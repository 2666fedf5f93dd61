/// How many calls end a second: the scheduler's counts as they were before the first event of each
/// of the last seconds. An idle scheduler notes nothing, and needs no timer for it.
package struct CallRates: Sendable {
  private struct Sample {
    var second: UInt64
    var ended: UInt64
    var failed: UInt64
  }

  /// What a rate is taken over; shorter after a start.
  package static let seconds: UInt64 = 10

  private var samples: [Sample] = []
  private var lastEnded: UInt64 = 0
  private var lastFailed: UInt64 = 0

  package init() {}

  /// Call it once a turn, after its events.
  ///
  /// - Parameters:
  ///   - now: monotonic nanoseconds.
  ///   - ended: calls since the start, failed ones included.
  package mutating func note(now: UInt64, ended: UInt64, failed: UInt64) {
    let second = now / 1_000_000_000
    if samples.last?.second != second {
      samples.append(Sample(second: second, ended: lastEnded, failed: lastFailed))
      if samples.count > Self.seconds + 1 { samples.removeFirst() }
    }
    lastEnded = ended
    lastFailed = failed
  }

  /// Over the last full ten seconds and what has gone of this one.
  package func perSecond(
    now: UInt64, ended: UInt64, failed: UInt64
  ) -> (ended: Double, failed: Double) {
    let second = now / 1_000_000_000
    let oldest = second - min(second, Self.seconds)
    // Counts only change at events: what they were at `oldest` is what the next event found.
    guard let first = samples.first(where: { $0.second >= oldest }) else { return (0, 0) }
    let since = samples.first?.second == first.second ? first.second : oldest
    let span = max(1, Double(now - since * 1_000_000_000) / 1e9)
    return (Double(ended - first.ended) / span, Double(failed - first.failed) / span)
  }
}
