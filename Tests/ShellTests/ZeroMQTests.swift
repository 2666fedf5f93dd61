import CZeroMQ
import ClusterModel
import Glibc
import Platform
import Testing
import ZeroMQ

/// Ten seconds from now: a test that waits so long has failed.
private func patience() -> UInt64 { MonotonicClock.now + 10_000_000_000 }

private struct TookTooLong: Error {}

/// The next message, waited for.
private func receive(from socket: borrowing Socket) throws -> (ReceiveOutcome, ReceivedMessage) {
  var poller = Poller()
  _ = try poller.watch(socket)
  var message = ReceivedMessage()
  let deadline = patience()
  while try poller.wait(until: deadline) > 0 {
    let outcome = try socket.tryReceive(into: &message)
    if outcome != .nothing { return (outcome, message) }
  }
  throw TookTooLong()
}

/// Sends as soon as the connection is there.
private func send(_ body: [UInt8], through socket: borrowing Socket) throws {
  var poller = Poller()
  _ = try poller.watch(socket, for: .writable)
  while try poller.wait(until: patience()) > 0 {
    if try socket.trySend(body) == .sent { return }
  }
  throw TookTooLong()
}

/// The next event of a dialled connection, waited for.
private func nextEvent(of socket: borrowing Socket) throws -> ConnectionEvent {
  var poller = Poller()
  _ = try poller.watchConnections(of: socket)
  while try poller.wait(until: patience()) > 0 {
    if let event = try socket.nextConnectionEvent() { return event }
  }
  throw TookTooLong()
}

/// Sends to `peer` again and again until the answer is `outcome`.
private func sendToPeer(
  _ peer: PeerID, through router: borrowing Socket, until outcome: Socket.SendOutcome,
  body: [UInt8] = [1]
) throws {
  let deadline = patience()
  var poller = Poller()
  _ = try poller.watch(router)
  while MonotonicClock.now < deadline {
    if try router.trySend(body, to: peer) == outcome { return }
    _ = try poller.wait(until: MonotonicClock.now + 100_000)
  }
  throw TookTooLong()
}

private func named(
  _ name: String, _ adjust: (inout SocketOptions) -> Void = { _ in }
) -> SocketOptions {
  var options = SocketOptions()
  options.routingID = PeerID(name)
  adjust(&options)
  return options
}

@Suite struct SocketTests {
  @Test(arguments: ["tcp://127.0.0.1:*", "tcp://127.0.0.1:0", "ipc", "inproc://round-trip"])
  func messagesGoThereAndBack(place: String) throws {
    let folder = try ScratchFolder()
    let context = try Context()
    let router = try Socket(.router, in: context)
    let endpoint = try router.bind(to: place == "ipc" ? "ipc://\(folder.path)/s" : place)
    let dealer = try Socket(.dealer, in: context, options: named("client#1"))
    try dealer.connect(to: endpoint)
    for count in [0, 1, 33, 64, 100_000] {
      let question = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
      try send(question, through: dealer)
      let (_, received) = try receive(from: router)
      #expect(received.body == question)
      #expect(received.peer == PeerID("client#1"))
      #expect(try router.trySend(Array(question.reversed()), to: received.peer) == .sent)
      #expect(try receive(from: dealer).1.body == Array(question.reversed()))
    }
  }

  @Test func aWildcardPortIsNamed() throws {
    let context = try Context()
    let router = try Socket(.router, in: context)
    let endpoint = try router.bind(to: "tcp://127.0.0.1:*")
    let port = try #require(Int(endpoint.dropFirst("tcp://127.0.0.1:".count)))
    #expect(port > 0)
  }

