/// Stamps that follow the wall clock where they can and causality always.
///
/// A stamp is milliseconds since the epoch in the upper 48 bits and a count within the millisecond in
/// the lower 16; stamps compare as plain numbers. The clock holds no reading of its own: the wall's
/// time is an argument, in milliseconds since the epoch.
package struct HybridLogicalClock: Equatable, Sendable {
  /// The highest stamp given out or accepted.
  package private(set) var last: UInt64

  /// - Parameter last: the highest stamp known from an earlier life, so that a wall clock set back
  ///   during a restart does not stamp new writes below old ones.
  package init(last: UInt64 = 0) { self.last = last }

  /// Whose clock made a stamp.
  package enum Origin: Sendable {
    /// A member of this cluster.
    case native
    /// Another system, through the Anna door: kept among its own, never believed as a time.
    case foreign
  }

  package enum Observation: Equatable, Sendable {
    /// Every stamp given out from here on is above the observed one.
    case accepted
    /// Not a stamp of our clocks; nothing changed.
    case foreign
    /// Ahead of the wall clock by more than the limit; nothing changed, the write is refused.
    case beyondDrift(ahead: Duration)
  }

  /// Gives out a stamp above every stamp given out or accepted before.
  ///
  /// More than 65536 stamps in a millisecond carry into the milliseconds. At the end of the 48 bits
  /// (the year 10889) the last stamp is given out again, and ties fall to the value's bytes.
  package mutating func tick(now: UInt64) -> UInt64 {
    let (next, overflow) = last.addingReportingOverflow(1)
    last = max(overflow ? last : next, Self.stamp(milliseconds: now))
    return last
  }

  /// Takes note of a stamp that came with a message.
  package mutating func observe(
    _ stamp: UInt64, origin: Origin, now: UInt64, driftMax: Duration = Limits.clockDriftMax
  ) -> Observation {
    guard origin == .native else { return .foreign }
    let ahead = Self.lead(of: stamp, over: now)
    guard ahead <= driftMax else { return .beyondDrift(ahead: ahead) }
    last = max(last, stamp)
    return .accepted
  }

  /// How far this clock's stamps run ahead of the wall: beyond the drift limit after the wall was set
  /// back, when stamping has to stop until the wall has caught up.
  package func lead(over now: UInt64) -> Duration { Self.lead(of: last, over: now) }

  package static func milliseconds(of stamp: UInt64) -> UInt64 { stamp >> 16 }
  package static func logical(of stamp: UInt64) -> UInt16 { UInt16(truncatingIfNeeded: stamp) }

  /// The first stamp of a millisecond; times beyond 48 bits count as the last millisecond.
  package static func stamp(milliseconds: UInt64) -> UInt64 {
    min(milliseconds, (1 << 48) - 1) << 16
  }

  private static func lead(of stamp: UInt64, over now: UInt64) -> Duration {
    let time = milliseconds(of: stamp)
    return time > now ? .milliseconds(Int64(time - now)) : .zero
  }
}
