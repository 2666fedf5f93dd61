import ClusterModel
import WireProtocol

extension Executor {
  mutating func accept(
    _ dispatch: Dispatch, number: UInt64, at readings: Readings, into effects: inout [Effect]
  ) {
    guard waiting.count < limits.dispatchesWaitingMax else {
      let busy = Failure(.overloaded, "executor \(identity) has \(waiting.count) calls waiting")
      return effects.append(.refuse(busy, number: number))
    }
    do {
      waiting.append(try RunningCall(dispatch, number: number, at: readings.monotonic))
    } catch {
      return effects.append(.refuse(error, number: number))
    }
    if call == nil && claimed == nil { claimNext(into: &effects) }
  }

  private mutating func claimNext(into effects: inout [Effect]) {
    guard let next = waiting.popFirst() else { return }
    effects.append(.claim(next.claim))
    claimed = next
  }

  mutating func begin(_ mayBegin: Bool, at readings: Readings, into effects: inout [Effect]) {
    guard let next = claimed.take() else { preconditionFailure("a claim is answered once") }
    guard mayBegin else {
      effects.append(.giveBack(number: next.number))
      return claimNext(into: &effects)
    }
    call = next
    prepareStage(at: readings, into: &effects)
  }

  /// Asks for what the stage needs and is not here: its bundle, and all its references at once.
  private mutating func prepareStage(at readings: Readings, into effects: inout [Effect]) {
    let bundle = call?.beginStage()
    if let bundle, !loaded.contains(bundle) {
      call?.needsBundle = true
      call?.bundleRequestedAt = readings.monotonic
      effects.append(.requestBundle(bundle))
    }
    if call?.argumentsMissing ?? 0 > 0, let stage = call?.currentStage {
      readReferences(of: stage, at: readings, into: &effects)
    }
    runIfReady(at: readings, into: &effects)
  }

  private mutating func readReferences(
    of stage: Stage, at readings: Readings, into effects: inout [Effect]
  ) {
    var keys: [Key] = []
    for argument in stage.arguments {
      guard let key = argument.referencedKey, !keys.contains(key) else { continue }
      keys.append(key)
    }
    for key in keys {
      // A key that fails at once ends the call, and with it the stage.
      guard call != nil else { return }
      read(key, for: .argument, at: readings, into: &effects)
    }
  }

  /// One reference is resolved: fills every argument that names the key.
  mutating func fillArguments(
    with argument: StageRun.Argument, of key: Key, at readings: Readings,
    into effects: inout [Effect]
  ) {
    guard let stage = call.map({ $0.stages[$0.stage] }) else { return }
    for (index, given) in stage.arguments.enumerated() where given.reference == key.bytes {
      guard call?.arguments[index] == nil else { continue }
      call?.arguments[index] = argument
      call?.argumentsMissing -= 1
    }
    runIfReady(at: readings, into: &effects)
  }

  mutating func runIfReady(at readings: Readings, into effects: inout [Effect]) {
    guard call?.isReady == true else { return }
    if let deadline = call?.deadline, deadline <= readings.monotonic {
      let failure = Failure.deadline(before: call?.function ?? "")
      return finish(.failure(failure), at: readings, into: &effects)
    }
    guard let run = call?.begin(at: readings.monotonic) else { return }
    effects.append(.run(run))
  }

  mutating func endStage(
    _ outcome: StageOutcome, at readings: Readings, into effects: inout [Effect]
  ) {
    guard call?.phase == .running else {
      preconditionFailure("a stage ends once, after it was run")
    }
    reads.removeAll()
    call?.noteRun(until: readings.monotonic)
    switch outcome {
    case .failed(let code, let message):
      return finish(.failure(.ofBody(code: code, message)), at: readings, into: &effects)
    case .refused(let failure): return finish(.failure(failure), at: readings, into: &effects)
    case .result(let encoding, let bytes):
      if call?.isCancelled == true {
        return finish(.failure(.cancelled), at: readings, into: &effects)
      }
      guard bytes.count <= Limits.valueBytesMax else {
        return finish(.failure(.resultTooLarge(bytes.count)), at: readings, into: &effects)
      }
      guard call?.hasFurtherStages == true else {
        return finish(.success((encoding, bytes)), at: readings, into: &effects)
      }
      call?.results.append(.value(encoding: encoding, bytes))
      call?.stage += 1
      prepareStage(at: readings, into: &effects)
    }
  }