  @Test func aPortInUseIsSaid() throws {
    let context = try Context()
    let first = try Socket(.router, in: context)
    let endpoint = try first.bind(to: "tcp://127.0.0.1:*")
    let second = try Socket(.router, in: context)
    #expect(
      throws: ZeroMQError(code: .addressInUse, call: "zmq_bind", doing: "binding \(endpoint)")
    ) { try second.bind(to: endpoint) }
  }

  @Test(arguments: [
    ("nonsense", ZeroMQError.Code.invalidEndpoint),
    ("carrier-pigeon://coop", .unsupportedTransport),
    ("tcp://203.0.113.7:1", .addressNotAvailable),
    ("ipc:///no/such/folder/s", .pathNotAccessible),
    ("ipc:///tmp/" + String(repeating: "x", count: 200), .pathTooLong),
  ])
  func anEndpointThatCannotBeBoundSaysWhy(endpoint: String, code: ZeroMQError.Code) throws {
    let context = try Context()
    let router = try Socket(.router, in: context)
    let error = #expect(throws: ZeroMQError.self) { try router.bind(to: endpoint) }
    #expect(error?.code == code)
  }

  @Test func aPeerNeverSeenIsUnreachable() throws {
    let context = try Context()
    let router = try Socket(.router, in: context)
    _ = try router.bind(to: "inproc://nobody")
    let peer = PeerID("executor#1")
    #expect(try router.trySend([1], to: peer) == .unreachable)
  }

  @Test(arguments: ["tcp://127.0.0.1:*", "ipc"])
  func aPeerThatLeftIsUnreachable(place: String) throws {
    let folder = try ScratchFolder()
    let context = try Context()
    let router = try Socket(.router, in: context)
    let endpoint = try router.bind(to: place == "ipc" ? "ipc://\(folder.path)/s" : place)
    func comeAndGo() throws -> PeerID {
      let dealer = try Socket(.dealer, in: context)
      try dealer.connect(to: endpoint)
      try send([1], through: dealer)
      return try receive(from: router).1.peer
    }
    let peer = try comeAndGo()
    try sendToPeer(peer, through: router, until: .unreachable)
  }

  @Test func aPeerThatDoesNotReadMakesSendingBlock() throws {
    let folder = try ScratchFolder()
    let context = try Context()
    var options = SocketOptions()
    options.sendQueueMax = 4
    options.receiveQueueMax = 4
    let router = try Socket(.router, in: context, options: options)
    let endpoint = try router.bind(to: "ipc://\(folder.path)/s")
    let dealer = try Socket(.dealer, in: context, options: options)
    try dealer.connect(to: endpoint)
    try send([1], through: dealer)
    let peer = try receive(from: router).1.peer
    let body = [UInt8](repeating: 7, count: 100_000)
    try sendToPeer(peer, through: router, until: .wouldBlock, body: body)
    #expect(try receive(from: dealer).1.body == body)
  }

  @Test func withoutAConnectionSendingBlocks() throws {
    let context = try Context()
    let taken = try Socket(.router, in: context)
    let endpoint = try taken.bind(to: "tcp://127.0.0.1:*")
    try taken.unbind(from: endpoint)
    let dealer = try Socket(.dealer, in: context)
    try dealer.connect(to: endpoint)
    #expect(try dealer.trySend([1]) == .wouldBlock)
  }

  @Test(arguments: [2, 3, 40])
  func aMessageOfSeveralFramesIsMalformedAndHarmsNobody(count: Int) throws {
    let context = try Context()
    let router = try Socket(.router, in: context)
    let endpoint = try router.bind(to: "tcp://127.0.0.1:*")
    let stranger = try #require(zmq_ctx_new())
    let dealer = try #require(zmq_socket(stranger, ZMQ_DEALER))
    defer {
      zmq_close(dealer)
      zmq_ctx_term(stranger)
    }
    zmq_setsockopt(dealer, ZMQ_ROUTING_ID, "stranger", 8)
    zmq_connect(dealer, endpoint)
    for frame in 1...count { zmq_send(dealer, "x", 1, frame < count ? ZMQ_SNDMORE : 0) }
    zmq_send(dealer, "good", 4, 0)
    let (first, bad) = try receive(from: router)
    #expect(first == .malformed)
    #expect(bad.peer == PeerID("stranger"))
    let (second, good) = try receive(from: router)
    #expect(second == .message)
    #expect(good.body == Array("good".utf8))
  }

  @Test func aFrameAboveTheLimitIsNotSent() throws {
    let context = try Context()
    var options = SocketOptions()
    options.messageBytesMax = 1024
    let router = try Socket(.router, in: context)
    let endpoint = try router.bind(to: "tcp://127.0.0.1:*")
    let dealer = try Socket(.dealer, in: context, options: options)
    try dealer.connect(to: endpoint)
    try send([1], through: dealer)
    let error = #expect(throws: ZeroMQError.self) {
      try dealer.trySend([UInt8](repeating: 0, count: 1025))
    }
    #expect(error?.code == .messageTooLong)
  }

  @Test func aFrameAboveTheLimitEndsItsSendersConnectionOnly() throws {
    let context = try Context()
    var small = SocketOptions()
    small.messageBytesMax = 1024
    let router = try Socket(.router, in: context, options: small)
    let endpoint = try router.bind(to: "tcp://127.0.0.1:*")
    let good = try Socket(.dealer, in: context, options: named("good"))
    let bad = try Socket(
      .dealer, in: context, options: named("bad") { $0.reportsConnections = true })
    try good.connect(to: endpoint)
    try bad.connect(to: endpoint)
    #expect(try nextEvent(of: bad) == .ready(endpoint: endpoint))
    try send([UInt8](repeating: 0, count: 1025), through: bad)
    #expect(try nextEvent(of: bad) == .lost(endpoint: endpoint))
    try send([1], through: good)
    #expect(try receive(from: router).1.peer == PeerID("good"))
  }

  @Test func garbageOnThePortHarmsNobody() throws {
    let context = try Context()
    let router = try Socket(.router, in: context)
    let endpoint = try router.bind(to: "tcp://127.0.0.1:*")
    let port = try #require(UInt16(endpoint.dropFirst("tcp://127.0.0.1:".count)))
    let stranger = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(stranger) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(stranger, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(connected == 0)
    let garbage = [UInt8](repeating: 0xA5, count: 4096)
    #expect(send(stranger, garbage, garbage.count, Int32(MSG_NOSIGNAL)) == garbage.count)
    let dealer = try Socket(.dealer, in: context)
    try dealer.connect(to: endpoint)
    try send([1], through: dealer)
    #expect(try receive(from: router).1.body == [1])
  }

  @Test func aDialerThatComesBackUnderItsNameTakesTheNameOver() throws {
    let context = try Context()
    let router = try Socket(.router, in: context)
    let endpoint = try router.bind(to: "tcp://127.0.0.1:*")
    let old = try Socket(.dealer, in: context, options: named("agent#1"))
    try old.connect(to: endpoint)
    try send([1], through: old)
    let peer = try receive(from: router).1.peer
    let new = try Socket(.dealer, in: context, options: named("agent#1"))
    try new.connect(to: endpoint)
    try send([2], through: new)
    let (outcome, message) = try receive(from: router)
    #expect(outcome == .message)
    #expect(message.peer == peer)
    #expect(message.body == [2])
    #expect(try router.trySend([3], to: peer) == .sent)
    #expect(try receive(from: new).1.body == [3])
  }

  @Test func aDialerLearnsThatItsConnectionWasLost() throws {
    let context = try Context()
    var options = SocketOptions()
    options.reportsConnections = true
    let dealer = try Socket(.dealer, in: context, options: options)
    func serveShortly() throws -> String {
      let router = try Socket(.router, in: context)
      let endpoint = try router.bind(to: "tcp://127.0.0.1:*")
      try dealer.connect(to: endpoint)
      #expect(try nextEvent(of: dealer) == .ready(endpoint: endpoint))
      return endpoint
    }
    let endpoint = try serveShortly()
    #expect(try nextEvent(of: dealer) == .lost(endpoint: endpoint))
    #expect(try nextEvent(of: dealer) == .retrying(endpoint: endpoint))
  }

  @Test func theContextLivesAsLongAsItsSockets() throws {
    func open() throws -> Socket { try Socket(.router, in: try Context()) }
    let router = try open()
    #expect(try router.bind(to: "inproc://orphan") == "inproc://orphan")
  }

  @Test func shutdownEndsALoopThatSleeps() throws {
    let context = try Context()
    let isWatching = try EventFD()
    let code = Locked<ZeroMQError.Code?>(nil)
    let thread = try LoopThread(name: "sleeper") {
      do throws(ZeroMQError) {
        let router = try Socket(.router, in: context)
        var poller = Poller()
        _ = try poller.watch(router)
        isWatching.signal()
        _ = try poller.wait(until: patience())
      } catch {
        code.withLock { $0 = error.code }
      }
    }
    #expect(isReadable(isWatching.raw, withinMilliseconds: 10_000))
    context.shutdown()
    thread.join()
    #expect(code.withLock { $0 } == .terminated)
  }

  @Test func tooManySocketsAreRefused() throws {
    let context = try Context(socketsMax: 1)
    let first = try Socket(.router, in: context)
    let error = #expect(throws: ZeroMQError.self) { _ = try Socket(.router, in: context) }
    #expect(error?.code == .tooManySockets)
    _ = try first.bind(to: "inproc://first")
  }

  @Test func aBorrowedBodyIsTheMessage() throws {
    let context = try Context()
    let pull = try Socket(.pull, in: context)
    let endpoint = try pull.bind(to: "inproc://one-way")
    let push = try Socket(.push, in: context)
    try push.connect(to: endpoint)
    try send([1, 2, 3], through: push)
    var poller = Poller()
    _ = try poller.watch(pull)
    #expect(try poller.wait(until: patience()) == 1)
    var peer = ReceivedMessage().peer
    var sum = 0
    let outcome = try pull.tryReceive(peer: &peer) { body in sum = body.reduce(0) { $0 + Int($1) } }
    #expect(outcome == .message)
    #expect(sum == 6)
    #expect(try pull.tryReceive(peer: &peer) { _ in sum = -1 } == .nothing)
    #expect(sum == 6)
  }
}

