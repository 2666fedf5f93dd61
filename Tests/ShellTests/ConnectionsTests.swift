import CZeroMQ
import ClusterModel
import Connections
import Platform
import Testing
import WireProtocol
import ZeroMQ

/// A listener and a dialer driven by one thread, over real sockets.
private struct Pair: ~Copyable {
  var listener: Listener
  var dialer: Dialer
  var poller: Poller

  init(
    _ context: Context, endpoint: String, incarnation: UInt64 = 1, helloCluster: UInt64 = 0
  ) throws {
    let listener = try Listener(on: [endpoint], cluster: ClusterID(7), in: context)
    var hello = Hello()
    hello.name = "tester"
    hello.cluster = helloCluster
    hello.incarnation = Incarnation(incarnation)
    var dialer = try Dialer(
      to: listener.endpoints[0], as: hello, named: PeerID("tester"), in: context)
    var poller = Poller()
    _ = try listener.watch(in: &poller)
    _ = try dialer.watch(in: &poller)
    self.listener = listener
    self.dialer = dialer
    self.poller = poller
  }

  enum Seen: Equatable {
    case hello(String)
    case atListener(FrameKind, UInt64)
    case peerLost(UInt64)
    case connected(UInt64)
    case refused(ErrorCode)
    case lost
    case atDialer(FrameKind, UInt64)
  }

  /// Runs both sides until `end` was seen; welcomes every hello.
  mutating func run(
    until end: Seen, welcomeAs incarnation: UInt64 = 1, limit: Duration = .seconds(10)
  ) throws -> [Seen] {
    var seen: [Seen] = []
    let deadline = MonotonicClock.now + limit.wholeMicroseconds * 1000
    while !seen.contains(end) {
      let now = MonotonicClock.now
      guard now < deadline else {
        Issue.record("only \(seen) was seen, not \(end)")
        return seen
      }
      _ = try poller.wait(until: min(deadline, dialer.deadline ?? deadline, now + 20_000_000))
      while let event = try listener.next() { try note(event, incarnation, &seen) }
      while let event = try dialer.next() { note(event, &seen) }
      try listener.tend(now: now)
      try dialer.tend(now: now, poller: &poller)
    }
    return seen
  }

  private mutating func note(
    _ event: Listener.Event, _ incarnation: UInt64, _ seen: inout [Seen]
  ) throws {
    switch event {
    case .hello(let peer, let hello):
      var welcome = Welcome()
      welcome.incarnation = Incarnation(incarnation)
      try listener.welcome(peer, welcome)
      seen.append(.hello(hello.name))
    case .frame(_, let frame): seen.append(.atListener(frame.header.kind, frame.header.number))
    case .lost(_, let hello): seen.append(.peerLost(hello.incarnation.number))
    }
  }

  private func note(_ event: Dialer.Event, _ seen: inout [Seen]) {
    switch event {
    case .connected(let welcome): seen.append(.connected(welcome.incarnation.number))
    case .refused(let failure): seen.append(.refused(failure.code))
    case .lost: seen.append(.lost)
    case .frame(let frame): seen.append(.atDialer(frame.header.kind, frame.header.number))
    }
  }
}

