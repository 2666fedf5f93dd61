import ClusterModel
import Execution
import ExecutorSlots
import Platform
import PluginHost
import SharedCache
import WireProtocol

extension ExecutorLoop {
  /// Steps the core and does what it asks for, until it asks for nothing that is answered at once.
  func feed(_ first: Executor.Input) throws {
    var input = first
    var waiting: [Executor.Input] = []
    // A step within this one's effects makes room of its own.
    var effects: [Executor.Effect] = []
    swap(&effects, &effectsRoom)
    defer { swap(&effects, &effectsRoom) }
    while true {
      core.step(input, at: readings, into: &effects)
      for effect in effects {
        if let answer = try perform(effect) { waiting.append(answer) }
      }
      effects.removeAll(keepingCapacity: true)
      if waiting.isEmpty { return }
      input = waiting.removeFirst()
    }
  }

  /// - Returns: the input that answers the effect, where that is known at once.
  private func perform(_ effect: Executor.Effect) throws -> Executor.Input? {
    switch effect {
    case .refuse(let failure, let number): try refuse(failure, number)
    case .claim(let claim): return .claimed(try begin(claim))
    case .giveBack(let number):
      let recall = Recall(executor: configuration.identity, upTo: number, started: number - 1)
      _ = try scheduler?.send(recall.framed(.recalled))
    case .requestBundle(let digest):
      var request = BundleRequest()
      request.digest = digest.bytes
      // Not taken: the core asks again after its interval. So it is with fetches.
      _ = try supervisor.send(request.framed(.bundleRequest))
    case .load(let digest, let path): return .bundleLoaded(digest, load(digest, path))
    case .run(let run):
      showStage(run)
      nextRun = run
    case .lookUp(let key, let read): return .lookedUp(lookUp(key, read: read), read: read)
    case .fetch(let fetch, let number):
      _ = try cache.send(fetch.framed(.cacheFetch, number: number))
    case .answer(let answer, let token): answers.append((token, answer))
    case .writeRefused(let refusal): writeRefusal = refusal
    case .sendWrites(let writes, let number):
      guard try !cache.send(writes.framed(.cacheWrites, number: number)) else { break }
      let failure = Failure(.unavailable, "the node's cache does not take writes")
      return .cacheRefused(failure, number: number)
    case .sendResult(let result, let number):
      if number == begun {
        mapped.removeAll()
        slot.showIdle()
      }
      try send(result: result.framed(.result, number: number))
      if memory.isSpent(now: MonotonicClock.now) { ending = ending ?? .retired }
    case .retire: ending = .retired
    }
    return nil
  }

  private var slot: ExecutorSlot { slots[Int(configuration.identity.number)] }

  private func begin(_ claim: Executor.Claim) throws -> Bool {
    guard ending == nil, slot.begin(claim.number) else { return false }
    begun = claim.number
    shown.invocation = claim.invocation
    shown.attempt = UInt32(claim.attempt)
    shown.function = claim.function
    shown.bundle = claim.bundle.prefix
    shown.since = MonotonicClock.now
    shown.deadline = claim.deadline
    slot.show(shown)
    if slots.claimWakeUp() {
      _ = try supervisor.send(Empty().framed(.executorBusy))
    }
    return true
  }

  /// The further functions of a DAG.
  private func showStage(_ run: StageRun) {
    let bundle = run.bundle.prefix
    guard run.function != shown.function || bundle != shown.bundle else { return }
    shown.function = run.function
    shown.bundle = bundle
    slot.show(shown)
  }

  private func load(_ digest: ContentDigest, _ path: String) -> Failure? {
    do {
      bundles[digest] = try LoadedBundle(loading: path)
      return nil
    } catch {
      return error.failure
    }
  }

  private func lookUp(_ key: Key, read: UInt64) -> Lookup {
    // A cache that cannot be read is not the end: the agent answers, too.
    guard let found = try? reader?.read(key) else { return .absent }
    guard let large = found.large else { return .record(found.record) }
    guard found.record.lattice == .lastWriterWins else {
      var record = found.record
      record.payload = Array(large.bytes)[...]
      return .record(record)
    }
    if let body { body.mapped[read] = large } else { mapped[read] = large }
    return .mapped(found.record)
  }
}
