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

  /// The oracles that may be first to see it.
  package var seenBy: Set<Violation.Oracle> {
    switch self {
    case .acknowledgeBeforeSync: [.acknowledgedWrites, .counter, .set]
    case .releaseAtOnce: [.acknowledgedWrites, .counter, .set]
    case .resurrectDeleted: [.acknowledgedWrites]
    case .countTwice, .applyTwice: [.counter]
    case .forgetSetElements: [.set]
    case .answerFromThePast: [.session, .acknowledgedWrites]
    case .garbleValues: [.inventedValue]
    case .forgetLostCalls, .answerTwice: [.everyCallEnds]
    case .unboundedQueue, .unboundedLog: [.bounded]
    case .dropPushes: [.convergence]
    case .ignoreTimers: [.busyPolling]
    case .beginRecalled: [.oneRunAnAttempt]
    }
  }
}
