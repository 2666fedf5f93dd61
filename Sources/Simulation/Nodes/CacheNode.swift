import Caching
import ClusterModel
import StoreAccess
import WireProtocol

/// The cache half of a node agent.
final class CacheNode: Node {
  /// Releases kept for the case that the connection to their scheduler is lost under them.
  static let releasesKeptMax = 256

  /// The only one.
  private static let owner = Route(0)

  let node: NodeID
  private let storage: Node
  private let scheduler: Node
  private var core: NodeCache?
  private(set) var memory = SharedMemory()
  private var storageLink: Link?
  private var schedulerLink: Link?
  private var releases: [Released.Entry] = []
  private var tickAt: UInt64?
  private let limits: NodeCacheLimits
  /// For a planted bug: what a repeated frame is numbered with.
  private var renumbered: UInt64 = 1 << 40

  init(
    _ node: NodeID, in network: Network, storage: Node, scheduler: Node, clockError: Int64
  ) {
    self.node = node
    self.storage = storage
    self.scheduler = scheduler
    var limits = NodeCacheLimits()
    if network.world.profile.tightLimits {
      limits.bytesMax = 3000
      limits.dirtyBytesMax = 1000
      limits.waitingWritesMax = 2
      limits.flushesMax = 2
      limits.requestKeysMax = 3
      limits.writesWaitMax = .milliseconds(200)
    }
    self.limits = limits
    super.init("cache/\(node)", in: network, clockError: clockError)
  }

  override func begin() {
    memory = SharedMemory()
    core = NodeCache(
      incarnation: world.planted == .reuseActors ? Incarnation(1) : incarnation,
      defaultLevel: world.profile.hasLog ? .durable : .accepted,
      limits: limits)
    storageLink = dial(storage, as: .cache, named: "cache/\(node)#\(incarnation)")
    schedulerLink = dial(scheduler, as: .cache, named: "cache/\(node)#\(incarnation)")
  }

  override func end() {
    core = nil
    releases = []
    tickAt = nil
  }

  override func greeted(by link: Link) -> Welcome? { Welcome() }

  override func connected(_ link: Link, _ welcome: Welcome) {
    if link === storageLink {
      let clock = world.planted == .stampByOwnClock ? 0 : welcome.clock
      return step(.ownerConnected(Self.owner, clock: clock))
    }
    // Told again: the scheduler knows which of them it has had.
    sendReleases(releases)
  }

  override func disconnected(_ link: Link) {
    if link === storageLink { step(.ownerLost(Self.owner)) }
  }

  func reaped(_ executor: ExecutorID) {
    happen { step(.executorGone(PeerID(executor.description))) }
  }

  override func take(_ frame: Frame, over link: Link) {
    let number = frame.header.number
    switch frame.header.kind {
    case .cacheFetch:
      guard let fetch = try? CacheFetch.decode(frame.body) else { return malformed(frame) }
      step(.fetch(fetch, number: number, from: link.peer))
    case .cacheWrites:
      guard var writes = try? CacheWrites.decode(frame.body) else { return malformed(frame) }
      if world.planted == .stampByOwnClock { writes.clock = 0 }
      step(.writes(writes, number: number, from: link.peer))
      if world.planted == .applyTwice, !writes.writes.isEmpty { applyAgain(writes, link.peer) }
      if world.planted == .releaseBeforeAcknowledgement, writes.isFinal { releaseEarly(writes) }
    case .keyResponse:
      guard var response = try? KeyResponse.decode(frame.body) else { return malformed(frame) }
      if world.planted == .stampByOwnClock { response.clock = 0 }
      step(.response(response, number: number, by: .one(Self.owner)))
    case .refusal:
      guard let refusal = try? FailureMessage.decode(frame.body) else { return malformed(frame) }
      step(.refused(refusal.failure, number: number))
    case .push:
      guard var push = try? KeyResponse.decode(frame.body) else { return malformed(frame) }
      if world.planted == .dropPushes { return }
      if world.planted == .losePushesSilently, number.isMultiple(of: 3) { push.tuples = [] }
      if world.planted == .stampByOwnClock { push.clock = 0 }
      step(.push(push, number: number, from: Self.owner))
    case .heartbeat:
      if world.planted == .dropPushes { return }
      step(.heartbeat(number: number, from: Self.owner))
    default: malformed(frame)
    }
  }

  private func malformed(_ frame: Frame) {
    world.violate(.inventedValue, "\(name) got a \(frame.header.kind) it cannot read")
  }

