package import ClusterModel
package import WireProtocol

/// One shard of the key-value tier: its records, who watches them, and what the log does not have
/// yet. A loop feeds it inputs and performs the effects; it opens nothing and reads no clock.
///
/// A read may see a write that the log does not have yet: `durable` promises that an *acknowledged*
/// write survives, not that a seen one does.
package struct StorageShard {
  package struct Now: Equatable, Sendable {
    /// Milliseconds since the epoch.
    package var wall: UInt64
    /// Nanoseconds on a clock that never jumps.
    package var monotonic: UInt64

    package init(wall: UInt64, monotonic: UInt64) {
      self.wall = wall
      self.monotonic = monotonic
    }
  }

  package enum Input: Equatable, Sendable {
    /// A peer said hello. Its watches and subscriptions of before, if any, are gone, and its push
    /// stream begins anew at 1.
    case connected(PeerID, role: PeerRole)
    /// The same for a shard that dialled this one.
    case shardConnected(PeerID, ShardAddress)
    case disconnected(PeerID)
    case request(KeyRequest, number: UInt64, from: PeerID)
    case watch(WatchRequest, number: UInt64, from: PeerID)
    /// Ends the watch of that number, or, where a key is given, the peer's subscription to it.
    case unwatch(Key?, number: UInt64, from: PeerID)
    case streamAcknowledged(number: UInt64, from: PeerID)
    /// The commit under way is in the synced log.
    case committed
    /// The commit under way is not in the log, or not surely.
    case commitFailed(reason: String)
    /// The ring and who lives; an older view than the one held is nothing.
    case ring(RingView)
    /// Until when, on the monotonic clock, this shard may speak for its keys; `.max`: it needs no lease.
    case lease(until: UInt64)
    /// This machine's wall clock less the membership's, in milliseconds.
    case clockLead(Int64)
    /// The connection this shard dialled to another one stands, or is gone.
    case linkUp(RingMember)
    case linkDown(RingMember)
    /// From a shard that dialled this one.
    case replicate(Replicate, number: UInt64, from: PeerID)
    case holderRequest(KeyRequest, number: UInt64, from: PeerID)
    /// Answers on the link to another shard.
    case replicated(Replicated, from: RingMember)
    case holderAnswer(KeyResponse, number: UInt64, from: RingMember)
    /// From a shard that dialled this one.
    case rangeDigest(RangeDigest, from: PeerID)
    case rangeRepair(RangeRepair, from: PeerID)
    case replicaWord(ReplicaWord, from: PeerID)
    /// What the log holds under the keys of the load under way.
    case loaded([LoadedRecord])
    /// `nextDeadline` has come.
    case timerFired
  }

  package enum Effect: Equatable, Sendable {
    case reply(KeyResponse, number: UInt64, to: PeerID)
    case refuse(Failure, number: UInt64, to: PeerID)
    case push(KeyResponse, number: UInt64, to: PeerID)
    case watchEvent(KeyResponse, number: UInt64, to: PeerID)
    /// Tells a subscriber the number of the last push.
    case heartbeat(number: UInt64, to: PeerID)
    /// Merge these into the log and sync; answered by `committed` or `commitFailed`. One at a time.
    case commit([LogEntry])
    /// Read these from the log; answered by `loaded`. One at a time.
    case load([Key])
    /// Tells a peer the ring.
    case ring(RingView, to: PeerID)
    /// On the link to another shard; without a link it is dropped.
    case replicate(Replicate, number: UInt64, to: RingMember)
    case askHolder(KeyRequest, number: UInt64, of: RingMember)
    case rangeDigest(RangeDigest, to: RingMember)
    case rangeRepair(RangeRepair, to: RingMember)
    case replicaWord(ReplicaWord, to: RingMember)
    /// Tells a client which keys others serve, too.
    case hotKeys(HotKeyList, to: PeerID)
    /// To the shard at the other end of a stream of records.
    case replicated(Replicated, to: PeerID)
    /// This shard has all it is to hold by the ring of an epoch: to be reported to the membership.
    case settled(epoch: UInt64)
  }

  package struct LogEntry: Equatable, Sendable {
    package let key: Key
    /// The encoded record; empty: the log forgets the key.
    package let envelope: Bytes

    package init(key: Key, envelope: Bytes) {
      self.key = key
      self.envelope = envelope
    }
  }

  package struct LoadedRecord: Equatable, Sendable {
    package let key: Key
    /// The encoded record; empty: it is not there, or cannot be read.
    package let envelope: Bytes
    /// Why it cannot be read.
    package let reason: String
    /// It never can be: its bytes are not what was written. Else another try may succeed.
    package let isDamaged: Bool

    package init(key: Key, envelope: Bytes, reason: String = "", isDamaged: Bool = false) {
      self.key = key
      self.envelope = envelope
      self.reason = reason
      self.isDamaged = isDamaged
    }
  }

  package struct Configuration: Sendable {
    /// Which shard this is, and in which life.
    package var me: RingMember
    package var life: Incarnation
    /// Who adds when a client increments a counter: this life's number, never used before.
    package var actor: UInt64
    /// Whether there is a log; without one nothing is durable and no commit is asked for.
    package var hasLog: Bool
    /// Of the ring that the log was last a part of; 0 where it never was.
    package var ringOrigin: UInt64 = 0
    /// Of writes that name none.
    package var defaultLevel: WriteLevel
    package var limits: StorageLimits

    package init(
      me: RingMember = RingMember(name: "storage0", shard: 0), life: Incarnation = Incarnation(0),
      actor: UInt64, hasLog: Bool, defaultLevel: WriteLevel, limits: StorageLimits = .init()
    ) {
      precondition(hasLog || defaultLevel != .durable, "without a log nothing is durable")
      limits.checkRelations()
      self.me = me
      self.life = life
      self.actor = actor
      self.hasLog = hasLog
      self.defaultLevel = defaultLevel
      self.limits = limits
    }
  }

  package let configuration: Configuration
  var limits: StorageLimits { configuration.limits }
  var table = RecordTable()
  var clock = HybridLogicalClock()
  /// What the membership's clock says of this machine's, in milliseconds: 0 until it differs by more
  /// than clocks may.
  var clockLead: Int64 = 0
  var log = LogQueue()
  var logTrouble: LogTrouble?
  var waiting = AcknowledgementQueue()
  var expiries = ExpiryQueue()
  var rates = AccessRates()
  /// Monotonic; nil while nothing expires or the sweep is not due in any near future.
  var sweepDeadline: UInt64?
  var peers: [PeerID: Peer] = [:]
  /// Peers whose pending updates are to go out at a time, in the order they got any.
  var flushQueue: [PeerID] = []
  var flushDeadline: UInt64?
  /// Subscribed caches, in the order they first subscribed.
  var subscribers: [PeerID] = []
  var heartbeatDeadline: UInt64?
  var interests: [Key: [Interest]] = [:]

  var coldReads = ColdReads()
  var demotion = Demotion()
  var isCommitUnderWay = false
  /// Keys for the log to forget.
  var forgotten: [Key] = []
  var placement: Placement
  /// Monotonic.
  var leaseEnd: UInt64
  /// To every other shard that lives, by member.
  var links: [ReplicationLink] = []
  /// Shards that dialled this one, in the order they came.
  var shardPeers: [PeerID] = []
  var replicating = ReplicationQueues()
  var handOver: HandOver?
  var dropping: Dropping?
  /// The last epoch for which each shard has handed over all it had to.
  var handedOver: [RingMember: UInt64] = [:]
  /// The newest epoch of which each shard has told that it knows.
  var knownEpochs: [RingMember: UInt64] = [:]
  /// The log sequence with which this shard has all it is to hold.
  var settling: (epoch: UInt64, sequence: UInt64)?
  var settledEpoch: UInt64 = 0
  /// Its log had records of an earlier life, which the ring may have given to others since.
  var hasLeftovers = false
  /// What is too old of an earlier life's is forgotten, before anything of others is merged into it.
  var areLeftoversSifted = false
  /// Frames of other shards that came before the ring did.
  var early: [(message: Replicate, number: UInt64, peer: PeerID)] = []
  var collection: Collection?
  /// The latest stamp of a tombstone that was forgotten in this life.
  var collectedUpTo: UInt64 = 0
  /// Passes over the entries for other shards, one after the other.
  var audits: [Audit] = []
  /// Monotonic; when the first of them goes on.
  var auditStepAt: UInt64?
  /// Monotonic; when the next round begins. Nil while there is no other shard.
  var auditAt: UInt64?
  /// Stretches that differed in the last comparison with each shard.
  var suspects: [RingMember: Set<Int>] = [:]
  /// What had changed here when each shard was last told sums.
  var summed: [RingMember: UInt64] = [:]
  /// What had changed here when each shard last held the same, and how often it was not asked since.
  var equal: [RingMember: (changes: UInt64, skipped: Int)] = [:]
  /// Of records here, by anybody.
  var changes: UInt64 = 0
  /// By the hash of the key.
  var hotKeys: [UInt64: HotKey] = [:]
  /// Monotonic; when they are looked at again. Nil while there are none.
  var hotKeysAt: UInt64?
  /// How often this shard began to have a key hosted elsewhere.
  var hostings: UInt64 = 0
  var told = HotKeyList()
  /// Keys that this shard serves besides their owners, by the hash of the key.
  var extraReplicas: [UInt64: ExtraReplica] = [:]
  /// No replicas any more, to be forgotten.
  var departing: [Key] = []
  /// Monotonic; when replicas are reported on, and departing ones forgotten.
  var replicasAt: UInt64?
  /// Asked by other shards about keys whose extra replicas have not all left.
  var postponed: [(request: KeyRequest, number: UInt64, peer: PeerID)] = []
  var parked: [UInt64: Parked] = [:]
  var holderRequests: UInt64 = 0
  /// Keys on the move that need not be asked about again.
  var mergedKeys: Set<Key> = []
  /// Counts that only grow.
  var statistic = Statistics()

  /// - Parameter ring: what the shard goes by until it is told another one; it then serves nobody
  ///   before it has a lease. Nil: it is alone, and needs none.
  package init(_ configuration: Configuration, ring: RingView? = nil) {
    self.configuration = configuration
    let alone = RingView.alone(
      ShardAddress(member: configuration.me, incarnation: configuration.life, endpoint: ""))
    placement = Placement(ring ?? alone, of: configuration.me, in: configuration.life)
    if placement.isAlone { settledEpoch = placement.view.epoch }
    leaseEnd = ring == nil ? .max : 0
  }

  /// For findings: where it stands in the changes of the ring.
  package var situation: String {
    let awaited = placement.awaited.sorted()
    let waits = links.filter { $0.backlog > 0 }.map { "\($0.member) \($0.backlog) \($0.isUp)" }
    return
      "epoch \(placement.view.epoch)\(placement.isFenced ? " fenced" : ""), settled \(settledEpoch), awaits \(awaited), "
      + "has for others \(waits), \(parked.count) parked, \(replicating.count) waiting, "
      + "\(hotKeys.count) hot, \(extraReplicas.count) extra"
  }

  /// What the shard goes by.
  package var ring: RingView { placement.view }

  /// The latest stamp given out or accepted: for those who connect, whose clocks go on from there.
  package var latestStamp: UInt64 { clock.last }

  /// When `timerFired` is due, on the monotonic clock; nil when nothing waits for time.
  package var nextDeadline: UInt64? {
    let own = [
      flushDeadline, heartbeatDeadline, sweepDeadline, logTrouble?.retryAt, handOver?.nextAt,
      dropping?.nextAt, auditAt, auditStepAt, collection?.nextAt, hotKeysAt, replicasAt,
      demotion.nextAt, coldReads.retryAt,
      rates.noticed.isEmpty ? nil : 0,
    ]
    return (own + links.map(\.deadline)).compactMap(\.self).min()
  }

  /// Takes over a record from the log, before the first input; once a key.
  ///
  /// - Parameter envelope: copied; a `Record` can be decoded from it.
  package mutating func restore(
    _ envelope: UnsafeRawBufferPointer, under key: UnsafeRawBufferPointer, at now: Now
  ) {
    let header = RecordHeader(envelope)
    clock = HybridLogicalClock(last: max(clock.last, header.version.stamp))
    let entry = table.insert(under: key, envelopeByteCount: envelope.count) {
      $0.copyMemory(from: envelope)
    }
    if header.expiry != 0 { scheduleExpiry(of: entry, at: now) }
    demoteRestored(entry)
    hasLeftovers = true
  }

  package mutating func restore(_ record: Record, under key: Key, at now: Now) {
    record.encoded().withUnsafeBytes { envelope in
      key.bytes.withUnsafeBytes { restore(envelope, under: $0, at: now) }
    }
  }

  package mutating func step(_ input: Input, at local: Now, into effects: inout [Effect]) {
    if case .clockLead(let lead) = input { judge(lead) }
    let now = refereed(local)
    take(input, at: now, into: &effects)
    planCollection(at: now)
    planDemotion(at: now)
    startCommit(into: &effects)
    startLoad(at: now, into: &effects)
    if !links.isEmpty { flushLinks(at: now, into: &effects) }
  }

  /// Serves an input, or has it wait for what is on the disk only.
  mutating func take(_ input: Input, at now: Now, into effects: inout [Effect]) {
    guard !waitsForDisk(input, into: &effects) else { return }
    act(on: input, at: now, into: &effects)
  }

  /// An input whose records are all in memory.
  mutating func act(on input: Input, at now: Now, into effects: inout [Effect]) {
    switch input {
    case .clockLead: break
    case .connected(let peer, let role):
      forget(peer)
      peers[peer] = Peer(role: role)
      if !placement.isAlone { effects.append(.ring(placement.view, to: peer)) }
      if role == .client, !told.keys.isEmpty { effects.append(.hotKeys(told, to: peer)) }
    case .shardConnected(let peer, let shard):
      forget(peer)
      peers[peer] = Peer(role: .storage, shard: shard)
      shardPeers.append(peer)
    case .disconnected(let peer): forget(peer)
    case .request, .watch:
      guard placement.awaited.isEmpty || !park(input, into: &effects) else { break }
      serve(input, at: now, into: &effects)
    case .unwatch(let key, let number, let peer): unwatch(key, number: number, from: peer)
    case .streamAcknowledged(let number, let peer):
      acknowledgeStream(upTo: number, from: peer, at: now, into: &effects)
    case .committed: commitEnded(into: &effects)
    case .commitFailed(let reason): commitFailed(reason, at: now, into: &effects)
    case .ring(let view): take(view, at: now, into: &effects)
    case .lease(let end): leaseEnd = end
    case .linkUp(let member):
      guard let link = linkIndex(member) else { break }
      links[link].up()
      repeatReplicaWords(to: member, into: &effects)
      retryParked(at: now, into: &effects)
    case .linkDown(let member):
      if let link = linkIndex(member) { links[link].down() }
    case .replicate(let message, let number, let peer) where mayHoldStaleLeftovers:
      early.append((message, number, peer))
    case .replicate(let message, let number, let peer):
      take(message, number: number, from: peer, at: now, into: &effects)
    case .holderRequest(let request, let number, let peer):
      answerHolderRequest(request, number: number, from: peer, at: now, into: &effects)
    case .replicated(let word, let member): take(word, from: member, at: now, into: &effects)
    case .holderAnswer(let answer, let number, let member):
      takeAnswer(answer, number: number, from: member, at: now, into: &effects)
    case .rangeDigest(let digest, let peer): take(digest, from: peer, at: now)
    case .rangeRepair(let repair, let peer): take(repair, from: peer, at: now)
    case .replicaWord(let word, let peer): take(word, from: peer, at: now, into: &effects)
    case .loaded(let records): take(records, at: now, into: &effects)
    case .timerFired: fireTimers(at: now, into: &effects)
    }
  }

  private mutating func take(
    _ word: Replicated, from member: RingMember, at now: Now, into effects: inout [Effect]
  ) {
    guard let link = linkIndex(member) else { return }
    _ = clock.observe(word.clock, origin: .native, now: now.wall)
    links[link].take(merged: word.merged, logged: word.logged)
    answerReplicated(into: &effects)
  }

  /// A request whose keys are all known here.
  mutating func serve(_ input: Input, at now: Now, into effects: inout [Effect]) {
    switch input {
    case .request(let request, let number, let peer):
      if let failure = leaseRefusal(at: now) {
        return effects.append(.refuse(failure, number: number, to: peer))
      }
      serve(request, number: number, from: peer, at: now, into: &effects)
    case .watch(let request, let number, let peer):
      if let failure = leaseRefusal(at: now) {
        return effects.append(.refuse(failure, number: number, to: peer))
      }
      watch(request, number: number, from: peer, at: now, into: &effects)
    default: preconditionFailure("only requests and watches are served")
    }
  }

  private mutating func fireTimers(at now: Now, into effects: inout [Effect]) {
    if let due = flushDeadline, due <= now.monotonic { flushDue(at: now, into: &effects) }
    if let due = heartbeatDeadline, due <= now.monotonic { beat(at: now, into: &effects) }
    if let due = sweepDeadline, due <= now.monotonic { sweep(at: now, into: &effects) }
    if let due = logTrouble?.retryAt, due <= now.monotonic { logTrouble?.retryAt = nil }
    if let due = handOver?.nextAt, due <= now.monotonic { continueHandOver(at: now) }
    if let due = dropping?.nextAt, due <= now.monotonic { continueDropping(at: now) }
    if let due = auditAt, due <= now.monotonic { beginAudits(at: now) }
    if let due = collection?.nextAt, due <= now.monotonic { continueCollection(at: now) }
    if let due = demotion.nextAt, due <= now.monotonic { continueDemotion(at: now) }
    if let due = auditStepAt, due <= now.monotonic { continueAudit(at: now, into: &effects) }
    if !rates.noticed.isEmpty { judgeNoticed(at: now, into: &effects) }
    if let due = hotKeysAt, due <= now.monotonic { lookAfterHotKeys(at: now, into: &effects) }
    if let due = replicasAt, due <= now.monotonic { lookAfterReplicas(at: now, into: &effects) }
  }

  private mutating func serve(
    _ request: KeyRequest, number: UInt64, from peer: PeerID, at now: Now,
    into effects: inout [Effect]
  ) {
    var response = KeyResponse()
    response.type = request.type
    if let failure = refusal(of: request) {
      response.failure = failure
      effects.append(.reply(response, number: number, to: peer))
      return
    }
    let role = peers[peer]?.role ?? .client
    // A clock that runs ahead is the sender's trouble: its stamps are judged one by one.
    if role != .client, request.clock != 0 {
      _ = clock.observe(request.clock, origin: .native, now: now.wall)
    }
    let asker = Asker(peer: peer, role: role)
    switch request.type {
    case .get: response.tuples = get(request, for: asker, at: now)
    case .list: list(request, at: now, into: &response)
    case .explain: response.tuples = explain(request, at: now)
    case .put, .delete:
      let needed = write(request, for: asker, at: now, into: &response, &effects)
      response.clock = clock.last
      acknowledge(response, number: number, to: peer, request: request, after: needed, &effects)
      return
    }
    response.clock = clock.last
    effects.append(.reply(response, number: number, to: peer))
  }

  /// Why nothing of a request is done at all.
  private func refusal(of request: KeyRequest) -> Failure? {
    guard request.tuples.count <= limits.tuplesPerRequestMax else {
      return Failure(
        .badRequest,
        "a request names at most \(limits.tuplesPerRequestMax) keys, not \(request.tuples.count)")
    }
    guard request.type == .put || request.type == .delete else { return nil }
    return clockRefusal ?? logRefusal(of: request)
  }
}

/// Whose request is served.
struct Asker {
  let peer: PeerID
  let role: PeerRole
}