@Suite struct OutboxTests {
  @Test func framesWaitInOrderUpToTheLimitAndArriveAll() throws {
    let context = try Context()
    var options = SocketOptions()
    options.sendQueueMax = 1
    options.receiveQueueMax = 1
    let pull = try Socket(.pull, in: context, options: options)
    let push = try Socket(.push, in: context, options: options)
    try push.connect(to: try pull.bind(to: "inproc://outbox"))
    var outbox = BoundedOutbox(framesMax: 10, bytesMax: 1000)
    var accepted: UInt8 = 0
    while try outbox.send([accepted], through: push) != .full { accepted += 1 }
    #expect(outbox.frameCount == 10)
    #expect(outbox.byteCount == 10)
    var poller = Poller()
    _ = try poller.watch(push, for: .writable)
    for number in 0..<accepted {
      #expect(try receive(from: pull).1.body == [number])
      if !outbox.isEmpty, try poller.wait(until: patience()) > 0 {
        _ = try outbox.flush(through: push)
      }
    }
    #expect(outbox.isEmpty)
    #expect(outbox.byteCount == 0)
  }

  @Test func bytesAreLimitedToo() throws {
    let context = try Context()
    let push = try Socket(.push, in: context)
    var outbox = BoundedOutbox(framesMax: 10, bytesMax: 5)
    #expect(try outbox.send([1, 2, 3], through: push) == .queued)
    #expect(try outbox.send([1, 2, 3], through: push) == .full)
    #expect(try outbox.send([1, 2], through: push) == .queued)
    #expect(outbox.discard() == 2)
    #expect(outbox.byteCount == 0)
  }

  @Test func aDeadPeerIsAValue() throws {
    let context = try Context()
    let router = try Socket(.router, in: context)
    var outbox = BoundedOutbox(framesMax: 10, bytesMax: 1000)
    let peer = PeerID("gone")
    #expect(try outbox.send([1], through: router, to: peer) == .unreachable)
    #expect(outbox.isEmpty)
  }
}
