import ClusterModel
import WireProtocol

extension Scheduler {
  mutating func accept(
    _ call: Call, from asker: Flight.Asker, at now: Moment, into effects: inout [Effect]
  ) {
    let header: CallHeader
    do throws(WireError) {
      header = try CallHeader(call.header)
    } catch {
      let failure = Failure(.badRequest, "the call's header cannot be read: \(error)")
      return refuse(failure, .none, asker, into: &effects)
    }
    if let known = flights.index(of: header.invocation) {
      return acceptAgain(known, header.invocation, from: asker, into: &effects)
    }
    do throws(Failure) {
      var flight = try admit(call, header, at: now)
      try checkShare(of: asker.client)
      try checkRoom(for: flight.byteCount)
      flight.client = asker.client
      flight.asker = asker
      let index = flights.insert(flight)
      wakes.set(index, to: flight.deadline)
      if call.submit {
        storeIntent(of: index, call, at: now, into: &effects)
      } else {
        queue.append(index, byteCount: flight.byteCount)
      }
    } catch {
      if error.code == .overloaded { counts.overloaded += 1 }
      refuse(error, header.invocation, asker, into: &effects)
    }
  }

  /// Everything that can be wrong with a call before it runs, but for a full queue.
  func admit(
    _ call: Call, _ header: CallHeader, at now: Moment
  ) throws(Failure) -> Flight {
    try checkPhase()
    guard header.invocation != .none else {
      throw Failure(.badRequest, "a call needs an invocation id")
    }
    guard header.consistency == .lastWriterWins else {
      throw Failure(
        .levelUnsupported,
        "this cluster runs calls at the level lww only, not \(header.consistency)")
    }
    var flight = Flight()
    if !call.resultKey.isEmpty { flight.resultKey = try Self.resultKey(call.resultKey) }
    flight.dispatch.stages = try registry.stages(for: call)
    flight.dispatch.accepts = call.accepts
    flight.byteCount = Self.byteCount(of: call)
    flight.invocation = header.invocation
    flight.header = header
    flight.header.registryVersion = registry.version
    flight.header.scheduler = incarnation
    flight.title = call.dag.isEmpty ? call.function : call.dag
    flight.isSubmitted = call.submit
    setLimits(of: &flight)
    flight.deadline = now.nanoseconds.addingSaturating(flight.timeLimit)
    return flight
  }

  /// The call's wishes go before those of its functions, and those before the cluster's; of time, the
  /// shortest counts.
  private func setLimits(of flight: inout Flight) {
    let header = flight.header
    let declared = registry.limits(of: flight.dispatch.stages)
    if header.memoryMebibytes == 0 { flight.header.memoryMebibytes = declared.memoryMebibytes }
    flight.attemptsMax =
      header.attemptsMax == 0
      ? declared.attemptsMax ?? limits.attemptsMax : Int(header.attemptsMax)
    let wanted = header.remainingMicroseconds == 0 ? limits.callTimeLimit : header.remaining
    let allowed = min(wanted, limits.callTimeLimitMax).wholeNanoseconds
    flight.timeLimit = min(allowed, declared.timeNanoseconds ?? .max)
  }

  func checkPhase() throws(Failure) {
    switch phase {
    case .serving: return
    case .starting:
      var failure = Failure(.unavailable, "the scheduler is still loading the registry")
      failure.retryAfter = .milliseconds(100)
      throw failure
    case .stopping, .stopped:
      throw Failure(.stopping, "the cluster is stopping and takes no more requests")
    }
  }

  /// One client that calls without end must leave room for the others.
  private func checkShare(of client: Incarnation) throws(Failure) {
    let count = flights.count(waitedForBy: client)
    guard count >= limits.callsPerClientMax else { return }
    var failure = Failure(
      .overloaded, "\(count) calls of this client are under way already",
      hint: "wait for their results, or submit calls whose results nobody waits for")
    failure.retryAfter = retryAfter
    throw failure
  }

  private func checkRoom(for byteCount: Int) throws(Failure) {
    // Intents under way become queued calls: they take their place in the queue now.
    let waiting = queue.count + intentsBeingStored
    let bytes = queue.byteCount + intentBytesBeingStored
    let canStart = queue.isEmpty && executors.hasCredit && hasParkingSpace
    guard !canStart else { return }
    // One call alone may be larger than the bound, or it could never run.
    let fits = waiting == 0 || bytes + byteCount <= limits.queuedBytesMax
    guard waiting < limits.queuedCallsMax, fits else {
      var failure = Failure(
        .overloaded, "\(waiting) calls wait for an executor already",
        hint: "try again, or start the cluster with more executors")
      failure.retryAfter = retryAfter
      throw failure
    }
  }

  /// About when half of what waits now will have run.
  private var retryAfter: Duration {
    let each = runNanoseconds / UInt64(max(1, executors.count))
    let half = UInt64(queue.count / 2 + 1).multipliedReportingOverflow(by: each)
    let nanoseconds = half.overflow ? UInt64.max : half.partialValue
    return .nanoseconds(Int64(min(max(nanoseconds, 10_000_000), 5_000_000_000)))
  }

  private static func resultKey(_ bytes: Bytes) throws(Failure) -> Key {
    guard let key = Key(checking: bytes) else {
      throw Failure(
        .keyInvalid, "the result's key is not 1 to \(Limits.keyBytesMax) bytes of UTF-8")
    }
    guard !key.isReserved else {
      throw Failure(.keyReserved, "the result's key \(key) belongs to the platform")
    }
    return key
  }

  private static func byteCount(of call: Call) -> Int {
    var count = call.header.count + call.function.utf8.count + 64
    for argument in call.arguments { count += argument.value.count + argument.reference.count }
    for input in call.inputs {
      for argument in input.arguments { count += argument.value.count + argument.reference.count }
    }
    return count
  }

  /// The same call came again while it is in flight: it runs once, and its answer goes to where it
  /// was asked for last.
  private mutating func acceptAgain(
    _ index: Int, _ invocation: InvocationID, from asker: Flight.Asker,
    into effects: inout [Effect]
  ) {
    guard flights[index].client == asker.client else {
      let failure = Failure(.conflict, "another client's call has the id \(invocation)")
      return refuse(failure, invocation, asker, into: &effects)
    }
    guard !flights[index].isAbandoned else {
      let failure = Failure(.cancelled, "the call was cancelled before")
      return refuse(failure, invocation, asker, into: &effects)
    }
    if flights[index].isSubmitted, flights[index].asker == nil {
      return answerAccepted(invocation, asker, into: &effects)
    }
    flights[index].asker = asker
  }

  func refuse(
    _ failure: Failure, _ invocation: InvocationID, _ asker: Flight.Asker,
    into effects: inout [Effect]
  ) {
    var result = CallResult()
    result.invocation = invocation
    result.failure = failure
    if invocation != .none { result.failure?.requestID = invocation }
    effects.append(.answer(result, number: asker.number, to: asker.client))
  }

  func answerAccepted(
    _ invocation: InvocationID, _ asker: Flight.Asker, into effects: inout [Effect]
  ) {
    var result = CallResult()
    result.invocation = invocation
    effects.append(.answer(result, number: asker.number, to: asker.client))
  }
}