@Suite(.timeLimit(.minutes(1))) struct ConnectionsTests {
  @Test(arguments: ["tcp://127.0.0.1:*", "ipc://@connections-test"])
  func aHelloIsWelcomedAndFramesFlowBothWays(_ endpoint: String) throws {
    let context = try Context()
    var pair = try Pair(context, endpoint: endpoint)
    _ = try pair.run(until: .connected(1))
    #expect(try pair.dialer.send(Empty().framed(.call, number: 5)) == .sent)
    _ = try pair.run(until: .atListener(.call, 5))
    #expect(try pair.listener.send(Empty().framed(.result, number: 5), to: PeerID("tester")))
    _ = try pair.run(until: .atDialer(.result, 5))
  }

  @Test func nothingIsSentBeforeTheWelcome() throws {
    let context = try Context()
    var pair = try Pair(context, endpoint: "tcp://127.0.0.1:*")
    #expect(try pair.dialer.send(Empty().framed(.call)) == .notNow)
  }

  @Test func aPeerThatWasForgottenSaysHelloAgain() throws {
    let context = try Context()
    var pair = try Pair(context, endpoint: "tcp://127.0.0.1:*")
    _ = try pair.run(until: .connected(1))
    pair.listener.forget(PeerID("tester"))
    _ = try pair.dialer.send(Empty().framed(.call, number: 5))
    let seen = try pair.run(until: .connected(2), welcomeAs: 2)
    #expect(seen.contains(.lost))
    #expect(!seen.contains(.atListener(.call, 5)))
  }

  @Test func anotherClustersPeerIsRefused() throws {
    let context = try Context()
    var pair = try Pair(context, endpoint: "tcp://127.0.0.1:*", helloCluster: 8)
    _ = try pair.run(until: .refused(.notAllowed))
  }

  /// A listener also wakes for what makes no event: a connection that was accepted.
  private func firstEvent(
    of listener: inout Listener, _ poller: inout Poller
  ) throws -> Listener.Event? {
    let deadline = MonotonicClock.now + 5_000_000_000
    while MonotonicClock.now < deadline {
      if let event = try listener.next() { return event }
      _ = try poller.wait(until: deadline)
    }
    return nil
  }

  @Test func aPeerThatIsGoneIsLostAtTheNextSend() throws {
    let context = try Context()
    var listener = try Listener(on: ["tcp://127.0.0.1:*"], cluster: ClusterID(7), in: context)
    let socket = try Socket(.dealer, in: context, options: named("x"))
    try socket.connect(to: listener.endpoints[0])
    var hello = Hello()
    hello.incarnation = Incarnation(3)
    try wait(sending: hello.framed(.hello), through: socket)
    var poller = Poller()
    _ = try listener.watch(in: &poller)
    guard case .hello(let peer, _)? = try firstEvent(of: &listener, &poller) else {
      Issue.record("no hello came")
      return
    }
    drop(socket)
    let deadline = MonotonicClock.now + 5_000_000_000
    while try listener.send(Empty().framed(.heartbeat), to: peer), MonotonicClock.now < deadline {
      _ = try poller.wait(until: MonotonicClock.now + 1_000_000)
    }
    guard case .lost(peer, let lost)? = try listener.next() else {
      Issue.record("the loss was not told")
      return
    }
    #expect(lost.incarnation == Incarnation(3))
  }

  @Test func onlyAClientMayComeWithoutKnowingTheCluster() throws {
    let context = try Context()
    var pair = try Pair(context, endpoint: "tcp://127.0.0.1:*")
    pair.dialer.hello.role = .cache
    _ = try pair.run(until: .refused(.notAllowed))
  }

  @Test func aClientThatDoesNotReadGetsRefusalsInPlaceOfLargeAnswers() throws {
    let context = try Context()
    var limits = Listener.Limits()
    limits.unreadBytesMax = 1 << 20
    var listener = try Listener(
      on: ["tcp://127.0.0.1:*"], cluster: ClusterID(7), in: context, limits: limits)
    let reader = try StalledReader(listener.endpoints[0])
    reader.send(Hello().framed(.hello))
    var poller = Poller()
    _ = try listener.watch(in: &poller)
    guard case .hello(let peer, _)? = try firstEvent(of: &listener, &poller) else {
      Issue.record("no hello came")
      return
    }
    var result = CallResult()
    result.value = Bytes(repeating: 1, count: 400_000)
    for number in 1...100 {
      #expect(try listener.send(result.framed(.result, number: UInt64(number)), to: peer))
    }
    #expect(listener.counts.withheld > 0)
    #expect(listener.counts.cutOff == 0)
    // Every question has its answer, of one kind or the other.
    var answered: Set<UInt64> = []
    let deadline = MonotonicClock.now + 10_000_000_000
    while answered.count < 100, MonotonicClock.now < deadline {
      while let body = reader.next() { answered.insert(try Frame(body).header.number) }
      try listener.tend(now: MonotonicClock.now)
    }
    #expect(answered.count == 100)
  }

  private func named(_ name: String) -> SocketOptions {
    var options = SocketOptions()
    options.routingID = PeerID(name)
    return options
  }

  private func wait(sending frame: [UInt8], through socket: borrowing Socket) throws {
    var poller = Poller()
    let slot = try poller.watch(socket, for: .writable)
    while try socket.trySend(frame) != .sent {
      _ = try poller.wait(until: MonotonicClock.now + 5_000_000_000)
    }
    poller.stopWatching(slot)
  }

  private func drop(_ socket: consuming Socket) {}
}

/// A client whose kernel and libzmq stop taking bytes when it does not read. Our own dialers always
/// take what comes, so beside them it would be a race whether anything waits at the listener.
private final class StalledReader {
  private let context: UnsafeMutableRawPointer
  private let socket: UnsafeMutableRawPointer
  private var buffer = [UInt8](repeating: 0, count: 1 << 20)

  init(_ endpoint: String) throws {
    context = try #require(zmq_ctx_new())
    socket = try #require(zmq_socket(context, ZMQ_DEALER))
    set(ZMQ_RCVHWM, 1)
    set(ZMQ_RCVBUF, 64 << 10)
    set(ZMQ_LINGER, 0)
    set(ZMQ_RCVTIMEO, 20)
    try #require(zmq_connect(socket, endpoint) == 0)
  }

  deinit {
    zmq_close(socket)
    zmq_ctx_term(context)
  }

  private func set(_ option: Int32, _ value: Int32) {
    var value = value
    let result = zmq_setsockopt(socket, option, &value, MemoryLayout<Int32>.size)
    precondition(result == 0, "an option that every libzmq 4 has")
  }

  func send(_ frame: [UInt8]) { zmq_send(socket, frame, frame.count, 0) }

  /// - Returns: nil when nothing has come for 20 ms.
  func next() -> Bytes? {
    let count = zmq_recv(socket, &buffer, buffer.count, 0)
    return count < 0 ? nil : buffer[..<Int(count)]
  }
}
