import ClusterModel
import Connections
import DurableLog
package import KeyValueStore
package import Logging
package import Platform
import WireProtocol
package import ZeroMQ

package enum StorageMessage: Sendable {
  /// Answer what is under way, sync, close the log, then end the loop.
  case stop
  /// From the loop's own log thread.
  case committed
  case commitFailed(reason: String)
  /// From the thread that reads the log.
  case loaded([StorageShard.LoadedRecord])
}

/// Runs a `StorageShard` over sockets, with a thread that writes its log and one that reads it beside it where
/// there is a data folder.
package struct StorageLoop: NodeLoop, ~Copyable {
  let configuration: StorageConfiguration
  let mailbox: Mailbox<StorageMessage>
  let logger: Logger
  var shard: StorageShard
  var listener: Listener
  private var poller = Poller()
  private let log: LogThreads?
  private var links: ShardLinks
  /// Reused from turn to turn.
  private var effects: [StorageShard.Effect] = []
  private var plain = PlainKeyRequest()
  /// What the data folder says; of the ring its log is a part of.
  private var ringOrigin: UInt64
  private var answer = FrameBuffer()
  /// Monotonic; set once the loop is told to stop.
  private var stopDeadline: UInt64?

  /// Frames taken before effects of other sources get their turn.
  static let framesPerTurnMax = 256

  /// The threads beside the loop.
  private struct LogThreads {
    let writer: OrderThread<LogWriter>
    let reader: OrderThread<LogReader>

    /// Returns once the log is closed.
    func stop() {
      reader.stop()
      writer.stop()
    }
  }

  /// For `StorageMessage`: a stop and the outcomes of the one commit and the one read under way, with
  /// room to spare.
  package static func mailbox() throws(PlatformError) -> Mailbox<StorageMessage> {
    try Mailbox(countMax: 16)
  }

  /// Opens the log and takes over what it holds, then listens.
  ///
  /// - Parameter onBound: told the endpoints to dial, with the ports the system chose.
  /// - Throws: `Failure` (`DATA_LOCKED`, `DATA_FORMAT`, `STORAGE_FAILED`), `ZeroMQError`.
  package init(
    _ configuration: StorageConfiguration, mailbox: Mailbox<StorageMessage>, in context: Context,
    logger: Logger, onBound: ([String]) -> Void = { _ in }
  ) throws {
    var facts = StorageShard.Configuration(
      me: configuration.member, life: configuration.incarnation,
      actor: configuration.incarnation.number, hasLog: configuration.dataFolder != nil,
      defaultLevel: configuration.defaultLevel, limits: configuration.limits)
    if let folder = configuration.dataFolder {
      facts.ringOrigin = StorageFolder.ringOrigin(of: folder)
    }
    var shard = StorageShard(
      facts,
      ring: configuration.news == nil ? nil : RingView.none)
    let log = try Self.openLog(of: configuration, into: &shard, outcomes: mailbox, logger)
    var limits = Listener.Limits()
    limits.peersMax = configuration.peersMax
    do {
      listener = try Listener(
        on: configuration.endpoints, cluster: configuration.cluster, in: context, limits: limits)
    } catch {
      log?.stop()
      throw error
    }
    links = ShardLinks(in: context, saying: configuration.shardHello)
    self.log = log
    self.configuration = configuration
    self.mailbox = mailbox
    self.logger = logger
    self.shard = shard
    ringOrigin = shard.configuration.ringOrigin
    listener.onTrouble = { logger.warning("\($0)") }
    onBound(listener.endpoints)
  }

  private static func openLog(
    of configuration: StorageConfiguration, into shard: inout StorageShard,
    outcomes: Mailbox<StorageMessage>, _ logger: Logger
  ) throws -> LogThreads? {
    guard let folder = configuration.dataFolder else { return nil }
    let log: DurableLog
    let now = Self.now()
    do throws(DurableLogError) {
      log = try DurableLog(folder: folder)
      try log.forEach { key, envelope in shard.restore(envelope, under: key, at: now) }
    } catch {
      throw error.failure
    }
    if log.unfinishedBytes > 0 {
      logger.warning(
        """
        the last write to \(folder) was never finished nor acknowledged: its \(log.unfinishedBytes) \
        bytes are cut off
        """)
    }
    logger.info("restored \(shard.statistics.keys) keys from \(folder)")
    let tell = { @Sendable (message: StorageMessage) -> Void in
      let isTaken = outcomes.tryPost(message)
      precondition(isTaken, "one commit and one read are under way at a time")
    }
    let reader = try OrderThread(
      name: "storage-read", LogReader(log: log.reader()) { tell(.loaded($0)) })
    let writer = LogWriter(log) { failure in
      tell(failure.map { .commitFailed(reason: $0) } ?? .committed)
    }
    return LogThreads(writer: try OrderThread(name: "storage-log", writer), reader: reader)
  }

  package mutating func run() throws {
    defer { log?.stop() }
    _ = poller.watch(descriptor: mailbox.descriptor)
    _ = try listener.watch(in: &poller)
    let told = configuration.news.map { poller.watch(descriptor: $0.descriptor) }
    while !isDone(at: MonotonicClock.now) {
      let deadlines = [listener.deadline, shard.nextDeadline, links.deadline, stopDeadline]
      _ = try poller.wait(until: deadlines.compactMap { $0 }.min())
      if let news = configuration.news, let told, poller.isReadable(told) {
        try take(news.take(), at: Self.now())
      }
      try turn(at: Self.now())
    }
  }

  private mutating func turn(at now: StorageShard.Now) throws {
    var messages: [StorageMessage] = []
    mailbox.drain(into: &messages)
    for message in messages { try take(message, at: now) }
    try takeFrames(at: now)
    while let input = try links.next() { step(input, at: now) }
    if let due = shard.nextDeadline, due <= now.monotonic { step(.timerFired, at: now) }
    try perform()
    try listener.tend(now: now.monotonic)
    try links.tend(now: now.monotonic, poller: &poller)
  }

  private mutating func take(_ message: StorageMessage, at now: StorageShard.Now) throws {
    switch message {
    case .stop:
      let patience = configuration.stopPatience.wholeNanoseconds
      stopDeadline = stopDeadline ?? now.monotonic + patience
    case .committed: step(.committed, at: now)
    case .commitFailed(let reason):
      logger.error("the log takes no writes: \(reason)")
      step(.commitFailed(reason: reason), at: now)
    case .loaded(let records):
      step(.loaded(records), at: now)
      for record in records {
        let damage = shard.damage(to: record.key) ?? record.reason
        if !damage.isEmpty { logger.error("\(record.key) cannot be read: \(damage)") }
      }
    }
  }

  private mutating func take(_ words: TierNews.Words, at now: StorageShard.Now) throws {
    if let lead = words.clockLead { step(.clockLead(lead), at: now) }
    if let view = words.ring, view.epoch > shard.ring.epoch {
      try links.follow(view, but: configuration.member, &poller)
      step(.ring(view), at: now)
    }
    step(.lease(until: words.leaseEnd), at: now)
  }

  private func isDone(at now: UInt64) -> Bool {
    guard let stopDeadline else { return false }
    return shard.isLogSettled || stopDeadline <= now
  }

  private mutating func takeFrames(at now: StorageShard.Now) throws {
    for _ in 0..<Self.framesPerTurnMax {
      let arrival = try listener.next(borrowing: stopDeadline == nil ? .keyRequest : nil)
      guard let event = try event(of: arrival, at: now) else {
        if arrival == nil { return }
        continue
      }
      switch event {
      case .hello(let peer, let hello):
        // What the stream of before still had goes out before the welcome that ends it.
        try perform()
        try listener.welcome(peer, welcome())
        step(connected(peer, hello), at: now)
      case .frame(let peer, let frame): try take(frame, from: peer, at: now)
      case .lost(let peer, _): step(.disconnected(peer), at: now)
      }
    }
  }

  /// - Returns: nil for a request that was served the short way.
  private mutating func event(
    of arrival: Listener.Arrival?, at now: StorageShard.Now
  ) throws -> Listener.Event? {
    switch arrival {
    case nil: return nil
    case .event(let event): return event
    case .borrowed(let number):
      let body = listener.borrowedBody
      guard plain.read(body, tuplesMax: shard.configuration.limits.tuplesPerRequestMax),
        shard.servePlainly(
          &plain, from: body, number: number, at: now, answer: &answer, into: &effects)
      else { return try listener.takeBorrowed() }
      try listener.answerBorrowed(answer.bytes)
      return nil
    }
  }

  private func connected(_ peer: PeerID, _ hello: Hello) -> StorageShard.Input {
    guard hello.role == .storage, let member = RingMember(hello.name) else {
      return .connected(peer, role: hello.role)
    }
    return .shardConnected(
      peer, ShardAddress(member: member, incarnation: hello.incarnation, endpoint: ""))
  }

  private func welcome() -> Welcome {
    var welcome = Welcome()
    welcome.cluster = configuration.cluster.number
    welcome.incarnation = configuration.incarnation
    welcome.storage = [listener.endpoints[0]]
    welcome.clock = shard.latestStamp
    welcome.writeLevel = configuration.defaultLevel
    welcome.software = configuration.software
    return welcome
  }

  private mutating func take(
    _ frame: Frame, from peer: PeerID, at now: StorageShard.Now
  ) throws {
    let number = frame.header.number
    do {
      switch frame.header.kind {
      case .keyRequest where stopDeadline != nil, .watch where stopDeadline != nil:
        refuse(peer, number, Failure(.stopping, "the store is stopping"))
      case .keyRequest:
        let request = try KeyRequest.decode(frame.body)
        step(.request(request, number: number, from: peer), at: now)
      case .watch:
        step(.watch(try WatchRequest.decode(frame.body), number: number, from: peer), at: now)
      case .unwatch:
        let key = try WatchRequest.decode(frame.body).key
        step(.unwatch(key.bytes.isEmpty ? nil : key, number: number, from: peer), at: now)
      case .streamAcknowledged: step(.streamAcknowledged(number: number, from: peer), at: now)
      case .controlRequest: try answerControl(frame, from: peer)
      case .replicate:
        let message = try Replicate.decode(frame.body)
        step(.replicate(message, number: number, from: peer), at: now)
      case .holderRequest:
        let request = try KeyRequest.decode(frame.body)
        step(.holderRequest(request, number: number, from: peer), at: now)
      case .rangeDigest:
        step(.rangeDigest(try RangeDigest.decode(frame.body), from: peer), at: now)
      case .rangeRepair:
        step(.rangeRepair(try RangeRepair.decode(frame.body), from: peer), at: now)
      case .replicaWord:
        step(.replicaWord(try ReplicaWord.decode(frame.body), from: peer), at: now)
      case .ring: effects.append(.ring(shard.ring, to: peer))
      default:
        refuse(peer, number, Failure(.badRequest, "a store takes no \(frame.header.kind)"))
      }
    } catch let error as WireError {
      refuse(
        peer, number, Failure(.badRequest, "a malformed \(frame.header.kind) (\(error))"))
    }
  }

  private mutating func step(_ input: StorageShard.Input, at now: StorageShard.Now) {
    shard.step(input, at: now, into: &effects)
  }

  private mutating func refuse(_ peer: PeerID, _ number: UInt64, _ failure: Failure) {
    effects.append(.refuse(failure, number: number, to: peer))
  }

  private mutating func perform() throws {
    for effect in effects {
      switch effect {
      case .reply(let response, let number, let peer):
        try send(response.framed(.keyResponse, number: number), number, to: peer)
      case .refuse(let failure, let number, let peer):
        try listener.refuse(peer, number: number, failure)
      case .push(let response, let number, let peer):
        try send(response.framed(.push, number: number), number, to: peer)
      case .watchEvent(let response, let number, let peer):
        try send(response.framed(.watchEvent, number: number), number, to: peer)
      case .heartbeat(let number, let peer):
        try send(Empty().framed(.heartbeat, number: number), number, to: peer)
      case .commit(let entries): log?.writer.perform(entries)
      case .load(let keys): log?.reader.perform(keys)
      case .ring(let view, let peer):
        try send(RingMessage(view).framed(.ring), 0, to: peer)
      case .replicate(let message, let number, let member):
        try links.send(message.framed(.replicate, number: number), to: member)
      case .askHolder(let request, let number, let member):
        try links.send(request.framed(.holderRequest, number: number), to: member)
      case .rangeDigest(let digest, let member):
        try links.send(digest.framed(.rangeDigest), to: member)
      case .rangeRepair(let repair, let member):
        try links.send(repair.framed(.rangeRepair), to: member)
      case .replicaWord(let word, let member):
        try links.send(word.framed(.replicaWord), to: member)
      case .hotKeys(let list, let peer): try send(list.framed(.hotKeys), 0, to: peer)
      case .replicated(let word, let peer):
        try send(word.framed(.replicated), 0, to: peer)
      case .settled(let epoch): settled(epoch)
      }
    }
    effects.removeAll(keepingCapacity: true)
  }

  /// Whose ring the log is a part of is on the disk before the membership hears of it.
  private mutating func settled(_ epoch: UInt64) {
    let origin = shard.ring.origin
    if let folder = configuration.dataFolder, origin != ringOrigin {
      do throws(PlatformError) {
        try StorageFolder.keep(ringOrigin: origin, in: folder)
        ringOrigin = origin
      } catch {
        // Nothing is lost by it: a later life of this shard brings all that its log has.
        logger.error("which ring \(folder) is a part of cannot be kept: \(error)")
      }
    }
    configuration.onSettled(epoch)
  }

  /// A peer that is gone gets nothing: the listener tells of its loss.
  private mutating func send(_ frame: [UInt8], _ number: UInt64, to peer: PeerID) throws {
    guard frame.count <= Limits.frameBytesMax else {
      let failure = Failure(.overloaded, "the answer would be too long: ask for fewer keys")
      return try listener.refuse(peer, number: number, failure)
    }
    _ = try listener.send(frame, to: peer)
  }

  private static func now() -> StorageShard.Now {
    StorageShard.Now(wall: WallClock.milliseconds, monotonic: MonotonicClock.now)
  }
}
