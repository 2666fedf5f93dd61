import ClusterModel
import WireProtocol

extension Scheduler {
  /// Gives the calls that wait to the executors that have a credit, oldest first.
  mutating func placeQueued(at now: Moment, into effects: inout [Effect]) {
    while !queue.isEmpty, executors.hasCredit, hasParkingSpace {
      let index = queue.first
      let stage = flights[index].dispatch.stages[0]
      let call = FunctionCall(function: stage.function, bundle: stage.bundle)
      let work = runTimes.estimate(of: flights[index].title)
      guard
        case .place(let place, let reason) = policy.place(
          call, on: executors.view(for: work), using: &random)
      else { return }
      queue.remove(index, byteCount: flights[index].byteCount)
      dispatch(index, work: work, to: place, because: reason, at: now, into: &effects)
    }
  }

  var hasParkingSpace: Bool {
    parkedCount < limits.parkedResultsMax && parkedBytes < limits.parkedBytesMax
  }

  /// Why the oldest call waits, for its error if it waits too long.
  var shortage: Shortage {
    guard hasParkingSpace else { return .resultsWait(count: parkedCount) }
    return executors.count == 0 ? .noExecutor : .allSaturated(executors: executors.count)
  }

  private mutating func dispatch(
    _ index: Int, work: UInt64?, to place: Int, because reason: PlacementReason, at now: Moment,
    into effects: inout [Effect]
  ) {
    let number = nextNumber
    nextNumber += 1
    let executor = executors.id(at: place)
    executors.give(index, work: work, number: number, to: place, recallDue: recallTime(after: now))
    let message = flights[index].start(
      number: number, at: place, on: executor, now: now.nanoseconds)
    effects.append(.dispatch(message, number: number, to: executor, because: reason))
  }

  /// The executor of a dispatch that never reached it: the call goes elsewhere, at no cost.
  mutating func takeBack(
    _ number: UInt64, from executor: ExecutorID, at now: Moment, into effects: inout [Effect]
  ) {
    guard let place = executors.index(of: executor) else { return }
    if case .attached = executors.entries[place].state {
      executors.setState(.unreachable, of: place)
    }
    guard let index = flight(number: number, at: place) else { return }
    requeue(index, from: place, at: now, into: &effects)
  }

  /// The executor's running call is long: those behind it are asked back, to run elsewhere.
  mutating func recall(at place: Int, now: Moment, into effects: inout [Effect]) {
    executors.recall(
      at: place,
      askAgainAt: now.nanoseconds.addingSaturating(limits.recallPatience.wholeNanoseconds))
    effects.append(
      .recall(executors.id(at: place), upTo: executors.entries[place].lastNumber))
  }

  /// The executor will start no dispatch after `started` up to `upTo`.
  mutating func takeRecalled(
    _ executor: ExecutorID, started: UInt64, upTo: UInt64, at now: Moment,
    into effects: inout [Effect]
  ) {
    guard let place = executors.index(of: executor), started < upTo else { return }
    // Last first, so that the oldest ends at the head of the queue.
    for given in executors.entries[place].outstanding.reversed() {
      let number = flights[given.flight].dispatchNumber
      guard number > started, number <= upTo else { continue }
      counts.recalled += 1
      requeue(given.flight, from: place, at: now, into: &effects)
    }
  }

  func recallTime(after now: Moment) -> UInt64 {
    now.nanoseconds.addingSaturating(limits.recallAfter.wholeNanoseconds)
  }

  mutating func takeRefusal(
    _ failure: Failure, number: UInt64, by executor: ExecutorID, at now: Moment,
    into effects: inout [Effect]
  ) {
    guard let place = executors.index(of: executor), let index = flight(number: number, at: place)
    else { return }
    guard case .running = flights[index].stage else { return }
    guard failure.code.isRetryable else {
      executors.take(index, from: place)
      return conclude(index, with: failure, at: now, into: &effects)
    }
    // Pausing keeps the two from throwing the call at each other without end.
    let end = now.nanoseconds.addingSaturating(limits.refusalPause.wholeNanoseconds)
    if case .attached = executors.entries[place].state {
      executors.setState(.paused(until: end), of: place)
    }
    requeue(index, from: place, at: now, into: &effects)
  }

  func flight(number: UInt64, at place: Int) -> Int? {
    executors.entries[place].outstanding
      .first { flights[$0.flight].dispatchNumber == number }?.flight
  }

  /// An attempt that never began: the call goes elsewhere, and nothing is counted.
  private mutating func requeue(
    _ index: Int, from place: Int, at now: Moment, into effects: inout [Effect]
  ) {
    guard case .running = flights[index].stage else { return }
    executors.take(index, from: place)
    waitAgain(index, at: now, into: &effects)
  }

  /// Back to the head of the queue, or to its end where nobody wants it any more or its time is up.
  mutating func waitAgain(_ index: Int, at now: Moment, into effects: inout [Effect]) {
    flights[index].stage = .queued
    flights[index].earlyRelease = nil
    // The attempt never began, so its number is free.
    flights[index].attempt -= 1
    if flights[index].isAbandoned { return drop(index) }
    if let verdict = flights[index].verdict {
      return conclude(index, with: verdict, at: now, into: &effects)
    }
    wakes.set(index, to: flights[index].deadline)
    guard now.nanoseconds < flights[index].deadline else {
      return endUnstarted(index, at: now, into: &effects)
    }
    queue.prepend(index, byteCount: flights[index].byteCount)
  }
}

extension Flight {
  /// Begins the next attempt. The message carries what is left of the call's time.
  mutating func start(
    number: UInt64, at place: Int, on executor: ExecutorID, now: UInt64
  ) -> Dispatch {
    stage = .running(at: place)
    ranOn = executor
    dispatchNumber = number
    dispatchedAt = now
    attempt &+= 1
    earlyRelease = nil
    header.attempt = attempt
    header.remainingMicroseconds = max(1, (deadline - min(deadline, now)) / 1000)
    dispatch.header = header.encoded()
    return dispatch
  }
}