  mutating func cancel(
    _ invocation: InvocationID, at readings: Readings, into effects: inout [Effect]
  ) {
    if let index = waiting.firstIndex(of: invocation) {
      let cancelled = waiting.remove(at: index)
      var result = cancelled.emptyResult
      result.failure = cancelled.named(.cancelled, by: identity)
      return effects.append(.sendResult(result, number: cancelled.number))
    }
    guard let running = call, running.header.invocation == invocation else { return }
    guard running.phase == .running else {
      return finish(.failure(.cancelled), at: readings, into: &effects)
    }
    call?.isCancelled = true
    failBodyReads(.cancelled, into: &effects)
  }

  /// Ends the call: its last writes, then its result.
  mutating func finish(
    _ outcome: Result<(encoding: UInt8, bytes: Bytes), Failure>, at readings: Readings,
    into effects: inout [Effect]
  ) {
    guard var ended = call.take() else { preconditionFailure("a call ends once") }
    reads.removeAll()
    var result = ended.emptyResult
    result.runNanoseconds = ended.runNanoseconds
    do throws(Failure) {
      if let failure = ended.writeFailure { throw failure }
      let value = try outcome.get()
      (result.encoding, result.value) = try accepted(value, by: ended.accepts)
    } catch {
      result.failure = ended.named(error, by: identity)
    }
    let token = ended.known.token
    if !token.entries.isEmpty { result.session = token.encoded() }
    // What was unacknowledged when it was read may be acknowledged by now.
    let waitsForReads = ended.readSequence > readings.acknowledged && !ended.isEarly
    if !waitsForReads { ended.readSequence = 0 }
    if ended.wrote || ended.readSequence > 0 {
      result.awaitsRelease = true
      effects.append(finalWrites(of: &ended))
    }
    effects.append(.sendResult(result, number: ended.number))
    // What waits here then was never begun, and goes elsewhere.
    if loaded.count >= limits.bundlesMax { return effects.append(.retire) }
    claimNext(into: &effects)
  }

  private mutating func finalWrites(of ended: inout RunningCall) -> Effect {
    let number = nextNumber()
    var writes = ended.takeWrites(as: number)
    writes.isFinal = true
    writes.readSequence = ended.readSequence
    writes.scheduler = ended.header.scheduler
    return .sendWrites(writes, number: number)
  }
}

extension RunningCall {
  init(_ dispatch: Dispatch, number: UInt64, at now: UInt64) throws(Failure) {
    do {
      header = try CallHeader(dispatch.header)
      if !header.session.isEmpty {
        let session = try SessionToken.decode(header.session)
        known = KnownVersions(of: session)
        clock = session.entries.map(\.version.stamp).max() ?? 0
      }
    } catch {
      throw Failure(.badRequest, "the dispatch's header or session cannot be read: \(error)")
    }
    guard (1...Limits.dagStagesMax).contains(dispatch.stages.count) else {
      throw Failure(.badRequest, "a dispatch of \(dispatch.stages.count) stages")
    }
    bundles = try dispatch.stages.enumerated().map(Self.checkedBundle)
    self.number = number
    stages = dispatch.stages
    accepts = dispatch.accepts
    let left = header.remaining.wholeNanoseconds
    deadline = left == 0 ? nil : now.addingReportingOverflow(left).partialValue
  }

  private static func checkedBundle(
    _ index: Int, _ stage: Stage
  ) throws(Failure) -> ContentDigest {
    guard let bundle = ContentDigest(stage.bundle) else {
      throw Failure(.badRequest, "\(stage.function) names no bundle")
    }
    guard stage.upstream.allSatisfy({ $0 < index }) else {
      throw Failure(.badRequest, "\(stage.function) is fed by a stage that does not precede it")
    }
    guard stage.arguments.count + stage.upstream.count <= Limits.argumentsMax else {
      throw Failure(.badArgument, "more than \(Limits.argumentsMax) arguments")
    }
    return bundle
  }
}
