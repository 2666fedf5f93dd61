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
  }

  package struct LogEntry: Equatable, Sendable {
    package let key: Key
    /// The encoded record.
    package let envelope: Bytes
  }

  package struct Configuration: Sendable {
    /// Who adds when a client increments a counter: this life's number, never used before.
    package var actor: UInt64
    /// Whether there is a log; without one nothing is durable and no commit is asked for.
    package var hasLog: Bool
    /// Of writes that name none.
    package var defaultLevel: WriteLevel
    package var limits: StorageLimits

    package init(
      actor: UInt64, hasLog: Bool, defaultLevel: WriteLevel, limits: StorageLimits = .init()
    ) {
      precondition(hasLog || defaultLevel != .durable, "without a log nothing is durable")
      limits.checkRelations()
      self.actor = actor
      self.hasLog = hasLog
      self.defaultLevel = defaultLevel
      self.limits = limits
    }
  }

  package struct Statistics: Equatable, Sendable {
    /// Without tombstones.
    package var keys = 0
    package var storedBytes = 0
    package var watches = 0
    package var subscriptions = 0
    /// Requests that wait for the log.
    package var acknowledgementsWaiting = 0
    /// Why the log takes no writes; nil while it does.
    package var logTrouble: String?
  }

  package let configuration: Configuration
  var limits: StorageLimits { configuration.limits }
  var table = RecordTable()
  var clock = HybridLogicalClock()
  var log = LogQueue()
  var logTrouble: LogTrouble?
  var waiting = AcknowledgementQueue()
  var expiries = ExpiryQueue()
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

  package init(_ configuration: Configuration) { self.configuration = configuration }

  package var statistics: Statistics {
    Statistics(
      keys: table.liveCount, storedBytes: table.byteCount,
      watches: peers.values.reduce(0) { $0 + $1.watches.count },
      subscriptions: peers.values.reduce(0) { $0 + $1.subscriptions.count },
      acknowledgementsWaiting: waiting.count, logTrouble: logTrouble?.reason)
  }

  /// The latest stamp given out or accepted: for those who connect, whose clocks go on from there.
  package var latestStamp: UInt64 { clock.last }

  /// When `timerFired` is due, on the monotonic clock; nil when nothing waits for time.
  package var nextDeadline: UInt64? {
    [flushDeadline, heartbeatDeadline, sweepDeadline, logTrouble?.retryAt].compactMap(\.self).min()
  }

  /// Takes over a record from the log, before the first input; once a key.
  package mutating func restore(_ record: Record, under key: Key, at now: Now) {
    clock = HybridLogicalClock(last: max(clock.last, record.stamp))
    let entry = table.insert(record, under: key)
    scheduleExpiry(of: entry, at: now)
  }

  package mutating func step(_ input: Input, at now: Now, into effects: inout [Effect]) {
    switch input {
    case .connected(let peer, let role):
      forget(peer)
      peers[peer] = Peer(role: role)
    case .disconnected(let peer): forget(peer)
    case .request(let request, let number, let peer):
      serve(request, number: number, from: peer, at: now, into: &effects)
    case .watch(let request, let number, let peer):
      watch(request, number: number, from: peer, at: now, into: &effects)
    case .unwatch(let key, let number, let peer): unwatch(key, number: number, from: peer)
    case .streamAcknowledged(let number, let peer):
      acknowledgeStream(upTo: number, from: peer, at: now, into: &effects)
    case .committed: commitEnded(into: &effects)
    case .commitFailed(let reason): commitFailed(reason, at: now, into: &effects)
    case .timerFired: fireTimers(at: now, into: &effects)
    }
    startCommit(into: &effects)
  }

  private mutating func fireTimers(at now: Now, into effects: inout [Effect]) {
    if let due = flushDeadline, due <= now.monotonic { flushDue(at: now, into: &effects) }
    if let due = heartbeatDeadline, due <= now.monotonic { beat(at: now, into: &effects) }
    if let due = sweepDeadline, due <= now.monotonic { sweep(at: now, into: &effects) }
    if let due = logTrouble?.retryAt, due <= now.monotonic { logTrouble?.retryAt = nil }
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
    return logRefusal(of: request)
  }
}

/// Whose request is served.
struct Asker {
  let peer: PeerID
  let role: PeerRole
}
