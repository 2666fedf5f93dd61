package import ClusterModel
import Connections
import ControlProtocol
import ExecutorSlots
package import Platform
import Supervision
import WireProtocol
package import ZeroMQ

package enum SupervisorMessage: Sendable {
  /// End all children, then the loop.
  case stop
}

/// Runs a `Supervisor`: executors as child processes, bundles as files, the node's log.
package struct SupervisorLoop: NodeLoop, ~Copyable {
  let configuration: SupervisorConfiguration
  let mailbox: Mailbox<SupervisorMessage>
  let events: Events
  private var hasExecutor = false
  var core: Supervisor
  var random = SystemRandomNumberGenerator()
  var poller: Poller
  var listener: Listener
  var scheduler: Dialer
  var storage: StoreLinks
  var children: [ExecutorID: Child] = [:]
  var probes: [ContentDigest: Probe] = [:]
  var fetches: [UInt64: (what: Fetch, deadline: UInt64)] = [:]
  /// A read of the store that takes longer fails the bundle it is for.
  static let fetchTimeLimit = Duration.seconds(10)
  var memory = MemoryWatch()
  var lastRequest: UInt64 = 0
  var wakeUpAt: UInt64?
  let slots: SlotTable
  /// When to look at the slots; nil while no executor runs anything.
  var lookAt: UInt64?
  var startedAtLastLook: [UInt64]
  /// Frames for the scheduler while it is away; the oldest go first beyond the limit.
  var undelivered: [[UInt8]] = []
  static let undeliveredMax = 1024
  static let framesPerTurnMax = 256
  var isStopping = false
  /// Since when the scheduler says that this node's name is another one's.
  private var refusedSince: UInt64?
  /// After this long the loop ends with that failure.
  static let conflictPatience = Duration.seconds(2)
  var followers = LogFollowers()
  let readBuffer: UnsafeMutableRawBufferPointer

  /// What the loop tells its owner, on the loop's thread.
  package struct Events: Sendable {
    /// The first executor has said hello: calls can run.
    package var onFirstExecutor: @Sendable () -> Void = {}
    /// An executor has ended and its process is gone.
    package var onReaped: @Sendable (ExecutorID, _ processID: UInt32) -> Void = { _, _ in }

    package init() {}
  }

  enum Fetch {
    case record(ContentDigest)
    case chunk(ContentDigest, number: Int)
  }

  package init(
    _ configuration: SupervisorConfiguration, mailbox: Mailbox<SupervisorMessage>,
    in context: Context, events: Events = Events()
  ) throws {
    var hello = Hello()
    hello.role = .supervisor
    hello.cluster = configuration.cluster.number
    hello.incarnation = configuration.incarnation
    hello.name = configuration.node.name
    hello.processID = UInt32(currentProcessID())
    let name = PeerID("supervisor/\(configuration.node)#\(configuration.incarnation)")
    try Files.createFolders(configuration.bundleFolder)
    try Files.createFolders(Files.folder(of: configuration.slotsPath))
    let slots = try SlotTable.created(at: configuration.slotsPath, slots: configuration.executors)
    let listener = try Listener(
      on: [configuration.endpoint], cluster: configuration.cluster, in: context)
    let scheduler = try Dialer(
      to: configuration.schedulerEndpoint, as: hello, named: name, in: context)
    startedAtLastLook = Array(repeating: 0, count: slots.count)
    self.slots = slots
    self.configuration = configuration
    self.mailbox = mailbox
    self.events = events
    core = Supervisor(.init(node: configuration.node, executors: configuration.executors))
    poller = Poller()
    self.listener = listener
    self.scheduler = scheduler
    storage = StoreLinks(to: configuration.storage, as: hello, named: name, in: context)
    readBuffer = .allocate(byteCount: 64 << 10, alignment: 8)
  }

  deinit { readBuffer.deallocate() }

  package mutating func run() throws {
    _ = poller.watch(descriptor: mailbox.descriptor)
    _ = try listener.watch(in: &poller)
    _ = try scheduler.watch(in: &poller)
    try storage.watch(in: &poller, now: MonotonicClock.now)
    try step(.begin)
    while !(isStopping && children.isEmpty && probes.isEmpty) {
      let deadlines = [
        wakeUpAt, lookAt, listener.deadline, scheduler.deadline, storage.deadline, probeDeadline,
        memoryDue, followers.deadline, fetches.values.map(\.deadline).min(),
      ]
      _ = try poller.wait(until: deadlines.compactMap { $0 }.min())
      try turn(now: MonotonicClock.now)
    }
  }

  private mutating func turn(now: UInt64) throws {
    var messages: [SupervisorMessage] = []
    if mailbox.drain(into: &messages) {
      isStopping = true
      try step(.stop)
      for probe in probes.values { probe.child.process.killGroup() }
    }
    try takeFromExecutors()
    try takeFromScheduler()
    try takeFromStorage()
    if fetches.values.contains(where: { $0.deadline <= now }) { try loseStore() }
    try takeFromChildren()
    try takeFromProbes(now: now)
    if let due = memoryDue, due <= now { try watchMemory(now: now) }
    try lookAtSlots(now: now)
    if let at = wakeUpAt, at <= now {
      wakeUpAt = nil
      try step(.timer)
    }
    try answerFollowers(now: now)
    try listener.tend(now: now)
    try scheduler.tend(now: now, poller: &poller)
    try storage.tend(now: now, poller: &poller)
  }

  mutating func step(_ input: Supervisor.Input) throws {
    var effects: [Supervisor.Effect] = []
    core.step(input, now: MonotonicClock.now, using: &random, into: &effects)
    for effect in effects { try perform(effect) }
  }

  private mutating func perform(_ effect: Supervisor.Effect) throws {
    switch effect {
    case .spawn(let id): try spawn(id)
    case .kill(let id): children[id]?.process.killGroup()
    case .reportLoss(let loss): try tellScheduler(loss.framed(.executorLost))
    case .fetchRecord(let digest): try fetch(ReservedKeys.bundle(digest), .record(digest))
    case .fetchChunk(let digest, let number):
      try fetch(ReservedKeys.bundleChunk(digest, number), .chunk(digest, number: number))
    case .install(let digest, let chunks): try install(digest, chunks)
    case .spawnProbe(let digest, let path, let limit): try probe(digest, path, limit)
    case .answerBundle(let peer, let number, let ready):
      _ = try listener.send(ready.framed(.bundleReady, number: number), to: peer)
    case .answerProbe(let number, let record):
      try tellScheduler(record.framed(.bundleProbed, number: number))
    case .wakeUp(let delay):
      let at = MonotonicClock.now + delay.wholeNanoseconds
      wakeUpAt = min(wakeUpAt ?? at, at)
    }
  }

  private mutating func takeFromExecutors() throws {
    for _ in 0..<Self.framesPerTurnMax {
      switch try listener.next() {
      case .hello(let peer, let hello):
        guard let id = ExecutorID(hello.name), isChild(id, processID: hello.processID) else {
          try turnAway(peer, hello)
          continue
        }
        try listener.welcome(peer, welcome())
        try take(helloOf: id)
      case .frame(let peer, let frame): try take(frame, from: peer)
      case .lost: continue
      case nil: return
      }
    }
  }

  private func isChild(_ id: ExecutorID, processID: UInt32) -> Bool {
    children[id].map { UInt32($0.process.id) == processID } ?? false
  }

  /// A process that claims an executor's id is not let in beside, or instead of, the one we started.
  private mutating func turnAway(_ peer: PeerID, _ hello: Hello) throws {
    let failure = Failure(
      .conflict, "process \(hello.processID) is not the executor \(hello.name) of this node",
      hint: "executors are started by their node")
    try listener.refuse(peer, number: 0, failure)
    listener.forget(peer)
  }

  private mutating func take(helloOf id: ExecutorID) throws {
    try step(.saidHello(id))
    if !hasExecutor {
      hasExecutor = true
      events.onFirstExecutor()
    }
  }

  private func welcome() -> Welcome {
    var welcome = Welcome()
    welcome.cluster = configuration.cluster.number
    welcome.incarnation = configuration.incarnation
    return welcome
  }

  private mutating func take(_ frame: Frame, from peer: PeerID) throws {
    let number = frame.header.number
    switch frame.header.kind {
    case .bundleRequest:
      guard let request = try? BundleRequest.decode(frame.body),
        let digest = ContentDigest(request.digest)
      else { return try refuse(frame, from: peer) }
      try step(.bundleWanted(digest, by: .executor(peer, number: number)))
    case .logLines:
      guard let lines = try? LogLines.decode(frame.body),
        let id = ExecutorID(listener.hello(of: peer)?.name ?? "")
      else { return try refuse(frame, from: peer) }
      try step(.logged(id, lines.lines))
    case .executorBusy: beginWatching()
    default: try refuse(frame, from: peer)
    }
  }

  private mutating func refuse(_ frame: Frame, from peer: PeerID) throws {
    try listener.refuse(
      peer, number: frame.header.number,
      Failure(.badRequest, "a supervisor cannot make sense of this \(frame.header.kind)"))
  }

  private mutating func takeFromScheduler() throws {
    for _ in 0..<Self.framesPerTurnMax {
      switch try scheduler.next() {
      case .connected:
        refusedSince = nil
        try deliver()
      case .frame(let frame): try take(fromScheduler: frame)
      case .refused(let failure): try takeRefusal(failure)
      case .lost: continue
      case nil: return
      }
    }
  }

  /// A name that another process has may become free: that one may have died just now.
  private mutating func takeRefusal(_ failure: Failure) throws {
    guard failure.code == .conflict else { return }
    let now = MonotonicClock.now
    let since = refusedSince ?? now
    refusedSince = since
    if now - since >= Self.conflictPatience.wholeNanoseconds { throw failure }
  }

  private mutating func take(fromScheduler frame: Frame) throws {
    switch frame.header.kind {
    case .killExecutor:
      if let order = try? KillExecutor.decode(frame.body) { try step(.kill(order)) }
    case .recall: try recall(frame)
    case .probeBundle:
      guard let request = try? BundleRequest.decode(frame.body),
        let digest = ContentDigest(request.digest)
      else { return }
      try step(.bundleWanted(digest, by: .probe(number: frame.header.number)))
    case .controlRequest: try answerControl(frame)
    default: return
    }
  }

  mutating func tellScheduler(_ frame: [UInt8]) throws {
    guard undelivered.isEmpty, try scheduler.send(frame) == .sent else {
      if undelivered.count >= Self.undeliveredMax { undelivered.removeFirst() }
      undelivered.append(frame)
      return
    }
  }

  private mutating func deliver() throws {
    let frames = undelivered
    undelivered = []
    for frame in frames { try tellScheduler(frame) }
  }
}
