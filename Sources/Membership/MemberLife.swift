package import ClusterModel
package import WireProtocol

/// A member's side of the membership: says who it is, several times a lease, and knows for how long
/// it may act.
///
/// A lease is counted from when its report was sent, so it ends here before it ends there. Where the
/// connection to the membership has ended and cannot be made again, nobody is there to give anybody
/// up, and the member goes on by itself. One that finds its lease over, because it was stopped
/// itself, first asks.
package struct MemberLife {
  package struct Configuration: Sendable {
    package let role: PeerRole
    package let name: String
    package let incarnation: Incarnation
    package var processID: UInt32 = 0
    package var reportInterval = Duration.milliseconds(500)
    /// How long a connection must have been gone before the membership counts as gone.
    package var gonePatience = Duration.seconds(1)
    /// For how long it then goes on at a time.
    package var lease = Duration.seconds(2)
    /// Reports without an answer, beyond which the next waits for a lease's length.
    package var unansweredMax = 4

    package init(role: PeerRole, name: String, incarnation: Incarnation) {
      self.role = role
      self.name = name
      self.incarnation = incarnation
    }
  }

  package enum Input: Sendable {
    /// The membership has said welcome.
    case connected
    case disconnected
    case lease(Lease, number: UInt64)
    /// Of a report, or of the connection.
    case refused(Failure)
    case ring(RingView)
    /// Where this process listens; of a storage node, index = shard.
    case listening([String])
    /// All of its shards have what they are to hold by the ring of this epoch.
    case settled(epoch: UInt64)
    /// Is to hand over its keys and go.
    case leave
    case timer
  }

  package enum Effect: Equatable, Sendable {
    case report(MemberReport, number: UInt64)
    case news(News)
  }

  /// What a member's process has to know.
  package enum News: Equatable, Sendable {
    /// Newer than any before.
    case ring(RingView)
    /// It may act until then, on the monotonic clock; never goes back.
    case lease(until: UInt64)
    /// This life is over; nothing follows.
    case fenced(Failure)
    /// The ring goes on without it, and it may end.
    case mayLeave
    /// Its wall clock less the membership's, in milliseconds.
    case clockLead(Int64)
    case refused(Failure)
  }

  private let configuration: Configuration
  /// The newest known.
  package private(set) var ring = RingView.none
  /// Monotonic.
  package private(set) var leaseEnd: UInt64 = 0
  package private(set) var isFenced = false
  private var endpoints: [String] = []
  private var settledEpoch: UInt64 = 0
  private var isLeaving = false
  private var mayLeave = false
  private var clockLead: Int64?
  private var isConnected = false
  /// Since when the connection is gone, or since when that is known again after a pause of our own.
  private var goneSince: UInt64
  private var lastStep: UInt64
  private var lastNumber: UInt64 = 0
  private var lastReport: UInt64 = 0
  /// When each report without an answer was sent, by number, ascending.
  private var unanswered: [(number: UInt64, sentAt: UInt64)] = []

  package init(_ configuration: Configuration, at now: UInt64) {
    self.configuration = configuration
    goneSince = now
    lastStep = now
  }

  /// - Parameters:
  ///   - now: nanoseconds of a clock that never jumps.
  ///   - wall: milliseconds since 1970.
  package mutating func step(
    _ input: Input, now: UInt64, wall: UInt64, into effects: inout [Effect]
  ) {
    guard !isFenced else { return }
    let wasStopped = now - min(now, lastStep) > 2 * configuration.reportInterval.wholeNanoseconds
    lastStep = now
    if wasStopped { goneSince = now }
    let isUrgent = take(input, at: now, into: &effects)
    guard !isFenced else { return }
    goOnAlone(at: now, into: &effects)
    if isConnected, isUrgent || wasStopped || reportDueAt <= now {
      report(now: now, wall: wall, into: &effects)
    }
  }

  /// - Returns: whether the membership should know at once.
  private mutating func take(
    _ input: Input, at now: UInt64, into effects: inout [Effect]
  ) -> Bool {
    switch input {
    case .connected:
      isConnected = true
      unanswered = []
      return true
    case .disconnected:
      if isConnected { goneSince = now }
      isConnected = false
      return false
    case .lease(let lease, let number): take(lease, number: number, into: &effects)
    case .refused(let failure): refused(failure, into: &effects)
    case .ring(let view): return take(view, into: &effects)
    case .listening(let endpoints):
      defer { self.endpoints = endpoints }
      return self.endpoints != endpoints
    case .settled(let epoch):
      defer { settledEpoch = max(settledEpoch, epoch) }
      return epoch > settledEpoch
    case .leave:
      defer { isLeaving = true }
      return !isLeaving
    case .timer: break
    }
    return false
  }

  private mutating func take(_ lease: Lease, number: UInt64, into effects: inout [Effect]) {
    guard let index = unanswered.firstIndex(where: { $0.number == number }) else { return }
    let sentAt = unanswered[index].sentAt
    unanswered.removeFirst(index + 1)
    extend(to: sentAt + Duration.milliseconds(lease.milliseconds).wholeNanoseconds, &effects)
    if clockLead != lease.clockLead {
      clockLead = lease.clockLead
      effects.append(.news(.clockLead(lease.clockLead)))
    }
    if lease.mayLeave, isLeaving, !mayLeave {
      mayLeave = true
      effects.append(.news(.mayLeave))
    }
  }

  private mutating func refused(_ failure: Failure, into effects: inout [Effect]) {
    isFenced = failure.code == .fenced
    effects.append(.news(isFenced ? .fenced(failure) : .refused(failure)))
  }

  private mutating func take(_ view: RingView, into effects: inout [Effect]) -> Bool {
    guard view.epoch > ring.epoch else { return false }
    ring = view
    effects.append(.news(.ring(view)))
    return true
  }

  /// Only who was a member once, and knows that nobody is there to tell it otherwise.
  private mutating func goOnAlone(at now: UInt64, into effects: inout [Effect]) {
    guard !isConnected, leaseEnd > 0 else { return }
    guard now - min(now, goneSince) >= configuration.gonePatience.wholeNanoseconds else { return }
    extend(to: now + configuration.lease.wholeNanoseconds, &effects)
  }

  private mutating func extend(to end: UInt64, _ effects: inout [Effect]) {
    guard end > leaseEnd else { return }
    leaseEnd = end
    effects.append(.news(.lease(until: end)))
  }

  private mutating func report(now: UInt64, wall: UInt64, into effects: inout [Effect]) {
    lastNumber += 1
    lastReport = now
    if unanswered.count >= configuration.unansweredMax { unanswered.removeFirst() }
    unanswered.append((lastNumber, now))
    var report = MemberReport()
    report.role = configuration.role
    report.name = configuration.name
    report.incarnation = configuration.incarnation
    report.endpoints = endpoints
    report.ring = RingMessage(ring)
    report.settledEpoch = settledEpoch
    report.isLeaving = isLeaving
    report.wallClock = wall
    report.processID = configuration.processID
    effects.append(.report(report, number: lastNumber))
  }

  /// One that does not answer is not buried in reports: they would be old when it reads them.
  private var reportDueAt: UInt64 {
    let isHeard = unanswered.count < configuration.unansweredMax
    let pause = isHeard ? configuration.reportInterval : configuration.lease
    return lastReport + pause.wholeNanoseconds
  }

  /// When to step with `timer` at the latest.
  package var nextDeadline: UInt64 {
    lastStep + configuration.reportInterval.wholeNanoseconds
  }
}
