import ClusterModel
import WireProtocol

extension Scheduler {
  mutating func attach(
    _ id: ExecutorID, processID: UInt32, at now: Moment, into effects: inout [Effect]
  ) {
    // Its supervisor starts a successor only after reaping: the earlier lives are over.
    for earlier in executors.predecessors(of: id) {
      let cause = Failure(.executorLost, "the executor \(earlier) was replaced by \(id)")
      // Which of its calls it died of, its supervisor would have said: none is charged for it.
      lose(earlier, cause: cause, lastStarted: .max, at: now, into: &effects)
    }
    _ = executors.attach(id, processID: processID)
  }

  /// - Parameter lastStarted: the number of the last dispatch it began, where that is known: those
  ///   after it never ran, and those before it had ended.
  mutating func lose(
    _ id: ExecutorID, cause: Failure, lastStarted: UInt64? = nil, at now: Moment,
    into effects: inout [Effect]
  ) {
    // Last first, so that the oldest ends at the head of the queue.
    for index in (executors.remove(id) ?? []).reversed() {
      let number = flights[index].dispatchNumber
      switch lastStarted {
      case let last? where number > last: waitAgain(index, at: now, into: &effects)
      case let last? where number < last:
        // It had ended, and its answer died with the executor: this death is not its doing.
        loseAttempt(of: index, cause: cause, isGuilty: false, at: now, into: &effects)
      default: loseAttempt(of: index, cause: cause, at: now, into: &effects)
      }
    }
    // What it had already answered may still be released; but the request for that may have died
    // with it.
    let patience = now.nanoseconds.addingSaturating(limits.releasePatience.wholeNanoseconds)
    for index in flights.all(where: { $0.ranOn == id && $0.stage == .parked }) {
      flights[index].releaseIsDoubtful = true
      // Whatever ended the executor, this call had ended before.
      flights[index].lastLoss = Failure(
        .executorLost, "its executor ended before its writes were safe: \(cause.message)")
      wakes.set(index, to: min(flights[index].deadline, patience))
    }
  }

  mutating func lose(_ node: NodeID, at now: Moment, into effects: inout [Effect]) {
    let cause = Failure(.executorLost, "the agent of node \(node) is gone")
    for index in flights.all(where: { $0.ranOn?.node == node && $0.stage == .parked }) {
      letGo(of: index)
      loseAttempt(of: index, cause: cause, at: now, into: &effects)
    }
    for id in executors.live.map({ executors.id(at: $0) }).sorted() where id.node == node {
      lose(id, cause: cause, at: now, into: &effects)
    }
  }

  /// The current attempt is provably over and has no result: try again, or give up.
  ///
  /// - Parameter isGuilty: it may have been what ended its executor.
  mutating func loseAttempt(
    of index: Int, cause: Failure, isGuilty: Bool = true, at now: Moment,
    into effects: inout [Effect]
  ) {
    if let verdict = flights[index].verdict {
      var failure = verdict
      failure.detail = cause.detail
      if !cause.function.isEmpty {
        failure.function = cause.function
        failure.version = cause.version
      }
      flights[index].stage = .queued
      return conclude(index, with: failure, at: now, into: &effects)
    }
    flights[index].stage = .queued
    guard !flights[index].isAbandoned else { return drop(index) }
    if isGuilty && cause.code == .deadlineExceeded, now.nanoseconds >= flights[index].deadline {
      // Its agent saw the deadline pass before we did.
      var failure = flights[index].beyondDeadline
      failure.detail = cause.detail
      return conclude(index, with: failure, at: now, into: &effects)
    }
    // A kill for another call's deadline is not this call's doing.
    if isGuilty && cause.code != .deadlineExceeded {
      flights[index].noteLoss(for: cause)
      runTimes.forget(flights[index].title)
    }
    guard isGuilty || flights[index].attemptsMax > 1 else {
      // It may have run, and is to run once.
      let failure = Failure(
        .executorLost, "its executor ended before its answer was here: \(cause.message)")
      return conclude(index, with: failure, at: now, into: &effects)
    }
    guard !isGuilty || !flights[index].isGivenUp(for: cause) else {
      return conclude(index, with: flights[index].lastWord(on: cause), at: now, into: &effects)
    }
    self.counts.retried += 1
    flights[index].releaseIsDoubtful = false
    flights[index].earlyRelease = nil
    wakes.set(index, to: flights[index].deadline)
    queue.prepend(index, byteCount: flights[index].byteCount)
  }

