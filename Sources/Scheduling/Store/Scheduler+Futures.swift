import ClusterModel
import WireProtocol

/// Submitted calls: the intent is stored before the caller is answered, the result before the
/// intent is deleted; whichever scheduler comes next finds the one or the other.
extension Scheduler {
  mutating func storeIntent(
    of index: Int, _ call: Call, at now: Moment, into effects: inout [Effect]
  ) {
    let key = ReservedKeys.intent(flights[index].invocation)
    let tuple = KeyTuple.value(key, call.encoded(), stamp: stamp(at: now))
    flights[index].stage = .storingIntent
    intentsBeingStored += 1
    intentBytesBeingStored += flights[index].byteCount
    flights[index].storeNumber = send(
      .put([tuple]), for: .intent(flight: index), at: now, into: &effects)
  }

  mutating func takeIntent(
    _ response: KeyResponse, of index: Int, at now: Moment, into effects: inout [Effect]
  ) {
    flights[index].storeNumber = nil
    if let failure = response.firstFailure {
      answer(index, failure, into: &effects)
      deleteIntent(of: index, at: now, into: &effects)
      return drop(index)
    }
    endStoringIntent(of: index)
    if let asker = flights[index].asker {
      answerAccepted(flights[index].invocation, asker, into: &effects)
      flights[index].asker = nil
    }
    flights[index].stage = .queued
    // The next life runs it.
    if case .stopping = phase { return drop(index) }
    queue.append(index, byteCount: flights[index].byteCount)
  }

  mutating func endStoringIntent(of index: Int) {
    intentsBeingStored -= 1
    intentBytesBeingStored -= flights[index].byteCount
  }

  /// The store did not answer within the call's time: the call will not start.
  mutating func giveUpIntent(of index: Int, at now: Moment, into effects: inout [Effect]) {
    let failure = Failure(
      .timedOut, "\(flights[index].title) was not taken: the store did not answer in time")
    answer(index, failure, into: &effects)
    deleteIntent(of: index, at: now, into: &effects)
    drop(index)
  }

  mutating func deleteIntent(of index: Int, at now: Moment, into effects: inout [Effect]) {
    let key = ReservedKeys.intent(flights[index].invocation)
    send(.delete([key], stamp: stamp(at: now)), for: .cleanUp, at: now, into: &effects)
  }

  /// Its first waiter may come at any time, or never: the result is kept for a while.
  mutating func storeFuture(
    of index: Int, _ result: CallResult, at now: Moment, into effects: inout [Effect]
  ) {
    leaveExecutor(index)
    wakes.remove(index)
    count(result)
    let lifetime = Limits.futureLifetime.wholeNanoseconds / 1_000_000
    let tuple = KeyTuple.value(
      ReservedKeys.future(flights[index].invocation), result.encoded(), stamp: stamp(at: now),
      expiry: now.wallMilliseconds.addingSaturating(lifetime))
    hold(result, of: index)
    flights[index].stage = .storingFuture
    flights[index].storeNumber = send(
      .put([tuple]), for: .future(flight: index), at: now, into: &effects)
  }

  mutating func takeStoredFuture(
    _ response: KeyResponse, of index: Int, at now: Moment, into effects: inout [Effect]
  ) {
    flights[index].storeNumber = nil
    if let failure = response.firstFailure {
      // A result that cannot be stored at all (too large, say) must not hide: say why instead.
      guard let result = flights[index].held, result.failure == nil else {
        effects.append(.warn("the result of \(flights[index].invocation) is lost: \(failure)"))
        deleteIntent(of: index, at: now, into: &effects)
        return drop(index)
      }
      letGo(of: index)
      return conclude(index, with: failure, at: now, into: &effects)
    }
    deleteIntent(of: index, at: now, into: &effects)
    drop(index)
  }

  private mutating func leaveExecutor(_ index: Int) {
    switch flights[index].stage {
    case .running(let place), .condemned(let place):
      executors.take(index, from: place)
    default: break
    }
  }
}
