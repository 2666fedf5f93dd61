package import ClusterModel
import Connections
import ControlProtocol
package import Logging
package import Membership
package import Platform
import SwiftProtobuf
import WireProtocol
package import ZeroMQ

package enum RouterMessage: Sendable {
  case stop
}

/// What a router is told at its start.
package struct RouterConfiguration: Sendable {
  package var cluster: ClusterID
  package var incarnation: Incarnation
  /// Where members and clients dial; the first may leave the port to the system.
  package var endpoints: [String]
  package var membership = MembershipConfiguration()
  /// Connections; further ones are refused with `OVERLOADED`.
  package var peersMax = 8192
  /// The platform's version, for those who connect.
  package var software = ""

  package init(cluster: ClusterID, incarnation: Incarnation, endpoints: [String]) {
    precondition(!endpoints.isEmpty, "a loop that nobody can dial has nothing to do")
    self.cluster = cluster
    self.incarnation = incarnation
    self.endpoints = endpoints
  }
}

/// Runs a `MemberRegister` over sockets: takes reports, keeps the ring, tells it to all who dial.
package struct RouterLoop: NodeLoop, ~Copyable {
  let configuration: RouterConfiguration
  private let mailbox: Mailbox<RouterMessage>
  private let logger: Logger
  private let store: any MembershipStore
  var listener: Listener
  var register: MemberRegister
  let startedAt: UInt64
  private var poller = Poller()
  /// All who said hello.
  private var peers: Set<PeerID> = []
  private var effects: [MemberRegister.Effect] = []
  private var isToldToStop = false

  static let framesPerTurnMax = 256

  package static func mailbox() throws(PlatformError) -> Mailbox<RouterMessage> {
    try Mailbox(countMax: 16)
  }

  /// - Parameter onBound: told the endpoints to dial, with the ports the system chose.
  package init(
    _ configuration: RouterConfiguration, store: any MembershipStore,
    mailbox: Mailbox<RouterMessage>, in context: Context, logger: Logger,
    onBound: ([String]) -> Void = { _ in }
  ) throws {
    var limits = Listener.Limits()
    limits.peersMax = configuration.peersMax
    // A process that ended is noticed by the end of its connection, before its lease is over.
    limits.noticesLostConnections = true
    listener = try Listener(
      on: configuration.endpoints, cluster: configuration.cluster, in: context, limits: limits)
    var state: MembershipState?
    do { state = try store.load() } catch {
      logger.error("the membership's state cannot be read, the members are asked: \(error)")
    }
    startedAt = MonotonicClock.now
    register = MemberRegister(configuration.membership, from: state, at: Self.now())
    self.configuration = configuration
    self.store = store
    self.mailbox = mailbox
    self.logger = logger
    listener.onTrouble = { logger.warning("\($0)") }
    onBound(listener.endpoints)
  }

  package mutating func run() throws {
    let stopSlot = poller.watch(descriptor: mailbox.descriptor)
    _ = try listener.watch(in: &poller)
    while !isToldToStop {
      var deadline = listener.deadline
      deadline.lower(to: register.nextDeadline)
      _ = try poller.wait(until: deadline)
      if poller.isReadable(stopSlot) { isToldToStop = true }
      try turn()
    }
  }

  private mutating func turn() throws {
    try takeFrames()
    let now = Self.now()
    if let due = register.nextDeadline, due <= now.monotonic { try step(.timer, at: now) }
    try listener.tend(now: now.monotonic)
  }

  private mutating func takeFrames() throws {
    for _ in 0..<Self.framesPerTurnMax {
      switch try listener.next() {
      case .hello(let peer, _): try greet(peer)
      case .frame(let peer, let frame): try take(frame, from: peer)
      case .lost(let peer, _):
        peers.remove(peer)
        try step(.disconnected(peer), at: Self.now())
      case nil: return
      }
    }
  }

  private mutating func greet(_ peer: PeerID) throws {
    peers.insert(peer)
    var welcome = Welcome()
    welcome.cluster = configuration.cluster.number
    welcome.incarnation = configuration.incarnation
    welcome.ringEpoch = told?.epoch ?? 0
    welcome.software = configuration.software
    try listener.welcome(peer, welcome)
    if let told { try tell(told, to: peer) }
  }

  /// What may be told: nothing before the members of the last ring had their say.
  private var told: RingView? {
    register.isServing && register.ring.epoch > 0 ? register.ring : nil
  }

  private mutating func tell(_ ring: RingView, number: UInt64 = 0, to peer: PeerID) throws {
    _ = try listener.send(RingMessage(ring).framed(.ring, number: number), to: peer)
  }

  private mutating func take(_ frame: Frame, from peer: PeerID) throws {
    let number = frame.header.number
    switch frame.header.kind {
    case .memberReport:
      guard let report = try? MemberReport.decode(frame.body),
        report.incarnation == listener.hello(of: peer)?.incarnation
      else { break }
      return try step(.report(report, number: number, from: peer), at: Self.now())
    case .ring: return try tell(told ?? .none, number: number, to: peer)
    case .controlRequest: return try answerControl(frame, from: peer)
    default: break
    }
    try listener.refuse(
      peer, number: number,
      Failure(.badRequest, "a router cannot make sense of this \(frame.header.kind)"))
  }

  private mutating func step(_ input: MemberRegister.Input, at now: MemberRegister.Now) throws {
    register.step(input, at: now, into: &effects)
    // Keeping the state is itself answered by an input.
    while !effects.isEmpty {
      let due = effects
      effects.removeAll(keepingCapacity: true)
      for effect in due { try perform(effect) }
    }
  }

  private mutating func perform(_ effect: MemberRegister.Effect) throws {
    switch effect {
    case .lease(let lease, let number, let peer):
      _ = try listener.send(lease.framed(.lease, number: number), to: peer)
    case .refuse(let failure, let number, let peer):
      logger.notice("refused \(listener.hello(of: peer)?.name ?? "\(peer)"): \(failure)")
      try listener.refuse(peer, number: number, failure)
    case .tellRing(let peer): if let told { try tell(told, to: peer) }
    case .persist(let state):
      var outcome = MemberRegister.Input.persisted
      do { try store.save(state) } catch { outcome = .notPersisted(reason: "\(error)") }
      register.step(outcome, at: Self.now(), into: &effects)
    case .announce(let ring): for peer in peers.sorted() { try tell(ring, to: peer) }
    case .notice(let text): logger.notice("\(text)")
    }
  }

  private static func now() -> MemberRegister.Now {
    MemberRegister.Now(monotonic: MonotonicClock.now, wall: WallClock.milliseconds)
  }
}
