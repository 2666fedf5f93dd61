import ClusterModel
import WireProtocol

extension Scheduler {
  /// An executor's answer. What does not belong to the current attempt of a call is ignored: it
  /// comes from an attempt that was given up.
  mutating func take(
    _ result: CallResult, number: UInt64, from executor: ExecutorID, at now: Moment,
    into effects: inout [Effect]
  ) {
    guard let place = executors.index(of: executor), let index = flight(number: number, at: place),
      flights[index].invocation == result.invocation,
      result.attempt == UInt32(flights[index].attempt),
      case .running = flights[index].stage
    else { return }
    executors.take(index, from: place, recallDue: recallTime(after: now))
    runNanoseconds = runNanoseconds / 8 * 7 + min(result.runNanoseconds, 60_000_000_000) / 8
    runTimes.note(result.runNanoseconds, of: flights[index].title)
    guard !flights[index].isAbandoned else { return drop(index) }
    if let verdict = flights[index].verdict {
      return conclude(index, with: verdict, at: now, into: &effects)
    }
    if result.awaitsRelease {
      guard let release = flights[index].earlyRelease else {
        hold(result, of: index)
        flights[index].stage = .parked
        return
      }
      return settle(index, result.released(release), at: now, into: &effects)
    }
    settle(index, result, at: now, into: &effects)
  }

  /// A release may come before its result: the two travel on different connections.
  mutating func release(
    _ entries: [Released.Entry], at now: Moment, into effects: inout [Effect]
  ) {
    for entry in entries {
      guard let index = flights.index(of: entry.invocation),
        entry.attempt == UInt32(flights[index].attempt)
      else { continue }
      switch flights[index].stage {
      case .running: flights[index].earlyRelease = entry
      case .parked:
        guard let result = flights[index].held else { continue }
        settle(index, result.released(entry), at: now, into: &effects)
      default: continue
      }
    }
  }

  /// The attempt is over and its effects are safe: what remains is to store the result, where
  /// somebody asked for that.
  mutating func settle(
    _ index: Int, _ result: CallResult, at now: Moment, into effects: inout [Effect]
  ) {
    if flights[index].releaseIsDoubtful {
      flights[index].releaseIsDoubtful = false
      wakes.set(index, to: flights[index].deadline)
    }
    guard let key = flights[index].resultKey, result.failure == nil else {
      return conclude(index, with: result, at: now, into: &effects)
    }
    hold(result, of: index)
    if result.reference.isEmpty {
      storeResult(of: index, result, under: key, at: now, into: &effects)
    } else {
      readReference(of: index, result, at: now, into: &effects)
    }
  }

  mutating func conclude(
    _ index: Int, with failure: Failure, at now: Moment, into effects: inout [Effect]
  ) {
    var result = CallResult()
    result.invocation = flights[index].invocation
    result.attempt = UInt32(flights[index].attempt)
    result.failure = failure
    conclude(index, with: result, at: now, into: &effects)
  }

  /// The end of a call: the answer to whoever waits; for a submitted one, its future.
  mutating func conclude(
    _ index: Int, with result: CallResult, at now: Moment, into effects: inout [Effect]
  ) {
    var result = result
    result.awaitsRelease = false
    if result.failure != nil { flights[index].describe(&result) }
    guard !flights[index].isSubmitted else {
      return storeFuture(of: index, result, at: now, into: &effects)
    }
    if let asker = flights[index].asker {
      count(result)
      effects.append(.answer(result, number: asker.number, to: asker.client))
    }
    drop(index)
  }

  mutating func count(_ result: CallResult) {
    if result.failure == nil { counts.done += 1 } else { counts.failed += 1 }
  }

  /// Forgets a call; who waits for it has been told.
  mutating func drop(_ index: Int) {
    switch flights[index].stage {
    case .running(let place), .condemned(let place):
      executors.take(index, from: place)
    case .queued:
      if queue.contains(index) { queue.remove(index, byteCount: flights[index].byteCount) }
    case .storingIntent: endStoringIntent(of: index)
    case .parked, .readingReference, .storingResult, .storingFuture: break
    }
    if let number = flights[index].storeNumber { _ = stores.remove(number) }
    letGo(of: index)
    wakes.remove(index)
    flights.remove(index)
  }

  /// Results that wait here are counted: at the limit nothing new is dispatched.
  mutating func hold(_ result: CallResult, of index: Int) {
    letGo(of: index)
    flights[index].held = result
    parkedCount += 1
    parkedBytes += result.value.count
  }

  mutating func letGo(of index: Int) {
    guard let held = flights[index].held else { return }
    flights[index].held = nil
    parkedCount -= 1
    parkedBytes -= held.value.count
  }
}

extension CallResult {
  /// Once its release has come, with the versions of what it wrote; a refused write fails the call,
  /// whose value then says nothing.
  fileprivate func released(_ release: Released.Entry) -> CallResult {
    var result = self
    result.awaitsRelease = false
    result.addToSession(release.session)
    guard let failure = release.failure else { return result }
    result.failure = result.failure ?? failure
    result.value = []
    result.reference = []
    return result
  }

  private mutating func addToSession(_ bytes: Bytes) {
    guard !bytes.isEmpty, let written = try? SessionToken.decode(bytes) else { return }
    guard !session.isEmpty, var token = try? SessionToken.decode(session) else {
      session = bytes
      return
    }
    token.merge(written)
    session = token.encoded()
  }
}

extension Flight {
  /// Adds what the caller needs to find the culprit, where the failure does not say it.
  func describe(_ result: inout CallResult) {
    guard var failure = result.failure else { return }
    failure.requestID = invocation
    if failure.node.isEmpty, let ranOn { failure.node = "\(ranOn.node)/\(ranOn.number)" }
    if dispatch.stages.count == 1 {
      if failure.function.isEmpty { failure.function = dispatch.stages[0].function }
      if failure.version.isEmpty, failure.function == dispatch.stages[0].function {
        failure.version = ContentDigest(dispatch.stages[0].bundle)?.short ?? ""
      }
    }
    result.failure = failure
  }
}
