package import ClusterModel
package import StoreAccess
import WireProtocol

/// A comparison of cached keys with the owner's state, under way.
struct Verification {
  let keys: [Key]
  /// Monotonic.
  let deadline: UInt64
}

/// One owner's stream of updates, in its present connection.
struct Stream {
  var lastPush: UInt64 = 0
  /// Monotonic; when the owner was last heard of.
  var heardAt: UInt64
}

/// The owners' streams of updates, and what is done when a part of one may be lost: what it tells of
/// stays readable, and is compared with the owner's state in the background.
extension NodeCache {
  mutating func ownerConnected(
    _ owner: Route, _ ownersClock: UInt64, _ now: Now, _ effects: inout [Effect]
  ) {
    if ownersClock != 0 { _ = clock.observe(ownersClock, origin: .native, now: now.wall) }
    let isFirst = streams.keys.allSatisfy { $0 == owner }
    streams[owner] = Stream(heardAt: now.monotonic)
    hasMetOwner = true
    distrust { isFirst || $0 == owner }
    guard isFirst else { return }
    // What was on its way when the last of them was lost.
    for verification in verifications.values { verifyQueue += verification.keys }
    verifications = [:]
    verifyAfter = nil
    requeueFlushes { _ in true }
    resendAllFetches(now, &effects)
  }

  /// What it told of is compared with what others know.
  mutating func ownerLost(_ owner: Route) {
    // Where nobody is left to ask, what is cached stays as it is until somebody is.
    guard streams.removeValue(forKey: owner) != nil, isConnected else { return }
    distrust { $0 == owner }
  }

  /// Whoever is asked next pushes; the one before is told to stop, should it still be there.
  mutating func ownersChanged(_ keys: [Key], _ effects: inout [Effect]) {
    for key in keys {
      guard let owner = entries[key]?.owner else { continue }
      if streams[owner] != nil { effects.append(.unsubscribe(key, at: owner)) }
      guard entries[key]?.isUnverified == false else { continue }
      entries[key]?.isUnverified = true
      verifyQueue.append(key)
    }
  }

  /// Who is to tell of changes of the cached keys.
  package func forEachSubscription(_ body: (Key, Route) -> Void) {
    for (key, entry) in entries {
      if let owner = entry.owner { body(key, owner) }
    }
  }

  mutating func resynchronise(_ owner: Route, upTo number: UInt64) {
    streams[owner]?.lastPush = number
    distrust { $0 == owner }
  }

  private mutating func distrust(_ isDoubtful: (Route) -> Bool) {
    verifyQueue.removeAll { entries[$0]?.owner.map(isDoubtful) ?? true }
    for key in sweep.ring {
      guard let owner = entries[key]?.owner, isDoubtful(owner) else { continue }
      entries[key]?.isUnverified = true
      verifyQueue.append(key)
    }
  }

  mutating func take(
    push: KeyResponse, _ number: UInt64, _ owner: Route, _ now: Now, _ effects: inout [Effect]
  ) {
    guard let last = streams[owner]?.lastPush else { return }
    defer { effects.append(.acknowledgeStream(number: max(last, number), of: owner)) }
    guard number > last else { return }
    if number > last + 1 { resynchronise(owner, upTo: number) }
    streams[owner]?.lastPush = number
    if push.clock != 0 { _ = clock.observe(push.clock, origin: .native, now: now.wall) }
    for tuple in push.tuples {
      guard entries[tuple.key]?.owner == owner else {
        // Evicted, and perhaps written since; the owner may not have heard of it. To take this as the
        // whole state of a key that nobody verifies would keep it for ever. A fetch under way
        // subscribes anew.
        if fetches[tuple.key] == nil {
          effects.append(.unsubscribe(tuple.key.compacted, at: owner))
        }
        continue
      }
      if case .success(let owners) = Self.ownersState(tuple, push) {
        absorb(owners, tuple.key.compacted, from: owner, isAnswer: false, &effects)
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
      let deadline = now.monotonic &+ limits.flushTimeLimitMax.wholeNanoseconds
      verifications[number] = Verification(keys: keys, deadline: deadline)
      effects.append(.request(get(keys), number: number, deadline: deadline))
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
    _ keys: [Key], _ response: KeyResponse, _ owners: Servers, _ now: Now,
    _ effects: inout [Effect]
  ) {
    var again: [Key] = []
    for (index, key) in keys.enumerated() {
      guard entries[key] != nil else {
        if let owner = owners[index] { effects.append(.unsubscribe(key, at: owner)) }
        continue
      }
      let tuple = index < response.tuples.count ? response.tuples[index] : nil
      switch Self.ownersState(tuple, response) {
      case .success(let state): absorb(state, key, from: owners[index], isAnswer: true, &effects)
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

  /// Cached keys that may be behind their owner by more than its push period: all that one pushes while
  /// it is silent, and those not yet compared since a part of its stream was lost. They are served.
  package func unverifiedKeys(at now: Now) -> Int {
    let silence = limits.silenceMax.wholeNanoseconds
    return entries.values.count { entry in
      guard !entry.isUnverified, let owner = entry.owner else { return entry.isUnverified }
      return now.monotonic > (streams[owner]?.heardAt ?? 0) &+ silence
    }
  }
}
