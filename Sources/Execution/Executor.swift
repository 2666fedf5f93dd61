package import ClusterModel
package import WireProtocol

/// An executor's side of calls, one at a time: bundles, references, the stages of a DAG back to
/// back, the call's own view of its writes, and the end that the scheduler is told. Further
/// dispatches wait here in their order until they begin or are found recalled.
///
/// It asks for a body to be run and never runs one. Reads and writes of the running body come in as
/// inputs of their own; a step's effects are performed in order, and before the next step.
package struct Executor {
  package enum Input: Sendable {
    /// From the scheduler; `number` names the dispatch.
    case dispatched(Dispatch, number: UInt64)
    /// Answers `claim`: whether the dispatch may begin. If not it was recalled.
    case claimed(Bool)
    /// The caller gave up. A body that runs is not interrupted; its reads fail from here on.
    case cancelled(InvocationID)
    /// Answers `requestBundle`.
    case bundleReady(BundleReady)
    /// Answers `load`; a failure says why no function of it can run.
    case bundleLoaded(ContentDigest, Failure?)
    /// Answers `run`: the body is over.
    case stageEnded(StageOutcome)
    /// The body gave control back and goes on later (an `await`).
    case stageSuspended
    /// The body reads a key; `token` is the shell's, and comes back in `answer`.
    case read(Key, token: UInt64)
    /// Answers `lookUp`.
    case lookedUp(Lookup, read: UInt64)
    /// Answers `fetch`.
    case cacheFetched(CacheFetched, number: UInt64)
    /// The body writes; answered by `writeRefused` or by nothing.
    case write(CacheWrite)
    /// The writes of that number are in the shared cache.
    case cacheApplied(number: UInt64)
    /// The agent refused a fetch or writes.
    case cacheRefused(Failure, number: UInt64)
    /// `timer` has come.
    case timerFired
  }

  package enum Effect: Equatable, Sendable {
    case refuse(Failure, number: UInt64)
    /// Begin this dispatch in the slot table, unless it was recalled.
    case claim(Claim)
    /// Tell the scheduler that this dispatch will not run here.
    case giveBack(number: UInt64)
    case requestBundle(ContentDigest)
    case load(ContentDigest, path: String)
    case run(StageRun)
    /// Look into the shared cache, without waiting.
    case lookUp(Key, read: UInt64)
    case fetch(CacheFetch, number: UInt64)
    case answer(ReadAnswer, token: UInt64)
    case writeRefused(WriteRefusal)
    case sendWrites(CacheWrites, number: UInt64)
    case sendResult(CallResult, number: UInt64)
    /// The process has loaded as many bundles as it should hold: end it, now that it is idle.
    case retire
  }

  /// A dispatch about to begin, as the slot table shows it.
  package struct Claim: Equatable, Sendable {
    package var number: UInt64
    package var invocation: InvocationID
    package var attempt: UInt16
    package var function: String
    package var bundle: ContentDigest
    /// On the monotonic clock.
    package var deadline: UInt64?
  }

  /// What the shell reads before a step: clocks, and the cache's control page.
  package struct Readings: Sendable {
    /// Nanoseconds of the monotonic clock.
    package var monotonic: UInt64
    /// Milliseconds since the epoch.
    package var wall: UInt64
    /// The highest write sequence of the shared cache that is acknowledged, with all before it.
    package var acknowledged: UInt64

    package init(monotonic: UInt64, wall: UInt64, acknowledged: UInt64) {
      self.monotonic = monotonic
      self.wall = wall
      self.acknowledged = acknowledged
    }
  }

  let identity: ExecutorID
  let limits: ExecutorLimits
  var call: RunningCall?
  /// Asked for with `claim`; becomes `call`.
  var claimed: RunningCall?
  var waiting = WaitingCalls()
  /// Reads under way, of the body and of the references; at most `limits.readsMax`.
  var reads: [PendingRead] = []
  var loaded: Set<ContentDigest> = []
  /// Numbers of reads, fetches and writes. Never reused in this process's life.
  private var lastNumber: UInt64 = 0

  package init(identity: ExecutorID, limits: ExecutorLimits = ExecutorLimits()) {
    self.identity = identity
    self.limits = limits
  }

  package mutating func step(
    _ input: Input, at readings: Readings, into effects: inout [Effect]
  ) {
    switch input {
    case .dispatched(let dispatch, let number):
      accept(dispatch, number: number, at: readings, into: &effects)
    case .claimed(let mayBegin): begin(mayBegin, at: readings, into: &effects)
    case .cancelled(let invocation): cancel(invocation, at: readings, into: &effects)
    case .bundleReady(let ready): take(ready, at: readings, into: &effects)
    case .bundleLoaded(let digest, let failure):
      take(loaded: digest, failure, at: readings, into: &effects)
    case .stageEnded(let outcome): endStage(outcome, at: readings, into: &effects)
    case .stageSuspended: flush(into: &effects)
    case .read(let key, let token): read(key, for: .body(token), at: readings, into: &effects)
    case .lookedUp(let lookup, let read):
      take(lookup, read: read, at: readings, into: &effects)
    case .cacheFetched(let fetched, let number):
      take(fetched, number: number, at: readings, into: &effects)
    case .write(let write): take(write, at: readings, into: &effects)
    case .cacheApplied(let number): take(applied: number, into: &effects)
    case .cacheRefused(let failure, let number):
      take(failure, number: number, at: readings, into: &effects)
    case .timerFired: fireTimers(at: readings, into: &effects)
    }
    assert(call != nil || reads.isEmpty)
  }

  /// Whether a call is here, from its dispatch to its result.
  package var isBusy: Bool { call != nil }

  /// When `timerFired` is next due, on the monotonic clock; `nil`: nothing is waited for.
  package var timer: UInt64? {
    // Mutating, so that a loop that keeps this value in a class does not copy it to ask.
    mutating get { nextTimer }
  }

  private var nextTimer: UInt64? {
    guard call != nil else { return nil }
    var next = call?.flushDue
    func consider(_ time: UInt64?) {
      if let time { next = min(next ?? time, time) }
    }
    if let asked = call?.bundleRequestedAt { consider(asked + limits.requestRetryNanoseconds) }
    for read in reads {
      if case .fetching(let sent) = read.state { consider(sent + limits.requestRetryNanoseconds) }
    }
    // A body that waits for nothing is its scheduler's to end.
    if call?.phase == .preparing || !reads.isEmpty { consider(call?.deadline) }
    return next
  }

  /// Until the running call's deadline in nanoseconds; `nil` when it has none or no call is here.
  package func remaining(at readings: Readings) -> UInt64? {
    guard let deadline = call?.deadline else { return nil }
    return deadline > readings.monotonic ? deadline - readings.monotonic : 0
  }

  mutating func nextNumber() -> UInt64 {
    lastNumber += 1
    return lastNumber
  }
}