  private func applyAgain(_ writes: CacheWrites, _ peer: PeerID) {
    var again = writes
    again.isFinal = false
    renumbered += 1
    step(.writes(again, number: renumbered, from: PeerID("again")))
  }

  private func releaseEarly(_ writes: CacheWrites) {
    var entry = Released.Entry()
    entry.invocation = writes.invocation
    entry.attempt = writes.attempt
    release(entry, to: writes.scheduler)
  }

  override var nextDeadline: UInt64? { tickAt }

  override func timerFired() {
    tickAt = nil
    step(.tick)
  }

  override func checkBounds() {
    guard let statistics = core?.statistics else { return }
    // One frame of writes is taken whole while there is any room.
    let dirtyMost = limits.dirtyBytesMax + 2 * ClusterModel.Limits.chunkBytesMax
    if statistics.dirtyBytes > dirtyMost {
      world.violate(.bounded, "\(name) has \(statistics.dirtyBytes) bytes of writes to flush")
    }
    if statistics.flushesUnderWay > limits.flushesMax {
      world.violate(
        .bounded,
        "\(name) has \(statistics.flushesUnderWay) flushes under way; flushesMax is "
          + "\(limits.flushesMax)")
    }
    if statistics.bytes > limits.bytesMax + dirtyMost {
      world.violate(.bounded, "\(name) holds \(statistics.bytes) bytes")
    }
  }

  private func step(_ input: NodeCache.Input) {
    guard core != nil else { return }
    var effects: [NodeCache.Effect] = []
    core?.step(input, at: .init(wall: wall, monotonic: now), into: &effects)
    var answers: [NodeCache.Input] = []
    for effect in effects {
      if let answer = perform(effect) { answers.append(answer) }
    }
    for answer in answers { step(answer) }
  }

  /// - Returns: the input that answers the effect, where that is known at once.
  private func perform(_ effect: NodeCache.Effect) -> NodeCache.Input? {
    switch effect {
    case .install(let key, let record):
      // Now and then shared memory has no room.
      if world.profile.tightLimits, !world.isHealed, world.nodeChance.oneIn(300) {
        memory[key] = nil
        return .notInstalled(key)
      }
      memory[key] = record
    case .remove(let key): memory[key] = nil
    case .fetched(let key, let outcome, let number, let peer):
      send(fetched(key, outcome).framed(.cacheFetched, number: number), to: peer)
    case .applied(let number, let peer):
      send(Empty().framed(.cacheApplied, number: number), to: peer)
    case .refuseWrites(let failure, let number, let peer):
      send(FailureMessage(failure).framed(.refusal, number: number), to: peer)
    case .request(let request, let number, _):
      if let storageLink { send(request.framed(.keyRequest, number: number), over: storageLink) }
    case .unsubscribe(let key, _):
      var request = WatchRequest()
      request.key = key
      if let storageLink { send(request.framed(.unwatch), over: storageLink) }
    case .acknowledgeStream(let number, _):
      let frame = Empty().framed(.streamAcknowledged, number: number)
      if let storageLink { send(frame, over: storageLink) }
    case .release(let entry, let scheduler): release(entry, to: scheduler)
    case .publish(let sequence):
      memory.acknowledged = world.planted == .publishAtOnce ? .max : sequence
    case .needsRoom: return .references([])
    case .startTimer(let pause):
      let at = now + pause.wholeNanoseconds
      tickAt = min(tickAt ?? at, at)
    }
    return nil
  }

  private func fetched(_ key: Key, _ outcome: NodeCache.FetchOutcome) -> CacheFetched {
    var fetched = CacheFetched()
    fetched.key = key
    switch outcome {
    case .record(let record): fetched.record = record.encoded()
    case .resident:
      if let record = memory[key] {
        fetched.record = record.encoded()
      } else {
        world.violate(.convergence, "\(name) takes \(key) to be in shared memory; it is not")
      }
    case .absent: break
    case .failed(let failure): fetched.failure = failure
    }
    return fetched
  }

  private func release(_ entry: Released.Entry, to scheduler: Incarnation) {
    // A scheduler of an earlier life has no use for it.
    guard scheduler == self.scheduler.incarnation else { return }
    var entry = entry
    if world.planted == .forgetWrittenVersions { entry.session = [] }
    releases.append(entry)
    if releases.count > Self.releasesKeptMax { releases.removeFirst() }
    sendReleases([entry])
  }

  private func sendReleases(_ entries: [Released.Entry]) {
    guard let schedulerLink, !entries.isEmpty else { return }
    var released = Released()
    released.entries = entries
    send(released.framed(.released), over: schedulerLink)
  }
}
