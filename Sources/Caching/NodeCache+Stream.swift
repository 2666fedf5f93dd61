import ClusterModel
import WireProtocol

/// A comparison of cached keys with the owner's state, under way.
struct Verification {
  let keys: [Key]
  /// Monotonic.
  let deadline: UInt64
}

/// The owner's stream of updates, and what is done when a part of it may be lost: everything cached
/// stays readable, and is compared with the owner's state in the background.
extension NodeCache {
  mutating func ownerConnected(
    _ ownersClock: UInt64, _ now: Now, _ effects: inout [Effect]
  ) {
    if ownersClock != 0 { _ = clock.observe(ownersClock, origin: .native, now: now.wall) }
    isConnected = true
    hasMetOwner = true
    lastPush = 0
    verifications = [:]
    verifyAfter = nil
    requeueFlushes { _ in true }
    resendAllFetches(now, &effects)
    distrustAll()
  }

  mutating func resynchronise(upTo number: UInt64) {
    lastPush = number
    distrustAll()
  }

  private mutating func distrustAll() {
    verifyQueue = []
    for key in sweep.ring where entries[key]?.isSubscribed == true {
      entries[key]?.isUnverified = true
      verifyQueue.append(key)
    }
  }

  mutating func take(
    push: KeyResponse, _ number: UInt64, _ now: Now, _ effects: inout [Effect]
  ) {
    defer { effects.append(.acknowledgeStream(number: lastPush)) }
    guard number > lastPush else { return }
    if number > lastPush + 1 { resynchronise(upTo: number) }
    lastPush = number
    if push.clock != 0 { _ = clock.observe(push.clock, origin: .native, now: now.wall) }
    for tuple in push.tuples {
      guard entries[tuple.key]?.isSubscribed == true else {
        // Evicted, and perhaps written since; the owner may not have heard of it. To take this as the
        // whole state of a key that nobody verifies would keep it for ever. A fetch under way
        // subscribes anew.
        if fetches[tuple.key] == nil { effects.append(.unsubscribe(tuple.key.compacted)) }
        continue
      }
      if case .success(let owners) = Self.ownersState(tuple, push) {
        absorb(owners, tuple.key.compacted, isAnswer: false, &effects)
      }
    }
  }

  /// A few requests at a time: one alone would take a round trip for every 128 keys, all at once would
  /// flood the owner.
  mutating func verifyNext(_ now: Now, _ effects: inout [Effect]) {
    while isConnected, verifyAfter == nil, verifications.count < limits.verificationsMax,
      !verifyQueue.isEmpty
    {
      let keys = nextToVerify()
      guard !keys.isEmpty else { return }
      let number = nextRequest()
      verifications[number] = Verification(
        keys: keys, deadline: now.monotonic &+ limits.flushTimeLimitMax.wholeNanoseconds)
      effects.append(.request(get(keys), number: number))
    }
  }

  private mutating func nextToVerify() -> [Key] {
    var keys: [Key] = []
    var bytes = 0
    var looked = 0
    for key in verifyQueue {
      if let entry = entries[key], entry.isUnverified {
        let isFull =
          keys.count >= limits.requestKeysMax
          || bytes + entry.cost > limits.requestBytesMax
        if !keys.isEmpty && isFull { break }
        keys.append(key)
        bytes += entry.cost
      }
      looked += 1
    }
    verifyQueue.removeFirst(looked)
    return keys
  }

  mutating func verified(
    _ keys: [Key], _ response: KeyResponse, _ now: Now, _ effects: inout [Effect]
  ) {
    var again: [Key] = []
    for (index, key) in keys.enumerated() {
      guard entries[key] != nil else {
        effects.append(.unsubscribe(key))
        continue
      }
      let tuple = index < response.tuples.count ? response.tuples[index] : nil
      switch Self.ownersState(tuple, response) {
      case .success(let owners): absorb(owners, key, isAnswer: true, &effects)
      case .failure(let failure):
        if failure.code.isRetryable || entries[key]?.isDirty == true {
          again.append(key)
        } else {
          drop(key, &effects)
        }
      }
    }
    guard !again.isEmpty else { return }
    verifyQueue += again
    verifyAfter = now.monotonic &+ limits.flushRetryPause.wholeNanoseconds
  }

  mutating func giveUpVerifications(_ now: Now) {
    if let after = verifyAfter, after <= now.monotonic { verifyAfter = nil }
    for number in verifications.keys.sorted() {
      guard let overdue = verifications[number], overdue.deadline <= now.monotonic else { continue }
      verifyQueue += overdue.keys
      verifications[number] = nil
    }
  }

  /// Cached keys that may be behind their owner by more than its push period: all that it pushes while
  /// it is silent, and those not yet compared since a part of its stream was lost. They are served.
  package func unverifiedKeys(at now: Now) -> Int {
    let isSilent = now.monotonic > heardAt &+ limits.silenceMax.wholeNanoseconds
    return entries.values.count { $0.isUnverified || (isSilent && $0.isSubscribed) }
  }
}
