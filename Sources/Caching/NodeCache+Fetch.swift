import ClusterModel
import StoreAccess
import WireProtocol

/// An executor that waits for a key.
struct Waiter {
  let peer: PeerID
  let number: UInt64
  let minimum: Version
}

/// One GET of a key at its owner, for everybody who waits for the key.
struct Fetch {
  /// Zero while none is under way.
  var number: UInt64 = 0
  var waiters: [Waiter]
  /// Monotonic; then it has failed.
  let deadline: UInt64
  /// Monotonic; then it is sent, for the first time or again.
  var sendAt: UInt64 = 0
  var staleAnswers = 0
  var lastFailure: Failure?
}

/// Keys that executors miss. Every GET subscribes, also to a key that is absent: it is kept as a
/// tombstone, and a push tells of its creation.
extension NodeCache {
  mutating func take(
    _ fetch: CacheFetch, _ waiter: Waiter, _ now: Now, _ effects: inout [Effect]
  ) {
    func answer(_ outcome: FetchOutcome) {
      effects.append(.fetched(fetch.key, outcome, number: waiter.number, to: waiter.peer))
    }
    guard Key(checking: fetch.key.bytes) != nil else {
      return answer(
        .failed(
          Failure(
            .keyInvalid,
            "a key is 1 to \(Limits.keyBytesMax) bytes of UTF-8, not \(fetch.key.bytes.count)")))
    }
    if let entry = entries[fetch.key], !entry.isPartial, entry.record.version >= waiter.minimum,
      !entry.record.isExpired(at: now.wall)
    {
      return answer(Self.outcome(of: entry, now))
    }
    if let underWay = fetches[fetch.key] {
      guard underWay.waiters.count < limits.waitersPerKeyMax else {
        return answer(
          .failed(Failure(.overloaded, "\(underWay.waiters.count) requests wait for \(fetch.key)")))
      }
      fetches[fetch.key]?.waiters.append(waiter)
      return
    }
    let key = fetch.key.compacted
    let deadline = now.monotonic &+ limits.fetchTimeLimit.wholeNanoseconds
    fetches[key] = Fetch(waiters: [waiter], deadline: deadline)
    send(key, now, &effects)
  }

  private static func outcome(of entry: Entry, _ now: Now) -> FetchOutcome {
    if entry.record.isTombstone || entry.record.isExpired(at: now.wall) { return .absent }
    return entry.holdsPayload ? .record(entry.record) : .resident
  }

  private mutating func send(_ key: Key, _ now: Now, _ effects: inout [Effect]) {
    guard isConnected, var fetch = fetches[key] else { return }
    fetchNumbers[fetch.number] = nil
    fetch.number = nextRequest()
    fetch.sendAt = now.monotonic &+ limits.fetchResendPause.wholeNanoseconds
    fetches[key] = fetch
    fetchNumbers[fetch.number] = key
    effects.append(.request(get([key]), number: fetch.number, deadline: fetch.sendAt))
  }

  func get(_ keys: [Key]) -> KeyRequest {
    var request = KeyRequest()
    request.subscribe = true
    request.clock = clock.last
    request.tuples = keys.map { KeyTuple(key: $0) }
    return request
  }

  /// What the owner says of a key: its record, a tombstone for an absent one, or why it cannot say.
  static func ownersState(_ tuple: KeyTuple?, _ response: KeyResponse) -> Result<Record, Failure> {
    if let failure = response.failure { return .failure(failure) }
    guard let tuple else {
      return .failure(Failure(.unavailable, "the owner's answer is incomplete"))
    }
    if let failure = tuple.failure {
      guard failure.code == .keyNotFound else { return .failure(failure) }
      return .success(.tombstone(tuple.version))
    }
    guard let record = try? Record(tuple.record), record.isWellFormed else {
      return .failure(Failure(.internalError, "the owner's record of \(tuple.key) is malformed"))
    }
    return .success(record)
  }

  mutating func fetchAnswered(
    _ key: Key, _ response: KeyResponse, _ owner: Route?, _ now: Now,
    _ effects: inout [Effect]
  ) {
    guard var fetch = fetches[key] else { return }
    fetch.number = 0
    fetch.sendAt = now.monotonic &+ limits.fetchRetryPause.wholeNanoseconds
    switch Self.ownersState(response.tuples.first, response) {
    case .failure(let failure) where failure.code.isRetryable:
      fetch.lastFailure = failure
      fetches[key] = fetch
    case .failure(let failure):
      fetches[key] = fetch
      end(key, failure, &effects)
    case .success(let owners):
      let entry = absorb(owners, key, from: owner, isAnswer: true, &effects)
      let outcome = Self.outcome(of: entry, now)
      let isAbsent = owners.isTombstone && outcome == .absent
      let served = fetch.waiters.filter { isAbsent || entry.record.version >= $0.minimum }
      for waiter in served {
        effects.append(.fetched(key, outcome, number: waiter.number, to: waiter.peer))
      }
      fetch.waiters.removeAll { isAbsent || entry.record.version >= $0.minimum }
      fetch.staleAnswers += 1
      fetches[key] = fetch.waiters.isEmpty ? nil : fetch
      if !fetch.waiters.isEmpty, fetch.staleAnswers > limits.staleAnswersMax {
        end(key, Self.tooOld(key), &effects)
      }
    }
  }

  private static func tooOld(_ key: Key) -> Failure {
    Failure(
      .unavailable, "the store does not have the version of \(key) that this session has seen",
      hint: "it may have lost writes that were only accepted; write them durably")
  }

  private mutating func end(_ key: Key, _ failure: Failure, _ effects: inout [Effect]) {
    guard let fetch = fetches.removeValue(forKey: key) else { return }
    fetchNumbers[fetch.number] = nil
    for waiter in fetch.waiters {
      effects.append(.fetched(key, .failed(failure), number: waiter.number, to: waiter.peer))
    }
  }

  mutating func resendFetches(_ now: Now, _ effects: inout [Effect]) {
    for key in fetches.keys.sorted() {
      guard let fetch = fetches[key] else { continue }
      if fetch.waiters.isEmpty || fetch.deadline <= now.monotonic {
        let failure = Failure(
          .unavailable, "the store did not answer for \(key) within \(limits.fetchTimeLimit)")
        end(key, fetch.lastFailure ?? failure, &effects)
      } else if fetch.sendAt <= now.monotonic {
        send(key, now, &effects)
      }
    }
  }

  mutating func resendAllFetches(_ now: Now, _ effects: inout [Effect]) {
    for key in fetches.keys.sorted() { send(key, now, &effects) }
  }
}
