import AnnaDoor
import ClusterModel
import Connections
package import Logging
package import Platform
import StoreAccess
import WireProtocol
import ZeroMQ

package enum AnnaMessage: Sendable {
  /// Requests under way end unanswered.
  case stop
}

/// Runs an `AnnaDoor`: PULL sockets at the ports of Anna's key servers and at one endpoint for keys, a
/// PUSH socket to each client that waits for answers, and the connections to the store.
package struct AnnaLoop: NodeLoop, ~Copyable {
  private let configuration: AnnaConfiguration
  private let mailbox: Mailbox<AnnaMessage>
  private let logger: Logger
  private let context: Context
  private var door: AnnaDoor
  private let addressSocket: Socket
  private let keySocket: Socket
  private var store: StoreLinks
  /// The core knows that there is a store to ask.
  private var hasMetStore = false
  private var lines: [AnswerAddress: AnswerLine] = [:]
  private let unread = ByteAccount()
  private var poller = Poller()
  private var message = ReceivedMessage()
  /// Reused from turn to turn.
  private var effects: [AnnaDoor.Effect] = []
  private var isStopping = false
  private var told = AnnaDoor.Statistics()
  private var tellAt: UInt64 = 0

  /// Frames taken from one socket before the others get their turn.
  private static let framesPerTurnMax = 256
  /// An address request is a few keys and an address.
  private static let addressFrameBytesMax = 4 << 20
  /// What went wrong is logged at most so often.
  private static let tellInterval = Duration.seconds(60)

  package static func mailbox() throws(PlatformError) -> Mailbox<AnnaMessage> {
    try Mailbox(countMax: 4)
  }

  /// Listens at once; requests wait until the store is there.
  ///
  /// - Throws: `Failure` (`PORT_IN_USE`), `ZeroMQError`.
  package init(
    _ configuration: AnnaConfiguration, mailbox: Mailbox<AnnaMessage>, logger: Logger
  ) throws {
    let limits = AnnaDoor.Limits()
    // Two sockets a client: the line, and the one that tells of its connection.
    let context = try Context(socketsMax: 64 + 3 * limits.clientsMax)
    let addresses = try Self.listen(
      at: configuration.addressEndpoints, bytesMax: Self.addressFrameBytesMax, context)
    let keys = try Self.listen(
      at: [configuration.keyEndpoint], bytesMax: Limits.frameBytesMax, context)
    var hello = Hello()
    hello.role = .client
    hello.cluster = configuration.cluster.number
    hello.incarnation = configuration.incarnation
    hello.name = "anna-door"
    // Above what may be pending, so that it is never full.
    let outbox = BoundedOutbox(
      framesMax: 2 * limits.pendingRequestsMax, bytesMax: 2 * Limits.frameBytesMax)
    addressSocket = addresses
    keySocket = keys
    store = StoreLinks(
      to: configuration.storage, as: hello, named: nil, in: context, outbox: outbox)
    door = AnnaDoor(endpoints: [configuration.keyEndpoint], limits: limits)
    self.configuration = configuration
    self.mailbox = mailbox
    self.logger = logger
    self.context = context
  }

  private static func listen(
    at endpoints: [String], bytesMax: Int, _ context: Context
  ) throws -> Socket {
    var options = SocketOptions()
    options.messageBytesMax = bytesMax
    let socket = try Socket(.pull, in: context, options: options)
    for endpoint in endpoints { try bind(socket, to: endpoint) }
    return socket
  }

  private static func bind(_ socket: borrowing Socket, to endpoint: String) throws {
    do throws(ZeroMQError) {
      _ = try socket.bind(to: endpoint)
    } catch {
      guard error.code == .addressInUse else { throw error }
      throw Failure(
        .portInUse, "another program listens on \(endpoint), a port of the Anna door",
        hint: "stop it, or let Anna's clients use other ports: --anna-port")
    }
  }

  package mutating func run() throws {
    _ = poller.watch(descriptor: mailbox.descriptor)
    _ = try poller.watch(addressSocket)
    _ = try poller.watch(keySocket)
    try store.watch(in: &poller, now: MonotonicClock.now)
    while !isStopping {
      let deadlines = [door.nextDeadline, store.deadline].compactMap(\.self)
      _ = try poller.wait(until: deadlines.min())
      try turn(at: MonotonicClock.now)
    }
    for line in lines.values { line.close(&poller) }
  }

  private mutating func turn(at now: UInt64) throws {
    var messages: [AnnaMessage] = []
    mailbox.drain(into: &messages)
    if !messages.isEmpty { isStopping = true }
    try takeStoreEvents(at: now)
    try takeFrames(at: now)
    if let due = door.nextDeadline, due <= now { step(.timerFired, at: now) }
    try perform()
    try tendLines(at: now)
    try store.tend(now: now, poller: &poller)
    tellTroubles(at: now)
  }

  private mutating func takeStoreEvents(at now: UInt64) throws {
    while let event = try store.next(now: now, &poller) {
      switch event {
      case .connected:
        // Further shards change nothing: what waits for one of them is sent to it by itself.
        if store.routes.isOneShard || !hasMetStore { step(.storeReady, at: now) }
        hasMetStore = true
      case .lost: if store.routes.isOneShard { step(.storeLost, at: now) }
      case .refused(let failure): logger.warning("the store refuses the Anna door: \(failure)")
      case .answer(let response, let number, _):
        step(.storeAnswered(response, number: number), at: now)
      case .failed(let failure, let number):
        step(.storeRefused(failure, number: number), at: now)
      case .ringChanged, .frame: continue
      }
    }
  }

  private mutating func takeFrames(at now: UInt64) throws {
    for _ in 0..<Self.framesPerTurnMax {
      let outcome = try addressSocket.tryReceive(into: &message)
      guard outcome != .nothing else { break }
      step(.addressRequest(body(outcome)), at: now)
    }
    for _ in 0..<Self.framesPerTurnMax {
      let outcome = try keySocket.tryReceive(into: &message)
      guard outcome != .nothing else { break }
      step(.keyRequest(body(outcome)), at: now)
    }
    // Pending requests keep the frame they came in.
    message.body = []
  }

  /// A message of several frames counts as one that cannot be read.
  private func body(_ outcome: ReceiveOutcome) -> Bytes {
    outcome == .message ? message.body[...] : []
  }

  private mutating func step(_ input: AnnaDoor.Input, at now: UInt64) {
    door.step(input, at: now, into: &effects)
  }

  private mutating func perform() throws {
    var failed: [AnswerAddress] = []
    for effect in effects {
      switch effect {
      case .ask(let request, let number):
        // States merge: to ask twice does no harm.
        let asked = StoreRequest(number: number, body: .any(request), repetition: .harmless)
        try store.send(asked, now: MonotonicClock.now, &poller)
      case .dial(let address):
        do throws(ZeroMQError) {
          lines[address] = try AnswerLine(
            to: address, configuration, partOf: unread, in: context, watchedBy: &poller)
        } catch {
          logger.warning("an Anna client cannot be dialled: \(error)")
          failed.append(address)
        }
      case .answer(let frame, let address): try send(frame, to: address)
      case .hangUp(let address): lines.removeValue(forKey: address)?.close(&poller)
      }
    }
    effects.removeAll(keepingCapacity: true)
    for address in failed { step(.clientGone(address), at: MonotonicClock.now) }
  }

  private mutating func send(_ frame: [UInt8], to address: AnswerAddress) throws {
    guard let line = lines[address] else { return }
    try line.send(frame, &poller)
    // One at a time: what a closed connection held is given back a moment later.
    if unread.count > configuration.unreadBytesOfAllMax, let greediest = greediest() {
      try end(greediest)
    }
  }

  /// The client with most unread bytes.
  private func greediest() -> AnswerAddress? {
    lines.max { $0.value.unreadBytes < $1.value.unreadBytes }?.key
  }

  private mutating func end(_ address: AnswerAddress) throws {
    lines.removeValue(forKey: address)?.close(&poller)
    step(.clientGone(address), at: MonotonicClock.now)
  }

  private mutating func tendLines(at now: UInt64) throws {
    var gone: [AnswerAddress] = []
    for (address, line) in lines {
      let before = line.state
      try line.tend(&poller)
      if line.state == .gone { gone.append(address) }
      if before == .dialing, line.state == .ready { step(.clientReady(address), at: now) }
    }
    for address in gone { try end(address) }
  }

  private mutating func tellTroubles(at now: UInt64) {
    let statistics = door.statistics
    guard now >= tellAt,
      (statistics.malformed, statistics.refused, statistics.timedOut)
        != (told.malformed, told.refused, told.timedOut)
    else { return }
    tellAt = now + Self.tellInterval.wholeNanoseconds
    told = statistics
    logger.warning(
      """
      Anna door: \(statistics.malformed) frames were no message or named no address, \
      \(statistics.refused) requests too many, \(statistics.timedOut) not answered in time
      """)
  }
}
