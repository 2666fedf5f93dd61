import ClusterModel
import Connections
import ControlProtocol
package import Logging
package import Platform
import Scheduling
import StoreAccess
import WireProtocol
package import ZeroMQ

package enum SchedulerMessage: Sendable {
  /// Let the running calls end, then end the loop.
  case stop
}

/// Runs a `Scheduler` over sockets: clients at the front, executors, caches and supervisors at the
/// back, the shard with the registry behind.
package struct SchedulerLoop: NodeLoop, ~Copyable {
  /// What the loop tells its owner, on the loop's thread.
  package struct Events: Sendable {
    /// The endpoint clients dial, with the port the system chose.
    package var onBound: @Sendable (String) -> Void = { _ in }
    /// The registry is loaded: calls are taken.
    package var onReady: @Sendable () -> Void = {}
    /// A client asked the cluster to stop, and no call is in flight any more.
    package var onShutdown: @Sendable () -> Void = {}

    package init() {}
  }

  let configuration: SchedulerConfiguration
  let mailbox: Mailbox<SchedulerMessage>
  let events: Events
  let logger: Logger
  var core: Scheduler
  var front: Listener
  var back: Listener
  var storage: StoreLinks
  var poller = Poller()
  /// Clients by the incarnation of their hello: a client that reconnects is the same client.
  var clients: [Incarnation: PeerID] = [:]
  var executors: [ExecutorID: PeerID] = [:]
  /// The same the other way round.
  var executorsByPeer: [PeerID: ExecutorID] = [:]
  var caches: [NodeID: Agent] = [:]
  var supervisors: [NodeID: Agent] = [:]
  /// The last release of each cache in this turn, to be acknowledged at its end.
  var releasesTaken: [PeerID: UInt64] = [:]
  var roster: AgentRoster
  var waitingProbes: [WaitingProbe] = []
  var gatherings: [UInt64: Gathering] = [:]
  var lastGathering: UInt64 = 0
  /// The shards as clients dial them, and the level of writes that name none: as the shard said last.
  var clientStorageEndpoints: [String]
  var writeLevel: WriteLevel
  /// Who asked for the cluster's end: told when the calls have ended.
  var shutdownAskers: [(peer: PeerID, number: UInt64)] = []
  let startedAt: UInt64
  /// The core knows that there is a store to ask.
  var hasMetStore = false
  /// Clients that say hello while the registry is loaded are welcomed at its end, so that their calls
  /// are not refused; at the latest at this time, so that they can ask what is missing.
  var welcomesHeldUntil: UInt64?
  var rates = CallRates()
  private var effects: [Scheduler.Effect] = []
  private var isToldToStop = false
  private(set) var isDrained = false

  /// A node's cache or supervisor, in the life that said hello last.
  struct Agent {
    let peer: PeerID
    let incarnation: Incarnation
  }

  /// Frames taken from one socket before the others get their turn.
  static let framesPerTurnMax = 256

  package static func mailbox() throws(PlatformError) -> Mailbox<SchedulerMessage> {
    try Mailbox(countMax: 16)
  }

  package init(
    _ configuration: SchedulerConfiguration, mailbox: Mailbox<SchedulerMessage>,
    in context: Context, logger: Logger, events: Events = Events()
  ) throws {
    var limits = Listener.Limits()
    limits.peersMax = configuration.clientsMax
    limits.probeInterval = configuration.clientProbeInterval
    let front = try Listener(
      on: [configuration.frontEndpoint], cluster: configuration.cluster, in: context,
      limits: limits)
    var backLimits = Listener.Limits()
    // A node's death is noticed at once: its calls wait for that.
    backLimits.noticesLostConnections = true
    let back = try Listener(
      on: [configuration.backEndpoint], cluster: configuration.cluster, in: context,
      limits: backLimits)
    self.front = front
    self.back = back
    storage = StoreLinks(
      to: configuration.storage, as: Self.hello(configuration),
      named: PeerID("scheduler#\(configuration.incarnation)"), in: context)
    roster = AgentRoster(configuration.roster)
    self.configuration = configuration
    clientStorageEndpoints = configuration.clientStorageEndpoints
    writeLevel = configuration.writeLevel
    self.mailbox = mailbox
    self.events = events
    self.logger = logger
    startedAt = MonotonicClock.now
    welcomesHeldUntil = startedAt + configuration.startPatience.wholeNanoseconds
    core = Scheduler(
      incarnation: configuration.incarnation, seed: configuration.seed,
      limits: configuration.limits, placement: configuration.placement)
    self.front.onTrouble = { logger.warning("\($0)") }
    events.onBound(self.front.endpoints[0])
  }

  private static func hello(_ configuration: SchedulerConfiguration) -> Hello {
    var hello = Hello()
    hello.role = .scheduler
    hello.cluster = configuration.cluster.number
    hello.incarnation = configuration.incarnation
    hello.name = "scheduler"
    return hello
  }

  package mutating func run() throws {
    let mailboxSlot = poller.watch(descriptor: mailbox.descriptor)
    _ = try front.watch(in: &poller)
    _ = try back.watch(in: &poller)
    try storage.watch(in: &poller, now: startedAt)
    while !(isToldToStop && isDrained) {
      _ = try poller.wait(until: nextDeadline)
      if poller.isReadable(mailboxSlot) { try takeFromMailbox() }
      try turn()
    }
  }

  private var nextDeadline: UInt64? {
    mutating get {
      var earliest = core.nextDeadline
      earliest.lower(to: front.deadline)
      earliest.lower(to: back.deadline)
      earliest.lower(to: storage.deadline)
      earliest.lower(to: gatheringDeadline)
      earliest.lower(to: probesDeadline)
      earliest.lower(to: roster.nextDeadline)
      earliest.lower(to: clients.isEmpty ? nil : welcomesHeldUntil)
      return earliest
    }
  }

  private mutating func takeFromMailbox() throws {
    var messages: [SchedulerMessage] = []
    guard mailbox.drain(into: &messages) else { return }
    isToldToStop = true
    try step(.stop)
  }

  private mutating func turn() throws {
    try takeFromBack()
    try takeFromFront()
    try takeFromStorage()
    let now = MonotonicClock.now
    rates.note(now: now, ended: core.counts.ended, failed: core.counts.failed)
    if let due = core.nextDeadline, due <= now { try step(.timeReached) }
    try endGatherings(at: now)
    try endWaitingProbes(at: now)
    try giveUpAgents(at: now)
    if let until = welcomesHeldUntil, until <= now { try releaseWelcomes() }
    try front.tend(now: now)
    try back.tend(now: now)
    try storage.tend(now: now, poller: &poller)
  }

  /// Runs the core on one input and does what it says; what comes of that may be another input.
  mutating func step(_ input: Scheduler.Input) throws {
    var first: Scheduler.Input? = input
    var consequences: [Scheduler.Input] = []
    while let next = first.take() ?? consequences.popLast() {
      let now = Moment(
        nanoseconds: MonotonicClock.now, wallMilliseconds: WallClock.milliseconds)
      var effects = self.effects
      self.effects = []
      core.step(next, at: now, into: &effects)
      for effect in effects {
        if let consequence = try perform(effect) { consequences.append(consequence) }
      }
      effects.removeAll(keepingCapacity: true)
      self.effects = effects
    }
  }

  /// - Returns: what the core has to know of the outcome at once.
  private mutating func perform(_ effect: Scheduler.Effect) throws -> Scheduler.Input? {
    switch effect {
    case .answer(let result, let number, let client):
      guard let peer = clients[client] else { return nil }
      _ = try front.send(result.framed(.result, number: number), to: peer)
    case .dispatch(let dispatch, let number, let executor, let reason):
      logger.trace("dispatch \(number) to \(executor): \(reason)")
      guard let peer = executors[executor],
        try back.send(dispatch.framed(.dispatch, number: number), to: peer)
      else { return .unreachable(executor, number: number) }
    case .cancel(let invocation, let executor):
      guard let peer = executors[executor] else { return nil }
      var message = CancelCall()
      message.invocation = invocation
      _ = try back.send(message.framed(.cancel), to: peer)
    case .recall(let executor, let upTo):
      let order = Recall(executor: executor, upTo: upTo)
      // Where it is lost the core asks again.
      if let agent = supervisors[executor.node] {
        _ = try back.send(order.framed(.recall), to: agent.peer)
      }
    case .kill(let executor, let invocation, let reason):
      try kill(executor, for: invocation, reason)
    case .store(let request, let number):
      // All of them may be repeated: a question, or a state that merges.
      let asked = StoreRequest(number: number, body: .any(request), repetition: .harmless)
      try storage.send(asked, now: MonotonicClock.now, &poller)
    case .probe(let digest, let number): try probe(digest, number)
    case .answerRegistry(let answer, let number, let client):
      guard let peer = clients[client] else { return nil }
      try send(answer.response, number: number, to: peer)
    case .ready:
      events.onReady()
      try releaseWelcomes()
    case .drained: try drained()
    case .warn(let message): logger.warning("\(message)")
    }
    return nil
  }

  private mutating func kill(
    _ executor: ExecutorID, for invocation: InvocationID, _ reason: ErrorCode
  ) throws {
    guard let agent = supervisors[executor.node] else {
      return logger.warning("no supervisor of \(executor.node) is connected to end \(executor)")
    }
    var order = KillExecutor()
    order.executor = executor.description
    order.invocation = invocation
    order.reason = reason
    _ = try back.send(order.framed(.killExecutor), to: agent.peer)
  }

  private mutating func drained() throws {
    isDrained = true
    guard !shutdownAskers.isEmpty else { return }
    for asker in shutdownAskers {
      var response = ControlResponse()
      response.done = .init()
      try send(response, number: asker.number, to: asker.peer)
    }
    shutdownAskers = []
    events.onShutdown()
  }
}
