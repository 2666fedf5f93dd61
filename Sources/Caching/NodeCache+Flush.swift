import ClusterModel
import Lattices
import WireProtocol

/// One request with writes for the owner.
struct Flush {
  let keys: [Key]
  /// Monotonic; then it is sent again.
  let deadline: UInt64
}

/// A key whose write was refused for now.
struct FlushPause {
  let key: Key
  /// Monotonic.
  let until: UInt64
}

/// Unacknowledged writes on their way to the owner: one a key at a time, the others gather behind it.
extension NodeCache {
  mutating func sendFlushes(_ now: Now, _ effects: inout [Effect]) {
    guard isConnected else { return }
    while flushes.count < limits.flushesMax, let (request, keys) = nextFlush() {
      let resends = keys.reduce(0) { max($0, entries[$1]?.resends ?? 0) }
      let limit = min(
        limits.flushTimeLimit * (1 << min(resends, 16)), limits.flushTimeLimitMax)
      let number = nextRequest()
      let deadline = now.monotonic &+ limit.wholeNanoseconds
      flushes[number] = Flush(keys: keys, deadline: deadline)
      effects.append(.request(request, number: number, deadline: deadline))
    }
  }

  /// As many keys from the front of the queue as share type and level and fit into a request.
  private mutating func nextFlush() -> (KeyRequest, [Key])? {
    var request = KeyRequest()
    var keys: [Key] = []
    var bytes = 0
    var looked = 0
    for key in flushQueue {
      guard let write = nextWrite(of: key) else {
        looked += 1
        continue
      }
      let type = write.isDelete ? KeyRequestType.delete : .put
      if keys.isEmpty {
        (request.type, request.level) = (type, write.level)
      } else if request.type != type || request.level != write.level
        || keys.count >= limits.requestKeysMax || bytes + write.byteCount > limits.requestBytesMax
      {
        break
      }
      looked += 1
      bytes += write.byteCount
      keys.append(key)
      entries[key]?.isOnTheWay = true
      request.tuples.append(Self.tuple(for: write, key))
    }
    flushQueue.removeFirst(looked)
    request.clock = clock.last
    return keys.isEmpty ? nil : (request, keys)
  }

  /// - Returns: nil when there is none, or one is on its way already.
  private mutating func nextWrite(of key: Key) -> LocalWrite? {
    guard var entry = entries[key], !entry.isOnTheWay, entry.isDirty else { return nil }
    if entry.sent == nil {
      entry.sent = entry.waiting.removeFirst()
      entries[key] = entry
    }
    return entry.sent
  }

  private static func tuple(for write: LocalWrite, _ key: Key) -> KeyTuple {
    var tuple = KeyTuple(key: key)
    if write.isDelete {
      tuple.version.stamp = write.record.stamp
    } else {
      tuple.record = write.record.encoded()
    }
    return tuple
  }

  /// Everything that had no answer is sent again, behind what has not been sent.
  mutating func requeueFlushes(where isDue: (Flush) -> Bool) {
    for number in flushes.keys.sorted() {
      guard let flush = flushes[number], isDue(flush) else { continue }
      flushes[number] = nil
      for key in flush.keys {
        entries[key]?.isOnTheWay = false
        entries[key]?.resends += 1
        flushQueue.append(key)
      }
    }
  }

  mutating func resendFlushes(_ now: Now) {
    requeueFlushes { $0.deadline <= now.monotonic }
    for pause in flushPauses where pause.until <= now.monotonic { flushQueue.append(pause.key) }
    flushPauses.removeAll { $0.until <= now.monotonic }
  }

  mutating func flushAnswered(
    _ flush: Flush, _ response: KeyResponse, _ now: Now, _ effects: inout [Effect]
  ) {
    for (index, key) in flush.keys.enumerated() {
      guard var entry = entries[key], entry.isOnTheWay, let write = entry.sent else { continue }
      entry.isOnTheWay = false
      entry.resends = 0
      let answer = index < response.tuples.count ? response.tuples[index] : nil
      let incomplete = Failure(.unavailable, "the answer to a write of \(key) is incomplete")
      let failure = response.failure ?? (answer == nil ? incomplete : answer?.failure)
      if let failure, failure.code.isRetryable {
        entries[key] = entry
        let until = now.monotonic &+ limits.flushRetryPause.wholeNanoseconds
        flushPauses.append(FlushPause(key: key, until: until))
      } else if let failure {
        undo(key, entry, failure, &effects)
      } else {
        acknowledged(key, entry, write, by: answer ?? KeyTuple(key: key), &effects)
      }
    }
  }

