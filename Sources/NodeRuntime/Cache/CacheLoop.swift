import Caching
package import ClusterModel
import Connections
package import Platform
import SharedCache
import StoreAccess
import WireProtocol
package import ZeroMQ

package enum CacheMessage: Sendable {
  /// The supervisor has reaped an executor.
  case executorReaped(ExecutorID, processID: UInt32)
  /// End once the owner has what is not acknowledged, or after `drainTimeMax`.
  case stop
}

/// Runs a `NodeCache`: executors on one side, the keys' owner on the other, shared memory between.
///
/// All effects of a turn are performed at its end: one transaction in shared memory, then the answers
/// that rely on it.
package struct CacheLoop: NodeLoop, ~Copyable {
  let configuration: CacheConfiguration
  let mailbox: Mailbox<CacheMessage>
  var core: NodeCache
  var effects: [NodeCache.Effect] = []
  var writer: CacheWriter
  var poller = Poller()
  var listener: Listener
  var scheduler: Dialer
  var storage: StoreLinks
  var releases = ReleaseStream()
  var wakeUpAt: UInt64?
  /// Monotonic; when a cache that found no room in shared memory is tried anew.
  var enableAt: UInt64?
  var stopBy: UInt64?
  static let framesPerTurnMax = 256
  static let enablePause = Duration.seconds(1)

  /// - Throws: `CacheError` when shared memory has no room, `ZeroMQError` when an endpoint is taken.
  package init(
    _ configuration: CacheConfiguration, mailbox: Mailbox<CacheMessage>, in context: Context
  ) throws {
    var hello = Hello()
    hello.role = .cache
    hello.cluster = configuration.cluster.number
    hello.incarnation = configuration.incarnation
    hello.name = configuration.node.name
    let name = PeerID("cache/\(configuration.node)#\(configuration.incarnation)")
    let listener = try Listener(
      on: [configuration.endpoint], cluster: configuration.cluster, in: context)
    let scheduler = try Dialer(
      to: configuration.schedulerEndpoint, as: hello, named: name, in: context)
    let writer = try CacheWriter(
      folder: configuration.folder, incarnation: configuration.incarnation,
      config: configuration.shared)
    core = NodeCache(
      incarnation: configuration.incarnation, defaultLevel: configuration.defaultLevel,
      limits: configuration.limits(forMapOf: writer.mapBytes))
    self.configuration = configuration
    self.mailbox = mailbox
    self.listener = listener
    self.scheduler = scheduler
    storage = StoreLinks(to: configuration.storage, as: hello, named: name, in: context)
    self.writer = writer
  }

  package mutating func run() throws {
    _ = poller.watch(descriptor: mailbox.descriptor)
    _ = try listener.watch(in: &poller)
    _ = try scheduler.watch(in: &poller)
    try storage.watch(in: &poller, now: MonotonicClock.now)
    defer { writer.remove() }
    while !isDrained(now: MonotonicClock.now) {
      let deadlines = [
        wakeUpAt, stopBy, listener.deadline, scheduler.deadline, storage.deadline,
      ]
      _ = try poller.wait(until: deadlines.compactMap { $0 }.min())
      try turn(now: MonotonicClock.now)
    }
  }

  private func isDrained(now: UInt64) -> Bool {
    guard let stopBy else { return false }
    return stopBy <= now || core.statistics.dirtyBytes == 0
  }

  private mutating func turn(now: UInt64) throws {
    takeMessages(now: now)
    try takeFromExecutors()
    try takeFromStorage()
    try takeFromScheduler()
    if let at = wakeUpAt, at <= now {
      wakeUpAt = nil
      step(.tick)
    }
    enableAgain(now: now)
    try performEffects()
    try listener.tend(now: now)
    try scheduler.tend(now: now, poller: &poller)
    try storage.tend(now: now, poller: &poller)
  }

  /// Effects gather until the end of the turn.
  mutating func step(_ input: NodeCache.Input) {
    let now = NodeCache.Now(wall: WallClock.milliseconds, monotonic: MonotonicClock.now)
    let before = effects.count
    core.step(input, at: now, into: &effects)
    // Only what this step added: a turn has hundreds of effects.
    if effects[before...].contains(where: \.isNeedForRoom) {
      effects.removeAll { $0 == .needsRoom }
      core.step(.references(writer.takeReferences()), at: now, into: &effects)
      effects.removeAll { $0 == .needsRoom }
    }
  }

  private mutating func takeMessages(now: UInt64) {
    var messages: [CacheMessage] = []
    mailbox.drain(into: &messages)
    for message in messages {
      switch message {
      case .executorReaped(let executor, let processID):
        step(.executorGone(executor.routingID(processID: processID)))
        // Only frees slots; the next reaping tries again.
        _ = try? writer.clearDeadReaders()
      case .stop: stopBy = stopBy ?? now + configuration.drainTimeMax.wholeNanoseconds
      }
    }
  }

  private mutating func takeFromExecutors() throws {
    for _ in 0..<Self.framesPerTurnMax {
      switch try listener.next() {
      case .hello(let peer, let hello): try greet(peer, hello)
      case .frame(let peer, let frame): try take(frame, from: peer)
      case .lost: continue
      case nil: return
      }
    }
  }

  private mutating func greet(_ peer: PeerID, _ hello: Hello) throws {
    guard hello.role == .executor else {
      listener.forget(peer)
      try listener.refuse(
        peer, number: 0, Failure(.notAllowed, "a node's cache serves the node's executors only"))
      return
    }
    var welcome = Welcome()
    welcome.cluster = configuration.cluster.number
    welcome.incarnation = configuration.incarnation
    welcome.cacheFolder = configuration.folder
    welcome.writeLevel = core.defaultLevel
    try listener.welcome(peer, welcome)
  }

  private mutating func take(_ frame: Frame, from peer: PeerID) throws {
    let number = frame.header.number
    switch frame.header.kind {
    case .cacheFetch:
      guard let fetch = try? CacheFetch.decode(frame.body) else { break }
      return step(.fetch(fetch, number: number, from: peer))
    case .cacheWrites:
      guard let writes = try? CacheWrites.decode(frame.body) else { break }
      return step(.writes(writes, number: number, from: peer))
    default: break
    }
    try listener.refuse(
      peer, number: number,
      Failure(.badRequest, "a node's cache cannot make sense of this \(frame.header.kind)"))
  }

  private mutating func takeFromStorage() throws {
    for _ in 0..<Self.framesPerTurnMax {
      switch try storage.next(now: MonotonicClock.now, &poller) {
      case .connected(let owner, let welcome):
        core.defaultLevel = welcome.writeLevel
        step(.ownerConnected(owner, clock: welcome.clock))
      case .lost(let owner): step(.ownerLost(owner))
      case .answer(let response, let number, let owners):
        step(.response(response, number: number, by: owners))
      case .failed(let failure, let number): step(.refused(failure, number: number))
      case .frame(let frame, .shard(let owner)): take(frame, from: owner)
      case .ringChanged: step(.ownersChanged(misplaced))
      case .refused, .frame(_, .router): continue
      case nil: return
      }
    }
  }

  /// Subscribed keys whose owner is not to hold them any more.
  private var misplaced: [Key] {
    var keys: [Key] = []
    core.forEachSubscription { key, owner in
      if !storage.routes.isHolder(owner, of: key) { keys.append(key) }
    }
    return keys
  }

  /// What cannot be decoded is dropped: a lost push is a gap.
  private mutating func take(_ frame: Frame, from owner: Route) {
    let number = frame.header.number
    switch frame.header.kind {
    case .push:
      guard let push = try? KeyResponse.decode(frame.body) else { return }
      step(.push(push, number: number, from: owner))
    case .heartbeat: step(.heartbeat(number: number, from: owner))
    default: return
    }
  }

  private mutating func takeFromScheduler() throws {
    for _ in 0..<Self.framesPerTurnMax {
      switch try scheduler.next() {
      case .connected(let welcome):
        for frame in releases.connected(to: welcome.incarnation) { _ = try scheduler.send(frame) }
      case .lost: releases.disconnected()
      case .refused: continue
      case .frame(let frame): try take(fromScheduler: frame)
      case nil: return
      }
    }
  }

  private mutating func take(fromScheduler frame: Frame) throws {
    switch frame.header.kind {
    case .streamAcknowledged: releases.acknowledged(upTo: frame.header.number)
    case .controlRequest: try answerControl(frame)
    default: return
    }
  }
}

extension NodeCache.Effect {
  fileprivate var isNeedForRoom: Bool {
    if case .needsRoom = self { true } else { false }
  }
}
