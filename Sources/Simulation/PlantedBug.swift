/// A mistake put into the harness on purpose, between a core and its surroundings, to show that the
/// oracle meant for it sees it. The cores know nothing of them.
package enum PlantedBug: String, CaseIterable, Sendable {
  /// The log says that a commit is synced before it is.
  case acknowledgeBeforeSync = "acknowledge-before-sync"
  /// The log forgets tombstones, so deleted values come back.
  case resurrectDeleted = "resurrect-deleted"
  /// An increment is given to the shard twice.
  case countTwice = "count-twice"
  /// The log keeps the first element of a set only.
  case forgetSetElements = "forget-set-elements"
  /// A read may be answered with an earlier answer.
  case answerFromThePast = "answer-from-the-past"
  /// Values are garbled on their way to the client.
  case garbleValues = "garble-values"
  /// Every second answer of the scheduler that follows an executor's loss is thrown away.
  case forgetLostCalls = "forget-lost-calls"
  /// Results are sent twice.
  case answerTwice = "answer-twice"
  /// Results do not wait for their writes.
  case releaseAtOnce = "release-at-once"
  /// The scheduler's queue is as long as it likes.
  case unboundedQueue = "unbounded-queue"
  /// Requests that wait for the log are not bounded.
  case unboundedLog = "unbounded-log"
  /// An agent applies repeated writes again.
  case applyTwice = "apply-twice"
  /// A cache is not told of pushes or heartbeats.
  case dropPushes = "drop-pushes"
  /// The shard's timers come and are not passed on.
  case ignoreTimers = "ignore-timers"
  /// An executor begins dispatches that were recalled.
  case beginRecalled = "begin-recalled"
  /// A cache says "released" when a call returns, before its writes are acknowledged.
  case releaseBeforeAcknowledgement = "release-before-acknowledgement"
  /// Readers take every write in their node's cache for acknowledged.
  case publishAtOnce = "publish-at-once"
  /// An executor that does not answer for a while is taken for dead while it runs on.
  case retryRunningAttempt = "retry-running-attempt"
  /// Calls read whatever their node's cache has, whatever their session has seen.
  case ignoreMinimumVersions = "ignore-minimum-versions"
  /// The versions of what a call wrote do not travel back to its caller.
  case forgetWrittenVersions = "forget-written-versions"
  /// Some pushes are lost, and the stream shows no gap.
  case losePushesSilently = "lose-pushes-silently"
  /// The log keeps a tombstone in the generation of what it deletes.
  case ignoreGenerations = "ignore-generations"
  /// Every life of a cache counts as the same actors.
  case reuseActors = "reuse-actors"
  /// A cache stamps by its own clock alone, whatever its callers and the owner know.
  case stampByOwnClock = "stamp-by-own-clock"

  /// The oracles that may be first to see it.
  package var seenBy: Set<Violation.Oracle> {
    switch self {
    case .acknowledgeBeforeSync: [.acknowledgedWrites, .counter, .set]
    case .releaseAtOnce, .releaseBeforeAcknowledgement: [.acknowledgedWrites, .counter, .set]
    case .publishAtOnce: [.acknowledgedWrites]
    case .ignoreMinimumVersions, .forgetWrittenVersions: [.acknowledgedWrites, .counter, .set]
    case .retryRunningAttempt: [.oneAttempt]
    case .resurrectDeleted, .ignoreGenerations, .stampByOwnClock: [.acknowledgedWrites]
    case .countTwice, .applyTwice, .reuseActors: [.counter]
    case .forgetSetElements: [.set]
    case .answerFromThePast: [.session, .acknowledgedWrites]
    case .garbleValues: [.inventedValue]
    case .forgetLostCalls, .answerTwice: [.everyCallEnds]
    case .unboundedQueue, .unboundedLog: [.bounded]
    case .dropPushes, .losePushesSilently: [.convergence]
    case .ignoreTimers: [.busyPolling]
    case .beginRecalled: [.oneRunAnAttempt]
    }
  }
}
