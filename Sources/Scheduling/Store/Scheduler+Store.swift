import ClusterModel
import WireProtocol

extension Scheduler {
  /// Sends a request now and until it is answered.
  @discardableResult
  mutating func send(
    _ request: KeyRequest, for purpose: StoreRequests.Purpose, at now: Moment,
    into effects: inout [Effect]
  ) -> UInt64 {
    var request = request
    request.clock = clock.last
    let number = stores.add(request, for: purpose, resendAt: resendTime(after: now))
    effects.append(.store(request, number: number))
    return number
  }

  mutating func stamp(at now: Moment) -> UInt64 { clock.tick(now: now.wallMilliseconds) }

  private func resendTime(after now: Moment) -> UInt64 {
    now.nanoseconds.addingSaturating(limits.storeResendInterval.wholeNanoseconds)
  }

  mutating func connectStore(at now: Moment, into effects: inout [Effect]) {
    if startUp.step == .waitingForStore {
      loadIndex(at: now, into: &effects)
    } else {
      if startUp.step == .listingIntents { listIntents(at: now, into: &effects) }
      // What was under way on the old connection may be lost.
      for (number, request) in stores.all() {
        effects.append(.store(request, number: number))
      }
    }
  }

  mutating func resendDue(at now: Moment, into effects: inout [Effect]) {
    let next = resendTime(after: now)
    while let due = stores.takeDue(at: now.nanoseconds, resendAt: next) {
      effects.append(.store(due.request, number: due.number))
    }
  }

  mutating func takeStored(
    _ response: KeyResponse, number: UInt64, at now: Moment, into effects: inout [Effect]
  ) {
    guard let entry = stores.remove(number) else { return }
    _ = clock.observe(response.clock, origin: .native, now: now.wallMilliseconds)
    if let failure = response.firstFailure, isTried(again: failure, for: entry.purpose) {
      stores.putBack(entry, number: number, resendAt: resendTime(after: now))
      return
    }
    switch entry.purpose {
    case .intent(let index): takeIntent(response, of: index, at: now, into: &effects)
    case .reference(let index): takeReference(response, of: index, at: now, into: &effects)
    case .result(let index): takeStoredResult(response, of: index, at: now, into: &effects)
    case .future(let index): takeStoredFuture(response, of: index, at: now, into: &effects)
    case .cleanUp: break
    case .startUp: takeStartUp(response, at: now, into: &effects)
    case .intentPage: takeIntentPage(response, at: now, into: &effects)
    case .registryChange: takeChange(response, at: now, into: &effects)
    case .uploadBegin(let key): takeBegin(response, of: key, at: now, into: &effects)
    case .uploadChunk(let key, let chunk, let byteCount):
      takeChunk(response, chunk, byteCount: byteCount, of: key, into: &effects)
    }
  }

  /// Where nobody could be told, or could do better, the request stays until it succeeds.
  private func isTried(again failure: Failure, for purpose: StoreRequests.Purpose) -> Bool {
    switch purpose {
    case .startUp, .intentPage: true
    case .cleanUp, .future: failure.code.isRetryable || failure.code == .storageFailed
    case .reference, .result, .registryChange: failure.code.isRetryable
    case .intent, .uploadBegin, .uploadChunk: false
    }
  }
}