  mutating func wakeFlight(_ index: Int, at now: Moment, into effects: inout [Effect]) {
    switch flights[index].stage {
    case .queued:
      if queue.contains(index) { queue.remove(index, byteCount: flights[index].byteCount) }
      endUnstarted(index, at: now, into: &effects)
    case .running(let place):
      guard executors.entries[place].outstanding.first?.flight == index else {
        // It stands behind another call, which is not to die for it.
        recall(at: place, now: now, into: &effects)
        let patience = now.nanoseconds.addingSaturating(limits.recallPatience.wholeNanoseconds)
        return wakes.set(index, to: patience)
      }
      condemn(index, at: place, now: now, into: &effects)
    case .condemned:
      // The supervisor has not said that the executor is dead; the caller has waited long enough.
      guard let verdict = flights[index].verdict else { return drop(index) }
      conclude(index, with: verdict, at: now, into: &effects)
    case .parked:
      if flights[index].releaseIsDoubtful, now.nanoseconds < flights[index].deadline {
        let cause = flights[index].lastLoss ?? Failure(.executorLost, "its executor was lost")
        letGo(of: index)
        loseAttempt(of: index, cause: cause, at: now, into: &effects)
      } else {
        endUnreleased(index, "its writes were not acknowledged", at: now, into: &effects)
      }
    case .storingIntent: giveUpIntent(of: index, at: now, into: &effects)
    case .readingReference, .storingResult:
      endUnreleased(index, "its result could not be stored", at: now, into: &effects)
    case .storingFuture: break
    }
  }

  /// A call outside the queue whose time is up before it began.
  mutating func endUnstarted(_ index: Int, at now: Moment, into effects: inout [Effect]) {
    guard !flights[index].isAbandoned else { return drop(index) }
    let limit = Duration.nanoseconds(Int64(clamping: flights[index].timeLimit)).readable
    let failure: Failure
    if flights[index].lostAttempts > 0 || flights[index].attempt > 0 {
      failure = Failure(
        .deadlineExceeded,
        "\(flights[index].title) was repeated and did not end within \(limit)")
    } else {
      failure = Failure(
        .timedOut, "\(flights[index].title) waited \(limit) and never started: \(shortage.reason)",
        hint: "cbctl status shows the executors and the queue")
    }
    conclude(index, with: failure, at: now, into: &effects)
  }

  private mutating func endUnreleased(
    _ index: Int, _ reason: String, at now: Moment, into effects: inout [Effect]
  ) {
    let limit = Duration.nanoseconds(Int64(clamping: flights[index].timeLimit)).readable
    let failure = Failure(
      .deadlineExceeded, "\(flights[index].title) ran, but \(reason) within \(limit)")
    if let number = flights[index].storeNumber { _ = stores.remove(number) }
    flights[index].storeNumber = nil
    conclude(index, with: failure, at: now, into: &effects)
  }

  private mutating func condemn(
    _ index: Int, at place: Int, now: Moment, into effects: inout [Effect]
  ) {
    flights[index].verdict = flights[index].verdict ?? flights[index].beyondDeadline
    flights[index].stage = .condemned(at: place)
    let patience = now.nanoseconds.addingSaturating(limits.killPatience.wholeNanoseconds)
    wakes.set(index, to: patience)
    let invocation = flights[index].invocation
    if case .condemned = executors.entries[place].state { return }
    executors.setState(.condemned(invocation, askAgainAt: patience), of: place)
    effects.append(.kill(executors.id(at: place), invocation, reason: .deadlineExceeded))
  }

  mutating func wakeExecutors(at now: Moment, into effects: inout [Effect]) {
    while let place = executors.due(at: now.nanoseconds) {
      switch executors.entries[place].state {
      case .paused(let until) where until <= now.nanoseconds:
        executors.setState(.attached, of: place)
      case .condemned(let invocation, _):
        let next = now.nanoseconds.addingSaturating(limits.killPatience.wholeNanoseconds)
        executors.setState(.condemned(invocation, askAgainAt: next), of: place)
        effects.append(.kill(executors.id(at: place), invocation, reason: .deadlineExceeded))
      default: recall(at: place, now: now, into: &effects)
      }
    }
  }
}

extension Flight {
  fileprivate var beyondDeadline: Failure {
    let limit = Duration.nanoseconds(Int64(clamping: timeLimit)).readable
    return Failure(
      .deadlineExceeded, "\(title) ran beyond its time limit of \(limit)",
      hint: "give the call more time, or look for a loop: the executor was ended")
  }
}

extension Shortage {
  fileprivate var reason: String {
    switch self {
    case .noExecutor: "no executor is attached"
    case .allSaturated(let executors):
      executors == 1 ? "the only executor is busy" : "all \(executors) executors are busy"
    case .resultsWait(let count): "\(count) results wait for the store"
    }
  }
}
