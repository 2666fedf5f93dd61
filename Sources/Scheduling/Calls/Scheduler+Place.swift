import ClusterModel
import WireProtocol

extension Scheduler {
  /// Gives the calls that wait to the executors that have a credit, oldest first.
  mutating func placeQueued(at now: Moment, into effects: inout [Effect]) {
    while !queue.isEmpty, executors.hasCredit, hasParkingSpace {
      let index = queue.first
      let stage = flights[index].dispatch.stages[0]
      let call = FunctionCall(function: stage.function, bundle: stage.bundle)
      guard
        case .place(let place, let reason) = policy.place(
          call, on: executors.view, using: &random)
      else { return }
      queue.remove(index, byteCount: flights[index].byteCount)
      dispatch(index, to: place, because: reason, at: now, into: &effects)
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
    _ index: Int, to place: Int, because reason: PlacementReason, at now: Moment,
    into effects: inout [Effect]
  ) {
    let number = nextNumber
    nextNumber += 1
    let executor = executors.id(at: place)
    executors.give(index, to: place)
    let message = flights[index].start(
      number: number, at: place, on: executor, now: now.nanoseconds)
    effects.append(.dispatch(message, number: number, to: executor, because: reason))
  }

  /// The executor of a dispatch that never reached it: the call goes elsewhere, at no cost.
  mutating func takeBack(_ number: UInt64, from executor: ExecutorID) {
    guard let place = executors.index(of: executor) else { return }
    if case .attached = executors.entries[place].state {
      executors.setState(.unreachable, of: place)
    }
    guard let index = flight(number: number, at: place) else { return }
    requeue(index, from: place)
  }

  mutating func takeRefusal(
    _ failure: Failure, number: UInt64, by executor: ExecutorID, at now: Moment,
    into effects: inout [Effect]
  ) {
    guard let place = executors.index(of: executor), let index = flight(number: number, at: place)
    else { return }
    guard case .running = flights[index].stage else { return }
    guard failure.code.isRetryable else {
      executors.take(index, from: place, done: false)
      return conclude(index, with: failure, at: now, into: &effects)
    }
    // Pausing keeps the two from throwing the call at each other without end.
    let end = now.nanoseconds.addingSaturating(limits.refusalPause.wholeNanoseconds)
    if case .attached = executors.entries[place].state {
      executors.setState(.paused(until: end), of: place)
    }
    requeue(index, from: place)
  }

  func flight(number: UInt64, at place: Int) -> Int? {
    executors.entries[place].outstanding.first { flights[$0].dispatchNumber == number }
  }

  private mutating func requeue(_ index: Int, from place: Int) {
    guard case .running = flights[index].stage else { return }
    executors.take(index, from: place, done: false)
    if flights[index].isAbandoned { return drop(index) }
    flights[index].stage = .queued
    flights[index].earlyRelease = nil
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
