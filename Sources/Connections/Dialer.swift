package import ClusterModel
import Platform
package import WireProtocol
package import ZeroMQ

/// The dialing side of a connection: says hello whenever the connection comes up, and tells its
/// owner when it is welcome and when that has ended. For tcp and ipc; inproc reports no connections.
///
/// Frames are sent only while welcome. What was under way when a connection is lost may have been
/// received or not: the owner decides what to send again, and to which incarnation.
package struct Dialer: ~Copyable {
  package enum Event: Sendable {
    /// Frames flow from here on.
    case connected(Welcome)
    /// Frames flow no longer; what was sent may be lost. Redialing goes on by itself.
    case lost
    /// The other side does not want us; another hello follows after a pause.
    case refused(Failure)
    case frame(Frame)
  }

  package enum SendOutcome: Equatable, Sendable {
    case sent
    /// Not connected, or the bounded outbox is full: the frame is still the caller's.
    case notNow
  }

  private enum State {
    /// No connection.
    case down
    /// Up; a hello is on its way and is said again at the deadline.
    case greeting(again: UInt64)
    case welcome
  }

  package static let helloInterval = Duration.seconds(1)

  private let socket: Socket
  /// Said at every connection; its clock may be set anew.
  package var hello: Hello
  package let endpoint: String
  private var state = State.down
  private var outbox: BoundedOutbox
  private var message = ReceivedMessage()
  private var socketSlot: Poller.Slot?
  private var waitsForRoom = false

  /// - Parameter name: the routing id to dial with; nil lets the other side choose one.
  package init(
    to endpoint: String, as hello: Hello, named name: PeerID? = nil, in context: Context,
    outbox: BoundedOutbox = BoundedOutbox(framesMax: 100_000, bytesMax: 256 << 20)
  ) throws(ZeroMQError) {
    var options = Listener.defaultOptions
    options.routingID = name
    options.reportsConnections = true
    let socket = try Socket(.dealer, in: context, options: options)
    try socket.connect(to: endpoint)
    self.socket = socket
    self.endpoint = endpoint
    self.hello = hello
    self.outbox = outbox
  }

  /// The slots to poll: frames, and news of the connection.
  package mutating func watch(
    in poller: inout Poller
  ) throws(ZeroMQError) -> (frames: Poller.Slot, connections: Poller.Slot) {
    let slots = (try poller.watch(socket), try poller.watchConnections(of: socket))
    socketSlot = slots.0
    return slots
  }

  package var isConnected: Bool {
    if case .welcome = state { true } else { false }
  }

  /// - Returns: nil when nothing more waits.
  package mutating func next() throws(ZeroMQError) -> Event? {
    while let event = try socket.nextConnectionEvent() {
      if let news = try take(event) { return news }
    }
    while try socket.tryReceive(into: &message) == .message {
      guard let frame = try? Frame(message.body[...]) else { continue }
      if let event = try take(frame) { return event }
    }
    return nil
  }

  private mutating func take(_ event: ConnectionEvent) throws(ZeroMQError) -> Event? {
    switch event {
    case .ready:
      try sayHello()
      return nil
    case .lost:
      let wasWelcome = isConnected
      state = .down
      _ = outbox.discard()
      return wasWelcome ? .lost : nil
    case .handshakeFailed, .retrying, .accepted, .acceptFailed:
      return nil
    }
  }

  private mutating func take(_ frame: Frame) throws(ZeroMQError) -> Event? {
    switch frame.header.kind {
    // A heartbeat with a number says how far a stream has come: that is the owner's business.
    case .heartbeat where frame.header.number == 0: return nil
    case .welcome:
      guard let welcome = try? Welcome.decode(frame.body) else { return nil }
      state = .welcome
      return .connected(welcome)
    case .refusal where !isConnected:
      let failure = (try? FailureMessage.decode(frame.body))?.failure
      state = .greeting(again: MonotonicClock.now + Self.helloInterval.wholeNanoseconds)
      return .refused(failure ?? Failure(.badRequest, "an unreadable refusal"))
    case .sayHello:
      // The other side has forgotten us, or is a new life behind the same address.
      let wasWelcome = isConnected
      try sayHello()
      return wasWelcome ? .lost : nil
    default: return .frame(frame)
    }
  }

  private mutating func sayHello() throws(ZeroMQError) {
    state = .greeting(again: MonotonicClock.now + Self.helloInterval.wholeNanoseconds)
    _ = try socket.trySend(hello.framed(.hello))
  }

  package mutating func send(_ frame: [UInt8]) throws(ZeroMQError) -> SendOutcome {
    guard isConnected else { return .notNow }
    switch try outbox.send(frame, through: socket) {
    case .sent: return .sent
    case .queued:
      waitsForRoom = true
      return .sent
    case .full, .unreachable: return .notNow
    }
  }

  /// Says hello again where none was answered, and sends what waited; once a turn of the loop.
  package mutating func tend(now: UInt64, poller: inout Poller) throws(ZeroMQError) {
    if case .greeting(let again) = state, again <= now { try sayHello() }
    if waitsForRoom { waitsForRoom = try outbox.flush(through: socket) == .stillWaiting }
    if let socketSlot {
      poller.setInterest(waitsForRoom ? [.readable, .writable] : .readable, of: socketSlot)
    }
  }

  package var deadline: UInt64? {
    if case .greeting(let again) = state { again } else { nil }
  }
}
