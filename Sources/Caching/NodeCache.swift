package import ClusterModel
package import StoreAccess
package import WireProtocol

/// The cache of one node: what its executors read and write, between them and the keys' owners.
///
/// An owner here is a shard that a key is asked of; it pushes every change of what it was asked for.
/// Which one that is, is not decided here: requests go to whoever is asked now, and answers say who it
/// was.
///
/// It knows every record in shared memory by its version, and keeps the bytes only of those it still
/// has to merge or to send: unacknowledged writes, sets and counters. A loop feeds it inputs and
/// performs the effects, installs before answers.
package struct NodeCache {
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
    /// An executor missed a key, or found it partial or too old.
    case fetch(CacheFetch, number: UInt64, from: PeerID)
    /// A call's writes. Numbers ascend for each executor; a repeated one is answered, not applied.
    case writes(CacheWrites, number: UInt64, from: PeerID)
    /// The executor is reaped: nobody waits for its answers any more.
    case executorGone(PeerID)
    /// An owner has welcomed us: our subscriptions with it are gone, its stream begins at 1.
    ///
    /// - Parameter clock: the owner's latest stamp. No write is taken before the first of these: a cache
    ///   that stamps later than its earlier life did has heard from an owner.
    case ownerConnected(Route, clock: UInt64)
    case ownerLost(Route)
    /// Keys that the owner they were asked of is not to hold any more.
    case ownersChanged([Key])
    case response(KeyResponse, number: UInt64, by: Servers)
    /// A whole request came to nothing.
    case refused(Failure, number: UInt64)
    case push(KeyResponse, number: UInt64, from: Route)
    /// The number of the last push sent.
    case heartbeat(number: UInt64, from: Route)
    /// The answer to `needsRoom`: one byte a slot, not zero where a reader used a key.
    case references([UInt8])
    /// Shared memory is full before our own limit is: evict a quarter; else as `references`.
    case mapFull([UInt8])
    /// Shared memory had no room for this record; what it held of the key is removed.
    case notInstalled(Key)
    /// Shared memory is empty, for a new generation or none: what we have is installed again.
    case cacheEmptied
    case tick
  }

  package enum Effect: Equatable, Sendable {
    case install(Key, Record)
    case remove(Key)
    case fetched(Key, FetchOutcome, number: UInt64, to: PeerID)
    case applied(number: UInt64, to: PeerID)
    /// The writes of this frame were not applied.
    case refuseWrites(Failure, number: UInt64, to: PeerID)
    /// To the keys' owners; answered by `response` or `refused` with this number. After the deadline
    /// (monotonic) no answer counts: it is made anew, as another one.
    case request(KeyRequest, number: UInt64, deadline: UInt64)
    case unsubscribe(Key, at: Route)
    case acknowledgeStream(number: UInt64, of: Route)
    case release(Released.Entry, scheduler: Incarnation)
    /// All local writes up to this one are acknowledged, or refused and undone.
    case publish(acknowledgedSequence: UInt64)
    /// Over the limit: answer with `references` within this turn.
    case needsRoom
    /// A `tick` is due after this time.
    case startTimer(after: Duration)
  }

  package enum FetchOutcome: Equatable, Sendable {
    case record(Record)
    /// In shared memory, the bytes are not here.
    case resident
    case absent
    case failed(Failure)
  }

  package struct Statistics: Equatable, Sendable {
    package var keys = 0
    package var bytes = 0
    package var dirtyBytes = 0
    package var fetchesWaiting = 0
    package var flushesUnderWay = 0
    package var callsWaiting = 0
    package var evictions = 0
    package var refusals = 0
    /// Writes of calls at level `cached` that the owner does not have: lost with this node.
    package var earlyWrites = 0
    package var earlyWritesEver = 0
  }

  package let limits: NodeCacheLimits
  /// Of calls that name none.
  package var defaultLevel: WriteLevel
  let incarnation: Incarnation
  var clock = HybridLogicalClock()
  var entries: [Key: Entry] = [:]
  var bytes = 0
  var dirtyBytes = 0
  var sweep: ClockSweep
  var evictions = 0
  var refusals = 0
  /// Counted as in `Statistics`.
  var earlyWrites = 0
  var earlyWritesEver = 0

  /// The owners that are connected, and how far their streams have come.
  var streams: [Route: Stream] = [:]
  /// One has been there: our clock has its latest stamp.
  var hasMetOwner = false
  var lastRequest: UInt64 = 0
  var isTimerRunning = false

  /// The epoch of this cache's counter actors: the next whenever a counter's own entry is forgotten.
  var actorEpoch: UInt64 = 0
  var sequences = SequenceWindow()
  var published: UInt64 = 0
  var appliedNumbers: [PeerID: UInt64] = [:]
  var waitingWrites: [WaitingWrites] = []

  var flushes: [UInt64: Flush] = [:]
  var flushQueue: [Key] = []
  var flushPauses: [FlushPause] = []

  var fetches: [Key: Fetch] = [:]
  var fetchNumbers: [UInt64: Key] = [:]

  var verifyQueue: [Key] = []
  var verifications: [UInt64: Verification] = [:]
  /// Monotonic; none begins before, because one was refused.
  var verifyAfter: UInt64?
  var barriers: [CallID: Barrier] = [:]
  var readWaiters: [ReadWaiter] = []
  var refusedRanges: [ClosedRange<UInt64>] = []

  package init(
    incarnation: Incarnation, defaultLevel: WriteLevel, limits: NodeCacheLimits = NodeCacheLimits()
  ) {
    limits.checkRelations()
    self.incarnation = incarnation
    self.defaultLevel = defaultLevel
    self.limits = limits
    sweep = ClockSweep(slots: limits.referenceSlots)
  }

  package var statistics: Statistics {
    Statistics(
      keys: entries.count, bytes: bytes, dirtyBytes: dirtyBytes,
      fetchesWaiting: fetches.values.reduce(0) { $0 + $1.waiters.count },
      flushesUnderWay: flushes.count, callsWaiting: barriers.count, evictions: evictions,
      refusals: refusals, earlyWrites: earlyWrites, earlyWritesEver: earlyWritesEver)
  }

  package mutating func step(_ input: Input, at now: Now, into effects: inout [Effect]) {
    if let owner = input.owner { streams[owner]?.heardAt = now.monotonic }
    switch input {
    case .fetch(let fetch, let number, let peer):
      take(fetch, Waiter(peer: peer, number: number, minimum: fetch.minimum), now, &effects)
    case .writes(let writes, let number, let peer): take(writes, number, peer, now, &effects)
    case .executorGone(let peer): forget(peer)
    case .ownerConnected(let owner, let clock): ownerConnected(owner, clock, now, &effects)
    case .ownerLost(let owner): ownerLost(owner)
    case .ownersChanged(let keys): ownersChanged(keys, &effects)
    case .response(let response, let number, let owners):
      take(response, number, owners, now, &effects)
    case .refused(let failure, let number):
      var response = KeyResponse()
      response.failure = failure
      take(response, number, .each([]), now, &effects)
    case .push(let push, let number, let owner): take(push: push, number, owner, now, &effects)
    case .heartbeat(let number, let owner):
      if let stream = streams[owner], number > stream.lastPush {
        resynchronise(owner, upTo: number)
      }
    case .references(let used): makeRoom(used, downTo: limits.bytesMax / 8 * 7, &effects)
    case .mapFull(let used): makeRoom(used, downTo: bytes / 4 * 3, &effects)
    case .notInstalled(let key): notInstalled(key, &effects)
    case .cacheEmptied: reinstall(&effects)
    case .tick: tick(now, &effects)
    }
    applyWaitingWrites(now, &effects)
    sendFlushes(now, &effects)
    verifyNext(now, &effects)
    publish(&effects)
    if bytes > limits.bytesMax, !input.isReferences { effects.append(.needsRoom) }
    startTimer(&effects)
  }

  private mutating func take(
    _ response: KeyResponse, _ number: UInt64, _ owners: Servers, _ now: Now,
    _ effects: inout [Effect]
  ) {
    for owner in owners.routes { streams[owner]?.heardAt = now.monotonic }
    if response.clock != 0 {
      _ = clock.observe(response.clock, origin: .native, now: now.wall)
    }
    if let key = fetchNumbers.removeValue(forKey: number) {
      fetchAnswered(key, response, owners[0], now, &effects)
    } else if let flush = flushes.removeValue(forKey: number) {
      flushAnswered(flush, response, now, &effects)
    } else if let verification = verifications.removeValue(forKey: number) {
      verified(verification.keys, response, owners, now, &effects)
    }
    // Any other number is of a request that was given up or sent again: the newer answer counts.
  }

  private mutating func tick(_ now: Now, _ effects: inout [Effect]) {
    isTimerRunning = false
    refuseOverdueWrites(now, &effects)
    resendFlushes(now)
    resendFetches(now, &effects)
    giveUpVerifications(now)
  }

  private mutating func startTimer(_ effects: inout [Effect]) {
    guard !isTimerRunning else { return }
    let isIdle =
      flushes.isEmpty && flushPauses.isEmpty && fetches.isEmpty && waitingWrites.isEmpty
      && verifications.isEmpty && verifyAfter == nil
    guard !isIdle else { return }
    isTimerRunning = true
    effects.append(.startTimer(after: limits.tickInterval))
  }

  var isConnected: Bool { !streams.isEmpty }

  mutating func nextRequest() -> UInt64 {
    lastRequest += 1
    return lastRequest
  }
}

extension NodeCache.Input {
  /// Who has said something; of an answer, its `Servers` say that.
  fileprivate var owner: Route? {
    switch self {
    case .push(_, _, let owner), .heartbeat(_, let owner): owner
    default: nil
    }
  }

  fileprivate var isReferences: Bool {
    if case .references = self { true } else { false }
  }
}
