import ClusterModel
import Supervision
import WireProtocol

/// The supervisor half of a node agent, with the executor processes it starts.
final class SupervisorNode: Node {
  static let undeliveredMax = 1024

  let node: NodeID
  private let storage: Node
  private let scheduler: Node
  private let cache: CacheNode
  private let history: History
  private var core: Supervisor?
  private var storageLink: Link?
  private var schedulerLink: Link?
  /// Living executor processes.
  private(set) var executors: [ExecutorID: ExecutorNode] = [:]
  private var fetches: [UInt64: Fetch] = [:]
  private var lastRequest: UInt64 = 0
  private var wakeAt: UInt64?
  private var undelivered: [[UInt8]] = []
  private let executorCount: Int

  private enum Fetch {
    case record(ContentDigest)
    case chunk(ContentDigest, number: Int)
  }

  init(
    of cache: CacheNode, in network: Network, storage: Node, scheduler: Node, history: History
  ) {
    self.cache = cache
    node = cache.node
    self.storage = storage
    self.scheduler = scheduler
    self.history = history
    executorCount = network.world.profile.executorsPerNode
    super.init("supervisor/\(cache.node)", in: network, clockError: cache.clockError)
  }

  override func begin() {
    core = Supervisor(.init(node: node, executors: executorCount))
    storageLink = dial(storage, as: .supervisor, named: "supervisor/\(node)#\(incarnation)")
    schedulerLink = dial(scheduler, as: .supervisor, named: "supervisor/\(node)#\(incarnation)")
    step(.begin)
  }

  /// An agent's death ends its executors.
  override func end() {
    for id in executors.keys.sorted() { executors[id]?.kill() }
    executors = [:]
    core = nil
    fetches = [:]
    wakeAt = nil
    undelivered = []
  }

  override func greeted(by link: Link) -> Welcome? {
    if let id = ExecutorID(link.hello.name) { step(.saidHello(id)) }
    return Welcome()
  }

  override func connected(_ link: Link, _ welcome: Welcome) {
    guard link === schedulerLink else { return }
    let frames = undelivered
    undelivered = []
    for frame in frames { tellScheduler(frame) }
  }

  override func disconnected(_ link: Link) {
    guard link === storageLink else { return }
    fetches = [:]
    step(.storeLost)
  }

  override func take(_ frame: Frame, over link: Link) {
    let number = frame.header.number
    switch frame.header.kind {
    case .bundleRequest:
      guard let request = try? BundleRequest.decode(frame.body),
        let digest = ContentDigest(request.digest)
      else { return malformed(frame) }
      step(.bundleWanted(digest, by: .executor(link.peer, number: number)))
    case .killExecutor:
      guard let order = try? KillExecutor.decode(frame.body) else { return malformed(frame) }
      step(.kill(order))
    case .recall:
      guard let order = try? Recall.decode(frame.body), let id = ExecutorID(order.executor) else {
        return malformed(frame)
      }
      guard let executor = executors[id] else { return }
      let started = executor.recall(upTo: order.upTo)
      tellScheduler(
        Recall(executor: id, upTo: order.upTo, started: started).framed(.recalled))
    case .keyResponse:
      guard let response = try? KeyResponse.decode(frame.body) else { return malformed(frame) }
      takeStored(response, number: number)
    default: malformed(frame)
    }
  }

  private func malformed(_ frame: Frame) {
    world.violate(.inventedValue, "\(name) got a \(frame.header.kind) it cannot read")
  }

  private func takeStored(_ response: KeyResponse, number: UInt64) {
    guard let fetch = fetches.removeValue(forKey: number) else { return }
    let payload = response.tuples.first.flatMap { try? Record($0.record) }?.payload
    switch fetch {
    case .record(let digest):
      step(.bundleRecord(digest, payload.flatMap { try? BundleRecord.decode($0) }))
    case .chunk(let digest, let number):
      step(.bundleChunk(digest, number: number, payload))
    }
  }

  override var nextDeadline: UInt64? { wakeAt }

  override func timerFired() {
    wakeAt = nil
    step(.timer)
  }

  /// A process has ended, by itself or because somebody killed it.
  func processEnded(_ id: ExecutorID, _ ending: Ending) {
    guard let ended = executors.removeValue(forKey: id) else { return }
    later(world.nodeChance.draw(.microseconds(100)...(.milliseconds(40)))) { [self] in
      cache.reaped(id)
      step(.ended(id, ending, lastStarted: ended.started))
    }
  }

  private func step(_ input: Supervisor.Input) {
    guard core != nil else { return }
    var effects: [Supervisor.Effect] = []
    core?.step(input, now: now, using: &world.nodeChance, into: &effects)
    for effect in effects { perform(effect) }
  }

  private func perform(_ effect: Supervisor.Effect) {
    switch effect {
    case .spawn(let id): spawn(id)
    case .kill(let id):
      guard let executor = executors[id] else { return }
      executor.kill()
      processEnded(id, .signalled(9))
    case .reportLoss(let loss): tellScheduler(loss.framed(.executorLost))
    case .fetchRecord(let digest): fetch(ReservedKeys.bundle(digest), .record(digest))
    case .fetchChunk(let digest, let number):
      fetch(ReservedKeys.bundleChunk(digest, number), .chunk(digest, number: number))
    case .install(let digest, _):
      later(.milliseconds(1)) { [self] in step(.installed(digest, path: "/bundles/\(digest).so")) }
    case .spawnProbe, .answerProbe: break
    case .answerBundle(let peer, let number, let ready):
      send(ready.framed(.bundleReady, number: number), to: peer)
    case .wakeUp(let pause):
      let at = now + pause.wholeNanoseconds
      wakeAt = min(wakeAt ?? at, at)
    }
  }

  private func spawn(_ id: ExecutorID) {
    later(world.nodeChance.draw(.milliseconds(2)...(.milliseconds(9)))) { [self] in
      let executor = ExecutorNode(
        id, in: network, cache: cache, supervisor: self, scheduler: scheduler, history: history)
      executors[id] = executor
      executor.start()
      step(.spawned(id, processID: UInt32(executors.count)))
    }
  }

  private func fetch(_ key: Key, _ fetch: Fetch) {
    lastRequest += 1
    var request = KeyRequest()
    request.tuples = [KeyTuple(key: key)]
    guard let storageLink, send(request.framed(.keyRequest, number: lastRequest), over: storageLink)
    else { return later(1) { [self] in step(.storeLost) } }
    fetches[lastRequest] = fetch
  }

  private func tellScheduler(_ frame: [UInt8]) {
    if let schedulerLink, undelivered.isEmpty, send(frame, over: schedulerLink) { return }
    if undelivered.count >= Self.undeliveredMax { undelivered.removeFirst() }
    undelivered.append(frame)
  }
}
