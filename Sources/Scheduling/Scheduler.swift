package import ClusterModel
package import WireProtocol

/// One scheduler: takes calls, places them on executors, repeats what is lost, answers each call
/// exactly once, and keeps the registry. `SchedulerLoop` runs it for real, `Simulation` in virtual
/// time.
///
/// Clients are known by the incarnation of their hello, so that a client that reconnects still gets
/// its answers. A call that arrives twice while it is in flight runs once.
package struct Scheduler: Sendable {
  package enum Input: Sendable {
    /// The store said welcome: for the first time, or again after its connection was lost.
    case storeReady
    case stored(KeyResponse, number: UInt64)
    case call(Call, number: UInt64, from: Incarnation)
    case cancel(InvocationID, from: Incarnation)
    case clientGone(Incarnation)
    case executorReady(ExecutorID, processID: UInt32)
    case result(CallResult, number: UInt64, from: ExecutorID)
    /// The executor did not take the call.
    case refused(Failure, number: UInt64, by: ExecutorID)
    /// A dispatch could not be handed over: the executor's connection is gone.
    case unreachable(ExecutorID, number: UInt64)
    /// Its process is over; `lastStarted` is the number of the last dispatch it began, nil where
    /// nobody knows.
    case executorLost(ExecutorID, cause: Failure, lastStarted: UInt64? = nil)
    /// It will begin no dispatch numbered above `started`, up to `upTo`.
    case recalled(ExecutorID, started: UInt64, upTo: UInt64)
    /// The node's agent is gone, and with it its executors and whatever its cache had not flushed.
    case agentLost(NodeID)
    case released([Released.Entry])
    case registry(RegistryRequest, number: UInt64, from: Incarnation)
    case bundleProbed(BundleRecord, number: UInt64)
    /// `nextDeadline` has come.
    case timeReached
    /// Take no more calls, let the running ones end.
    case stop
  }

  package enum Effect: Equatable, Sendable {
    case answer(CallResult, number: UInt64, to: Incarnation)
    case dispatch(Dispatch, number: UInt64, to: ExecutorID, because: PlacementReason)
    case cancel(InvocationID, on: ExecutorID)
    /// To the supervisor of the executor's node: what the executor has not begun, up to this number,
    /// it shall not begin.
    case recall(ExecutorID, upTo: UInt64)
    /// To the supervisor of the executor's node.
    case kill(ExecutorID, InvocationID, reason: ErrorCode)
    case store(KeyRequest, number: UInt64)
    /// To any supervisor: load the bundle in a spare executor and describe it.
    case probe(ContentDigest, number: UInt64)
    case answerRegistry(RegistryAnswer, number: UInt64, to: Incarnation)
    /// The registry is loaded: calls are taken from here on.
    case ready
    /// After `stop`: nothing is in flight any more.
    case drained
    /// For the log: something is wrong that no caller can be told.
    case warn(String)
  }

  package let incarnation: Incarnation
  package let limits: SchedulerLimits
  package internal(set) var registry = Registry()
  package internal(set) var counts = Counts()

  var policy: any PlacementPolicy
  var random: SplitMix64
  var clock = HybridLogicalClock()
  var executors: ExecutorTable
  var flights = FlightTable()
  var queue = CallQueue()
  var wakes = WakeHeap()
  var runTimes = RunTimes()
  var stores = StoreRequests()
  var startUp = StartUp()
  var uploads = OpenUploads()
  var changes = RegistryChanges()
  var phase = Phase.starting
  /// Of a dispatch or a request. Above those of this scheduler's earlier lives, so that a recall of
  /// theirs means none of ours.
  var nextNumber: UInt64
  var parkedCount = 0
  var parkedBytes = 0
  /// Submitted calls whose intents are under way: they will be queued.
  var intentsBeingStored = 0
  var intentBytesBeingStored = 0
  /// A moving average, for `retryAfter`.
  var runNanoseconds: UInt64 = 1_000_000

  enum Phase: Equatable {
    /// Goes to `serving` when the registry is loaded, or to `stopping`.
    case starting
    case serving
    /// Goes to `stopped` when nothing is in flight, at the latest at this time.
    case stopping(until: UInt64)
    case stopped
  }

  /// Since the start.
  package struct Counts: Equatable, Sendable {
    package var done: UInt64 = 0
    package var failed: UInt64 = 0
    package var retried: UInt64 = 0
    package var overloaded: UInt64 = 0
    /// Dispatches taken back from behind a long call.
    package var recalled: UInt64 = 0
    package var ended: UInt64 { done + failed }
  }

  package init(
    incarnation: Incarnation, seed: UInt64, limits: SchedulerLimits = SchedulerLimits(),
    placement: PlacementPolicyName = .leastOutstanding
  ) {
    limits.check()
    self.incarnation = incarnation
    self.limits = limits
    nextNumber = (incarnation.number & (.max >> 1)) + 1
    policy = placement.policy
    random = SplitMix64(seed: seed)
    executors = ExecutorTable(
      credits: limits.creditsPerExecutor, workMax: limits.queuedWorkMax.wholeNanoseconds)
  }

  package mutating func step(_ input: Input, at now: Moment, into effects: inout [Effect]) {
    switch input {
    case .storeReady: connectStore(at: now, into: &effects)
    case .stored(let response, let number):
      takeStored(response, number: number, at: now, into: &effects)
    case .call(let call, let number, let client):
      accept(call, from: Flight.Asker(client: client, number: number), at: now, into: &effects)
    case .cancel(let invocation, let client):
      cancel(invocation, from: client, at: now, into: &effects)
    case .clientGone(let client): forget(client, into: &effects)
    case .executorReady(let id, let processID):
      attach(id, processID: processID, at: now, into: &effects)
    case .result(let result, let number, let executor):
      take(result, number: number, from: executor, at: now, into: &effects)
    case .refused(let failure, let number, let executor):
      takeRefusal(failure, number: number, by: executor, at: now, into: &effects)
    case .unreachable(let executor, let number):
      takeBack(number, from: executor, at: now, into: &effects)
    case .executorLost(let executor, let cause, let lastStarted):
      lose(executor, cause: cause, lastStarted: lastStarted, at: now, into: &effects)
    case .recalled(let executor, let started, let upTo):
      takeRecalled(executor, started: started, upTo: upTo, at: now, into: &effects)
    case .agentLost(let node): lose(node, at: now, into: &effects)
    case .released(let entries): release(entries, at: now, into: &effects)
    case .registry(let request, let number, let client):
      serve(request, for: Flight.Asker(client: client, number: number), at: now, into: &effects)
    case .bundleProbed(let record, let number):
      takeProbe(record, number: number, at: now, into: &effects)
    case .timeReached: wake(at: now, into: &effects)
    case .stop: stop(at: now, into: &effects)
    }
    placeQueued(at: now, into: &effects)
    resumeIntents(at: now, into: &effects)
    finishStopping(into: &effects)
    assert(queue.count <= queuedCallsBound)
  }

  /// Calls that come back from lost executors, and intents of an earlier life, are never refused.
  package var queuedCallsBound: Int {
    limits.queuedCallsMax + limits.intentPageSize
      + (executors.count + 1) * limits.creditsPerExecutor + limits.parkedResultsMax
  }

  /// When `timeReached` is due, in the nanoseconds of `Moment`; nil while nothing waits for time.
  package var nextDeadline: UInt64? {
    mutating get {
      var earliest = wakes.earliest
      earliest.lower(to: executors.earliestWake)
      earliest.lower(to: stores.earliestResend)
      earliest.lower(to: changes.probeDeadline)
      earliest.lower(to: uploadDeadline)
      if case .stopping(let time) = phase { earliest.lower(to: time) }
      return earliest
    }
  }

  private mutating func wake(at now: Moment, into effects: inout [Effect]) {
    while let flight = wakes.due(at: now.nanoseconds) {
      wakes.remove(flight)
      wakeFlight(flight, at: now, into: &effects)
    }
    wakeExecutors(at: now, into: &effects)
    resendDue(at: now, into: &effects)
    endOverdueProbe(at: now, into: &effects)
    endQuietUploads(at: now, into: &effects)
    if case .stopping(let time) = phase, time <= now.nanoseconds {
      abandonAll(at: now, into: &effects)
    }
  }
}
