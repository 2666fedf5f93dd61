package import ClusterModel
package import Connections
package import Membership
import Platform
package import WireProtocol
package import ZeroMQ

/// How a process is a member: whom it tells, and as whom.
package struct MemberConfiguration: Sendable {
  package var cluster: ClusterID
  package var incarnation: Incarnation
  package let role: PeerRole
  /// Unique among the members of a role.
  package let name: String
  /// Where the membership listens.
  package let routerEndpoint: String

  package init(
    cluster: ClusterID, incarnation: Incarnation, role: PeerRole, name: String, router: String
  ) {
    self.cluster = cluster
    self.incarnation = incarnation
    self.role = role
    self.name = name
    routerEndpoint = router
  }
}

/// A loop's connection to the membership: reports, leases, rings. See `MemberLife` for the rules.
///
/// The owner watches it, sleeps no longer than ``deadline``, calls ``turn(now:poller:)`` each turn
/// and acts on the news. Other frames (a status asked for) come out of `turn` as they are.
package struct MemberLink: ~Copyable {
  package enum Event: Sendable {
    case news(MemberLife.News)
    case frame(Frame)
  }

  private var dialer: Dialer
  private var life: MemberLife
  private var effects: [MemberLife.Effect] = []
  private var events: [Event] = []

  package init(_ configuration: MemberConfiguration, in context: Context) throws(ZeroMQError) {
    var hello = Hello()
    hello.role = configuration.role
    hello.cluster = configuration.cluster.number
    hello.incarnation = configuration.incarnation
    hello.name = configuration.name
    hello.processID = UInt32(clamping: currentProcessID())
    let name = PeerID(
      "member/\(configuration.role)/\(configuration.name)#\(configuration.incarnation)")
    dialer = try Dialer(to: configuration.routerEndpoint, as: hello, named: name, in: context)
    var life = MemberLife.Configuration(
      role: configuration.role, name: configuration.name,
      incarnation: configuration.incarnation)
    life.processID = hello.processID
    self.life = MemberLife(life, at: MonotonicClock.now)
  }

  package mutating func watch(in poller: inout Poller) throws(ZeroMQError) {
    _ = try dialer.watch(in: &poller)
  }

  package var deadline: UInt64 { min(life.nextDeadline, dialer.deadline ?? .max) }

  /// The newest ring known.
  package var ring: RingView { life.ring }
  /// Until when this member may act; monotonic.
  package var leaseEnd: UInt64 { life.leaseEnd }
  package var isConnected: Bool { dialer.isConnected }

  /// Where the process listens; of a storage node, index = shard.
  package mutating func listens(at endpoints: [String]) throws(ZeroMQError) {
    try step(.listening(endpoints))
  }

  /// All shards of the process have what they are to hold by the ring of this epoch.
  package mutating func settled(epoch: UInt64) throws(ZeroMQError) {
    try step(.settled(epoch: epoch))
  }

  /// Says that it wants to hand over its keys and go; `mayLeave` comes when it has.
  package mutating func leave() throws(ZeroMQError) { try step(.leave) }

  /// - Returns: what happened since the last turn, in order.
  package mutating func turn(
    now: UInt64, poller: inout Poller
  ) throws(ZeroMQError) -> [Event] {
    // A pause of our own is noticed before what came meanwhile: the connection may be gone.
    while let event = try dialer.next() { try take(event) }
    if life.nextDeadline <= MonotonicClock.now { try step(.timer) }
    try dialer.tend(now: now, poller: &poller)
    defer { events = [] }
    return events
  }

  private mutating func take(_ event: Dialer.Event) throws(ZeroMQError) {
    switch event {
    case .connected: try step(.connected)
    case .lost: try step(.disconnected)
    case .refused(let failure): try step(.refused(failure))
    case .frame(let frame): try take(frame)
    }
  }

  /// What cannot be decoded is dropped: the next report is answered again.
  private mutating func take(_ frame: Frame) throws(ZeroMQError) {
    switch frame.header.kind {
    case .lease:
      guard let lease = try? Lease.decode(frame.body) else { return }
      try step(.lease(lease, number: frame.header.number))
    case .ring:
      guard let ring = try? RingMessage.decode(frame.body) else { return }
      try step(.ring(ring.view))
    case .refusal:
      guard let failure = try? FailureMessage.decode(frame.body).failure else { return }
      try step(.refused(failure))
    default: events.append(.frame(frame))
    }
  }

  private mutating func step(_ input: MemberLife.Input) throws(ZeroMQError) {
    life.step(
      input, now: MonotonicClock.now, wall: WallClock.milliseconds, into: &effects)
    for effect in effects {
      switch effect {
      case .report(let report, let number):
        _ = try dialer.send(report.framed(.memberReport, number: number))
      case .news(let news): events.append(.news(news))
      }
    }
    effects.removeAll(keepingCapacity: true)
  }

  /// Another frame for the router.
  package mutating func send(_ frame: [UInt8]) throws(ZeroMQError) -> Dialer.SendOutcome {
    try dialer.send(frame)
  }
}
