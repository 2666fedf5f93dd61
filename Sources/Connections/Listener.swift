package import ClusterModel
import Platform
package import WireProtocol
package import ZeroMQ

/// The ROUTER side of our connections: a peer is known once it has said hello, and only then heard.
///
/// A loop takes events one by one with ``next()`` and sends in between. A bad peer costs itself one
/// refusal: malformed frames, unknown versions and frames before a hello are answered and dropped.
package struct Listener: ~Copyable {
  package enum Event: Sendable {
    /// A peer said hello, for the first time or again. Answer with ``welcome(_:_:)`` or
    /// ``refuse(_:number:_:)``.
    case hello(PeerID, Hello)
    case frame(PeerID, Frame)
    /// A known peer cannot be reached any more, or a hello of a later life took its place.
    case lost(PeerID, Hello)
  }

  package enum Arrival: Sendable {
    case event(Event)
    /// A frame of the kind asked for is in ``borrowedBody`` until the next is taken: answer it with
    /// ``answerBorrowed(_:)``, or take it as any other with ``takeBorrowed()``.
    case borrowed(number: UInt64)
  }

  package struct Limits: Sendable {
    /// Further hellos are refused with `OVERLOADED`.
    package var peersMax = 4096
    /// Frames and bytes that wait for one slow peer; beyond them it is given up.
    package var waitingFramesMax = 10_000
    package var waitingBytesMax = 64 << 20
    /// Bytes of large answers that one client has not read; further ones are refused with `OVERLOADED`.
    package var unreadBytesMax = 256 << 20
    /// The same of all clients. Beyond half of it each may have only a sixteenth of its own.
    package var unreadBytesOfAllMax = 1 << 30
    /// How long a peer may be silent before it is probed with a heartbeat.
    package var probeInterval = Duration.seconds(30)
    /// Whether peers are also probed whenever some connection has ended, so that the loss of one is
    /// told at once. Costs a probe of every peer.
    package var noticesLostConnections = false

    package init() {}
  }

  /// What peers lost by their own doing.
  package struct Counts: Equatable, Sendable {
    /// Answers replaced by a refusal, because their client does not read.
    package var withheld = 0
    /// Peers given up with frames waiting.
    package var cutOff = 0
  }

  /// A class, so that sending looks it up once and changes it in place.
  private final class Peer {
    let id: PeerID
    let hello: Hello
    var outbox: BoundedOutbox

    init(_ id: PeerID, hello: Hello, outbox: BoundedOutbox) {
      self.id = id
      self.hello = hello
      self.outbox = outbox
    }
  }

  private let socket: Socket
  private let cluster: ClusterID
  private let limits: Limits
  private var peers: [PeerID: Peer] = [:]
  /// The same by their names as numbers, where those are short: libzmq's own are.
  private var peersByNumber: [UInt64: Peer] = [:]
  private var lost: [(PeerID, Hello)] = []
  private var waiting: Set<PeerID> = []
  private let message = BorrowedMessage()
  /// Who sent what is borrowed.
  private var lender: Peer?
  private var nextProbe: UInt64
  /// libzmq tells of the end before it takes the peer's name away.
  private static let probeDelay = Duration.milliseconds(10)
  /// What clients have not read.
  private let unread = ByteAccount()
  package private(set) var counts = Counts()
  /// Told of peers that cost something, once a kind and probe interval, for the log.
  package var onTrouble: (String) -> Void = { _ in }
  private var isTroubleTold: Set<String> = []
  private let reserve: DescriptorReserve?
  /// Monotonic; when a connection was last turned away because descriptors are running out.
  package private(set) var turnedAwayAt: UInt64?
  /// The endpoints bound, with the ports that the system chose.
  package let endpoints: [String]

  package init(
    on endpoints: [String], cluster: ClusterID, in context: Context, limits: Limits = Limits(),
    options: SocketOptions = Listener.defaultOptions
  ) throws(ZeroMQError) {
    var options = options
    options.reportsConnections = limits.noticesLostConnections
    options.reportsAccepts =
      !limits.noticesLostConnections && endpoints.contains { $0.hasPrefix("tcp://") }
    let socket = try Socket(.router, in: context, options: options)
    self.endpoints = try bind(socket, to: endpoints)
    reserve =
      options.reportsAccepts
      ? DescriptorReserve(endpoints: self.endpoints, limit: Descriptors.limit) : nil
    self.socket = socket
    self.cluster = cluster
    self.limits = limits
    nextProbe = MonotonicClock.now + limits.probeInterval.wholeNanoseconds
  }

  package static var defaultOptions: SocketOptions {
    var options = SocketOptions()
    options.messageBytesMax = ClusterModel.Limits.frameBytesMax
    return options
  }

  package func watch(in poller: inout Poller) throws(ZeroMQError) -> Poller.Slot {
    if limits.noticesLostConnections || reserve != nil {
      _ = try poller.watchConnections(of: socket)
    }
    return try poller.watch(socket)
  }

  /// - Returns: nil when nothing more waits.
  package mutating func next() throws(ZeroMQError) -> Event? {
    guard case .event(let event)? = try next(borrowing: nil) else { return nil }
    return event
  }

  /// As ``next()``, but clients' frames of one kind are not copied.
  package mutating func next(borrowing kind: FrameKind?) throws(ZeroMQError) -> Arrival? {
    if let reserve { try takeAccepts(reserve) }
    while true {
      if let (peer, hello) = lost.popLast() { return .event(.lost(peer, hello)) }
      switch try socket.tryReceive(into: message) {
      case .nothing: return nil
      case .malformed:
        try refuse(
          PeerID([UInt8](message.peer)[...]), number: 0,
          Failure(.badRequest, "a message is one frame of at most \(frameBytesMax) bytes"))
      case .message:
        lender = sender()
        if let kind, let lender, lender.hello.role == .client,
          let number = FrameHeader.number(of: message.body, ifOf: kind)
        {
          return .borrowed(number: number)
        }
        if let event = try takeBorrowed() { return .event(event) }
      }
    }
  }

  /// What comes behind the header.
  package var borrowedBody: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: message.body[FrameHeader.byteCount...])
  }

  /// - Returns: nil for what needs nobody.
  package mutating func takeBorrowed() throws(ZeroMQError) -> Event? {
    try take(
      [UInt8](message.body)[...], from: lender?.id ?? PeerID([UInt8](message.peer)[...]))
  }

  package mutating func answerBorrowed(_ frame: UnsafeRawBufferPointer) throws(ZeroMQError) {
    guard let lender else { return }
    guard lender.outbox.isEmpty, frame.count < ByteAccount.countedBytesMin else {
      _ = try send([UInt8](frame), to: lender.id)
      return
    }
    switch try socket.trySend(frame, answering: message) {
    case .sent: return
    case .wouldBlock: _ = try send([UInt8](frame), to: lender.id)
    case .unreachable: lose(lender.id)
    }
  }

  private func sender() -> Peer? {
    let name = message.peer
    if let number = Self.number(of: name) { return peersByNumber[number] }
    return peers[PeerID([UInt8](name)[...])]
  }

  /// Different for each name of up to seven bytes; nil for longer ones.
  private static func number(of name: UnsafeRawBufferPointer) -> UInt64? {
    guard name.count < 8 else { return nil }
    var number = UInt64(name.count)
    for byte in name { number = number << 8 | UInt64(byte) }
    return number
  }

  private mutating func keep(_ peer: Peer?, _ id: PeerID) {
    peers[id] = peer
    let number = id.bytes.withUnsafeBytes { Self.number(of: $0) }
    if let number { peersByNumber[number] = peer }
  }

  private mutating func takeAccepts(_ reserve: DescriptorReserve) throws(ZeroMQError) {
    while let event = try socket.nextConnectionEvent() {
      guard reserve.take(event) else { continue }
      turnedAwayAt = MonotonicClock.now
      tell(
        "descriptors",
        "connections are turned away: \(reserve.firstReserved) descriptors are open, and the rest "
          + "of the \(Descriptors.limit) are kept for files and executors (raise ulimit -n)")
    }
  }

  private var frameBytesMax: Int { socket.options.messageBytesMax }

  private mutating func take(_ body: Bytes, from peer: PeerID) throws(ZeroMQError) -> Event? {
    let frame: Frame
    do throws(WireError) {
      frame = try Frame(body)
    } catch .badFormatVersion(let version) {
      try refuse(
        peer, number: 0,
        Failure(
          .protocolVersion,
          "the peer speaks protocol version \(version), this side \(FrameHeader.protocolVersion)",
          hint: "use a client of the cluster's version"))
      return nil
    } catch {
      try refuse(peer, number: 0, Failure(.badRequest, "not a frame of this protocol (\(error))"))
      return nil
    }
    if frame.header.kind == .hello { return try greet(peer, frame) }
    guard peers[peer] != nil else {
      let answer = Empty().framed(.sayHello, number: frame.header.number)
      _ = try socket.trySend(answer, to: peer)
      return nil
    }
    return frame.isProbe ? nil : .frame(peer, frame)
  }

  private mutating func greet(_ peer: PeerID, _ frame: Frame) throws(ZeroMQError) -> Event? {
    guard let hello = try? Hello.decode(frame.body) else {
      try refuse(peer, number: frame.header.number, Failure(.badRequest, "a malformed hello"))
      return nil
    }
    guard hello.protocolVersion == UInt32(FrameHeader.protocolVersion) else {
      try refuse(
        peer, number: frame.header.number,
        Failure(
          .protocolVersion,
          "\(hello.name) speaks protocol version \(hello.protocolVersion), this side "
            + "\(FrameHeader.protocolVersion)", hint: "use a client of the cluster's version"))
      return nil
    }
    // Only a client may come without knowing where it is.
    let isStranger = hello.cluster == 0 && hello.role == .client
    guard isStranger || hello.cluster == cluster.number else {
      try refuse(
        peer, number: frame.header.number,
        Failure(.notAllowed, "\(hello.name) belongs to another cluster"))
      return nil
    }
    guard peers[peer] != nil || peers.count < limits.peersMax else {
      try refuse(
        peer, number: frame.header.number,
        Failure(.overloaded, "\(limits.peersMax) peers are connected, the limit"))
      return nil
    }
    if let old = peers[peer]?.hello, old.incarnation != hello.incarnation {
      // Events are taken from the end: the loss is told before the new life's hello.
      keep(nil, peer)
      lost.append((peer, old))
    }
    let account = ByteAccount(partOf: hello.role == .client ? unread : nil)
    let outbox = BoundedOutbox(
      framesMax: limits.waitingFramesMax, bytesMax: limits.waitingBytesMax, account: account)
    keep(Peer(peer, hello: hello, outbox: outbox), peer)
    return .hello(peer, hello)
  }

  /// Answers a hello.
  package mutating func welcome(_ peer: PeerID, _ welcome: Welcome) throws(ZeroMQError) {
    _ = try send(welcome.framed(.welcome), to: peer)
  }

  /// Answers a request, or (number 0) the connection as a whole, with a failure.
  package mutating func refuse(
    _ peer: PeerID, number: UInt64, _ failure: Failure
  ) throws(ZeroMQError) {
    let frame = FailureMessage(failure).framed(.refusal, number: number)
    if peers[peer] != nil {
      _ = try send(frame, to: peer)
    } else {
      // Nobody we know: said once, and not kept if it cannot be taken at once.
      _ = try socket.trySend(frame, to: peer)
    }
  }

  /// Takes back a hello: the peer is heard no more.
  package mutating func forget(_ peer: PeerID) {
    keep(nil, peer)
    waiting.remove(peer)
  }

  package func hello(of peer: PeerID) -> Hello? { peers[peer]?.hello }

  /// Asks the peer for a hello, be it known or not.
  ///
  /// - Returns: false where there is no connection to it. One with a full queue counts as there.
  package mutating func canReach(_ peer: PeerID) throws(ZeroMQError) -> Bool {
    try socket.trySend(Empty().framed(.sayHello), to: peer) != .unreachable
  }

  /// Sends, or keeps in the peer's outbox for later.
  ///
  /// - Returns: false when the peer is gone; a `lost` event follows where it was known.
  package mutating func send(_ frame: [UInt8], to peer: PeerID) throws(ZeroMQError) -> Bool {
    guard let known = peers[peer] else { return false }
    if frame.count >= ByteAccount.countedBytesMin, !hasRoom(for: frame.count, known) {
      return try withhold(frame, from: peer)
    }
    switch try known.outbox.send(frame, through: socket, to: peer) {
    case .sent: return true
    case .queued:
      waiting.insert(peer)
      return true
    case .full:
      cutOff(peer)
      return false
    case .unreachable:
      lose(peer)
      return false
    }
  }

  private func hasRoom(for byteCount: Int, _ known: Peer) -> Bool {
    guard known.hello.role == .client else { return true }
    let (mine, all) = (known.outbox.account.count, unread.count)
    let isTight = all > limits.unreadBytesOfAllMax / 2
    let most = isTight ? limits.unreadBytesMax / 16 : limits.unreadBytesMax
    // One alone may be larger, or it could never be sent.
    return mine + byteCount <= most || (mine == 0 && all <= limits.unreadBytesOfAllMax)
  }

  /// A client that does not read gets a small refusal in place of a large answer; it can ask again.
  private mutating func withhold(
    _ frame: [UInt8], from peer: PeerID
  ) throws(ZeroMQError) -> Bool {
    guard let header = try? Frame(frame[...]).header,
      [.keyResponse, .result, .controlResponse].contains(header.kind)
    else {
      cutOff(peer)
      return false
    }
    counts.withheld += 1
    tell("withheld", "a client does not read its answers; large ones are refused until it does")
    var failure = Failure(
      .overloaded, "an answer of \(frame.count) bytes has no room behind those not read yet",
      hint: "read them, and ask for fewer at a time")
    failure.retryAfter = .milliseconds(100)
    return try send(
      FailureMessage(failure).framed(.refusal, number: header.number), to: peer)
  }

  private mutating func cutOff(_ peer: PeerID) {
    counts.cutOff += 1
    let outbox = peers[peer]?.outbox
    tell(
      "cutOff",
      "“\(peers[peer]?.hello.name ?? "")” does not read and is given up: "
        + "\(outbox?.frameCount ?? 0) frames, \(outbox?.account.count ?? 0) bytes wait for it")
    lose(peer)
  }

  private mutating func tell(_ kind: String, _ text: String) {
    if isTroubleTold.insert(kind).inserted { onTrouble(text) }
  }

  private mutating func lose(_ peer: PeerID) {
    guard let hello = peers[peer]?.hello else { return }
    keep(nil, peer)
    waiting.remove(peer)
    lost.append((peer, hello))
  }

  /// Tries waiting frames again and probes silent peers; once a turn of the loop.
  package mutating func tend(now: UInt64) throws(ZeroMQError) {
    if limits.noticesLostConnections { try noticeLostConnections(now: now) }
    if !waiting.isEmpty { try flushWaiting() }
    guard now >= nextProbe else { return }
    nextProbe = now + limits.probeInterval.wholeNanoseconds
    isTroubleTold = []
    for peer in peers.keys.sorted() {
      _ = try send(Empty().framed(.heartbeat), to: peer)
    }
  }

  private mutating func flushWaiting() throws(ZeroMQError) {
    for peer in waiting.sorted() {
      switch try peers[peer]?.outbox.flush(through: socket, to: peer) {
      case .stillWaiting: continue
      case .unreachable: lose(peer)
      case .empty, nil: waiting.remove(peer)
      }
    }
  }

  private mutating func noticeLostConnections(now: UInt64) throws(ZeroMQError) {
    while let event = try socket.nextConnectionEvent() {
      guard case .lost = event else { continue }
      nextProbe = min(nextProbe, now + Self.probeDelay.wholeNanoseconds)
    }
  }

  /// When ``tend(now:)`` has something to do; events already known are due at once.
  package var deadline: UInt64? {
    if !lost.isEmpty { return 0 }
    guard waiting.isEmpty else { return MonotonicClock.now + 5_000_000 }
    return peers.isEmpty ? nil : nextProbe
  }

  package var peerCount: Int { peers.count }
}

private func bind(
  _ socket: borrowing Socket, to endpoints: [String]
) throws(ZeroMQError) -> [String] {
  var bound: [String] = []
  for endpoint in endpoints { bound.append(try socket.bind(to: endpoint)) }
  return bound
}

extension Frame {
  /// A heartbeat without a number only asks whether the peer is there; one with a number says how
  /// far a stream has come.
  fileprivate var isProbe: Bool { header.kind == .heartbeat && header.number == 0 }
}