  /// - Parameter answer: the owner's, with its version after the write.
  private mutating func acknowledged(
    _ key: Key, _ held: Entry, _ write: LocalWrite, by answer: KeyTuple,
    _ effects: inout [Effect]
  ) {
    let version = answer.version
    var entry = held
    let before = entry.record
    if let own = entry.counter, own.wrote(write), version.generation > write.record.generation,
      !write.record.flags.contains(.blind)
    {
      // The counter was deleted before the owner had this: the increments since the last
      // acknowledgement begin a new one.
      recount(own, &entry, write, ownersGeneration: version.generation)
      store(entry, under: key, installing: true, &effects)
      flushQueue.append(key)
      return
    }
    entry.sent = nil
    for call in write.calls { barriers[call]?.note(key, version) }
    settle(write, &effects)
    let heldAll = !entry.isPartial && entry.record.version == answer.replaced
    switch write.record.lattice {
    case .set where !entry.isBlind && version.generation > entry.record.generation:
      startOver(&entry)
    case .lastWriterWins where version.stamp != write.record.stamp:
      // A later write won; its push is under way, or it comes with the next fetch.
      break
    case .counter:
      counted(write, &entry)
      adopt(version.generation, &entry)
    default: adopt(version.generation, &entry)
    }
    // Nothing but this write came between: what is here is the owner's state, at its version.
    if heldAll, entry.record.lattice == write.record.lattice,
      entry.record.generation == version.generation
    {
      entry.record.stamp = max(entry.record.stamp, version.stamp)
    }
    if entry.isDirty { flushQueue.append(key) }
    let isKept =
      (entry.isSubscribed || entry.record.lattice == .counter) && !lost(write, to: answer, entry)
    guard entry.isDirty || (isKept && entry.isInstalled && !entry.isForgotten) else {
      // Nobody would tell us of changes: the next reader fetches it and subscribes.
      entries[key] = entry
      drop(key, &effects)
      return
    }
    store(entry, under: key, installing: entry.record != before, &effects)
  }

  /// Whether the owner may hold another state than ours although no push tells of it: a put of the same
  /// stamp as somebody else's (or one that was sent twice), and a delete earlier than the owner's value.
  private func lost(_ write: LocalWrite, to answer: KeyTuple, _ entry: Entry) -> Bool {
    switch write.record.lattice {
    case .lastWriterWins: answer.replaced != .none
    case .none: answer.version != .none && answer.version.generation < entry.record.generation
    default: false
    }
  }

  private func adopt(_ generation: UInt64, _ entry: inout Entry) {
    guard entry.isBlind || entry.record.generation < generation else { return }
    entry.record.generation = generation
    entry.record.flags.remove(.blind)
    for index in entry.waiting.indices {
      entry.waiting[index].record.generation = generation
      if entry.waiting[index].record.lattice == .counter {
        entry.waiting[index].record.flags.remove(.blind)
      }
    }
  }

  /// The owner is in a later generation of a set: what waits is all we know of it.
  private mutating func startOver(_ entry: inout Entry) {
    let sequence = entry.record.writeSequence
    entry.record = Entry.unknown.record
    for write in entry.waiting { Self.take(write.record, into: &entry.record) }
    entry.record.writeSequence = sequence
  }

  private mutating func counted(_ write: LocalWrite, _ entry: inout Entry) {
    guard let own = entry.counter?.entry(in: write) else { return }
    entry.counter?.addedAtOwner = own.added
    entry.counter?.subtractedAtOwner = own.subtracted
    // Whether a blind write met a later delete is not known: counting on with its actor could bring
    // back what was deleted.
    if write.record.flags.contains(.blind), entry.waiting.isEmpty { closeCounter(of: &entry) }
  }

  private mutating func recount(
    _ old: OwnCounter, _ entry: inout Entry, _ write: LocalWrite, ownersGeneration: UInt64
  ) {
    closeCounter(of: &entry)
    var fresh = OwnCounter(actor: actor)
    fresh.added = old.added - old.addedAtOwner
    fresh.subtracted = old.subtracted - old.subtractedAtOwner
    entry.counter = fresh
    var again = write
    again.record.payload = fresh.payload
    again.record.flags = .blind
    again.record.generation = 0
    for later in entry.waiting where later.record.lattice == .counter {
      again.lastSequence = later.lastSequence
      again.level = max(again.level, later.level)
      again.record.stamp = later.record.stamp
      again.earlyCount += later.earlyCount
      again.calls += later.calls.filter { moveWait(of: $0, from: later, to: write) }
      sequences.settle(later.firstSequence)
    }
    entry.waiting.removeAll { $0.record.lattice == .counter }
    entry.sent = again
    if entry.record.generation != ownersGeneration || entry.isPartial {
      let sequence = entry.record.writeSequence
      entry.record = Entry.unknown.record
      entry.record.writeSequence = sequence
    }
    for write in entry.writes { Self.take(write.record, into: &entry.record) }
  }

  /// - Returns: whether the call was not waiting for `target` already.
  private mutating func moveWait(
    of call: CallID, from source: LocalWrite, to target: LocalWrite
  ) -> Bool {
    guard var barrier = barriers[call] else { return false }
    let isNew = !barrier.waitsFor.contains(target.firstSequence)
    barrier.waitsFor.removeAll { $0 == source.firstSequence }
    if isNew { barrier.waitsFor.append(target.firstSequence) }
    barriers[call] = barrier
    return isNew
  }

  /// The owner will never take a write: everything unacknowledged of the key goes, because it was
  /// built upon it, and the calls that made or read it fail.
  private mutating func undo(
    _ key: Key, _ entry: Entry, _ failure: Failure, _ effects: inout [Effect]
  ) {
    refusals += 1
    entries[key] = entry
    for write in entry.writes { refused(write, failure, &effects) }
    drop(key, &effects)
  }
}

extension OwnCounter {
  fileprivate func entry(in write: LocalWrite) -> Counter.Entry? {
    guard write.record.lattice == .counter else { return nil }
    return (try? Counter(serialized: write.record.payload))?.entries.first { $0.actor == actor }
  }

  fileprivate func wrote(_ write: LocalWrite) -> Bool { entry(in: write) != nil }
}

extension Entry {
  /// Nothing is left that says anything about the key.
  fileprivate var isForgotten: Bool {
    isPartial && (record.isTombstone || record.lattice == .set)
  }
}
