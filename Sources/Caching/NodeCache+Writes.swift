import ClusterModel
import Lattices
import WireProtocol

/// A frame of writes that waits until the owner has acknowledged some of those before.
struct WaitingWrites {
  let writes: CacheWrites
  let number: UInt64
  let peer: PeerID
  /// Monotonic.
  let deadline: UInt64
}

/// Writes of executors: stamped, merged into what executors read, and queued for the owner.
extension NodeCache {
  mutating func take(
    _ writes: CacheWrites, _ number: UInt64, _ peer: PeerID, _ now: Now, _ effects: inout [Effect]
  ) {
    if let last = appliedNumbers[peer], number <= last {
      effects.append(.applied(number: number, to: peer))
      return
    }
    let queued = waitingWrites.lazy.filter { $0.peer == peer }
    if queued.contains(where: { $0.number == number }) { return }
    let hasRoom = hasMetOwner && waitingWrites.isEmpty && dirtyBytes < limits.dirtyBytesMax
    if hasRoom || (writes.writes.isEmpty && queued.isEmpty) {
      apply(writes, number, peer, now, &effects)
    } else if waitingWrites.count < limits.waitingWritesMax {
      let deadline = now.monotonic &+ limits.writesWaitMax.wholeNanoseconds
      waitingWrites.append(
        WaitingWrites(writes: writes, number: number, peer: peer, deadline: deadline))
    } else {
      refuse(writes, number, peer, &effects)
    }
  }

  mutating func applyWaitingWrites(_ now: Now, _ effects: inout [Effect]) {
    while let first = waitingWrites.first, hasMetOwner, dirtyBytes < limits.dirtyBytesMax {
      waitingWrites.removeFirst()
      apply(first.writes, first.number, first.peer, now, &effects)
    }
  }

  mutating func refuseOverdueWrites(_ now: Now, _ effects: inout [Effect]) {
    while let first = waitingWrites.first, first.deadline <= now.monotonic {
      waitingWrites.removeFirst()
      refuse(first.writes, first.number, first.peer, &effects)
    }
  }

  private mutating func refuse(
    _ writes: CacheWrites, _ number: UInt64, _ peer: PeerID, _ effects: inout [Effect]
  ) {
    var failure = Failure(.unavailable, "this node has not reached the store since its start")
    if hasMetOwner {
      failure = Failure(
        .overloaded, "\(dirtyBytes) bytes of writes wait for the store, the limit of this node",
        hint: "write less at a time, or wait until the store has caught up")
    }
    failure.retryAfter = limits.writesWaitMax
    appliedNumbers[peer] = number
    let call = CallID(invocation: writes.invocation, attempt: writes.attempt)
    fail(call, of: peer, failure)
    effects.append(.refuseWrites(failure, number: number, to: peer))
    if writes.isFinal { finish(call, writes, of: peer, &effects) }
  }

  private mutating func apply(
    _ writes: CacheWrites, _ number: UInt64, _ peer: PeerID, _ now: Now, _ effects: inout [Effect]
  ) {
    appliedNumbers[peer] = number
    if writes.clock != 0 { _ = clock.observe(writes.clock, origin: .native, now: now.wall) }
    let call = CallID(invocation: writes.invocation, attempt: writes.attempt)
    let level = writes.level ?? defaultLevel
    if level > .cached, !writes.writes.isEmpty, barriers[call] == nil {
      barriers[call] = Barrier(peer: peer)
    }
    for write in writes.writes {
      do throws(Failure) {
        try apply(write, of: call, at: level, now, &effects)
      } catch {
        fail(call, of: peer, error)
      }
    }
    if writes.isFinal { finish(call, writes, of: peer, &effects) }
    effects.append(.applied(number: number, to: peer))
  }

  private mutating func apply(
    _ write: CacheWrite, of call: CallID, at level: WriteLevel, _ now: Now,
    _ effects: inout [Effect]
  ) throws(Failure) {
    try check(write, now)
    let key = write.key.compacted
    var entry = entries[key] ?? .unknown
    bury(&entry, now)
    // Above what it replaces, whatever the clocks say: a call's own writes are in order.
    let stamp = max(clock.tick(now: now.wall), entry.record.stamp.saturatingSum(1))
    let record = try record(of: write, &entry, stamp: stamp, now)
    guard Self.take(record, into: &entry.record) else {
      throw Failure(
        .lattice, "\(key) holds a \(entry.record.lattice) and cannot take a \(record.lattice)",
        hint: "delete the key first, or use another one")
    }
    // What is added after a delete begins at zero.
    if record.lattice == .none { closeCounter(of: &entry) }
    entry.holdsPayload = true
    let sequence = sequences.next()
    entry.record.writeSequence = sequence
    let wasDirty = entry.isDirty
    var local = LocalWrite(
      record: record, firstSequence: sequence, lastSequence: sequence,
      level: max(level, .accepted), calls: [])
    if level == .cached {
      local.earlyCount = 1
      earlyWritesEver += 1
    }
    enqueue(local, of: call, &entry)
    if !wasDirty { flushQueue.append(key) }
    store(entry, under: key, installing: true, &effects)
  }

  private func check(_ write: CacheWrite, _ now: Now) throws(Failure) {
    guard Key(checking: write.key.bytes) != nil else {
      throw Failure(
        .keyInvalid,
        "a key is 1 to \(Limits.keyBytesMax) bytes of UTF-8, not \(write.key.bytes.count) bytes")
    }
    guard !write.key.isReserved else {
      throw Failure(.keyReserved, "\(write.key) belongs to the platform")
    }
    guard write.value.count <= Limits.valueBytesMax else {
      throw Failure(
        .valueTooLarge, "the value of \(write.key) is above \(Limits.valueBytesMax) bytes")
    }
    let lead = clock.lead(over: now.wall)
    guard lead <= Limits.clockDriftMax else {
      throw Failure(
        .clockSkew, "this node's wall clock is \(lead) behind stamps it gave out before")
    }
  }

  /// An expired record is deleted, for its next write as for its readers.
  private mutating func bury(_ entry: inout Entry, _ now: Now) {
    guard var tombstone = entry.record.buried(at: now.wall) else { return }
    tombstone.writeSequence = entry.record.writeSequence
    tombstone.flags.formUnion(entry.record.flags.intersection(.blind))
    entry.record = tombstone
    closeCounter(of: &entry)
  }

  /// What the owner is to take for a write.
  private func record(
    of write: CacheWrite, _ entry: inout Entry, stamp: UInt64, _ now: Now
  ) throws(Failure) -> Record {
    let generation = entry.record.generation
    var record: Record
    switch write.kind {
    case .put:
      record = Record(
        lattice: .lastWriterWins, encoding: write.encoding,
        version: Version(generation: generation, stamp: stamp), payload: write.value.detached)
    case .delete: return .tombstone(Version(generation: generation, stamp: stamp))
    case .addToSet:
      guard let added = try? GrowSet(serialized: write.value) else {
        throw Failure(.badRequest, "what was added to \(write.key) is no set")
      }
      // Blind always: adding to a set that was deleted meanwhile adds to the new one.
      record = Record(
        lattice: .set, flags: .blind, version: Version(generation: generation, stamp: stamp),
        payload: added.serialized()[...])
    case .addToCounter:
      var counter = entry.counter ?? OwnCounter(actor: actor)
      counter.add(write.delta)
      // A conflict keeps the entry as it was: the caller throws the changed one away.
      entry.counter = counter
      record = Record(
        lattice: .counter, flags: entry.isBlind ? .blind : [],
        version: Version(generation: generation, stamp: stamp), payload: counter.payload)
    }
    if write.timeToLive > 0 { record.expiry = now.wall.saturatingSum(write.timeToLive) }
    return record
  }

  /// Different for every epoch of every cache there ever is.
  var actor: UInt64 {
    var bytes: [UInt8] = []
    for number in [incarnation.number, actorEpoch] {
      withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }
    return StableHash.of(bytes[...])
  }

  mutating func closeCounter(of entry: inout Entry) {
    guard entry.counter != nil else { return }
    entry.counter = nil
    actorEpoch += 1
  }

  /// Adds a write to those that wait, as part of the last one where that is possible.
  private mutating func enqueue(_ write: LocalWrite, of call: CallID, _ entry: inout Entry) {
    if write.isDelete, !entry.waiting.isEmpty {
      // What waits is deleted with the rest; who waits for it waits for the delete.
      var delete = write
      delete.firstSequence = entry.waiting[0].firstSequence
      for skipped in entry.waiting { adopt(skipped, into: &delete) }
      entry.waiting = [delete]
    } else if let last = entry.waiting.last, last.record.lattice == write.record.lattice {
      entry.waiting[entry.waiting.count - 1] = Self.combined(last, write)
    } else {
      entry.waiting.append(write)
      sequences.open(write.firstSequence)
    }
    hold(call, for: &entry.waiting[entry.waiting.count - 1])
  }

  /// One write that stands for two, the later one of the same type.
  private static func combined(_ earlier: LocalWrite, _ later: LocalWrite) -> LocalWrite {
    var combined = later
    combined.firstSequence = earlier.firstSequence
    combined.level = max(earlier.level, later.level)
    combined.calls = earlier.calls
    combined.earlyCount += earlier.earlyCount
    if later.record.lattice == .set || later.record.lattice == .counter {
      var both = earlier.record
      both.generation = later.record.generation
      both.flags = later.record.flags
      _ = both.merge(later.record)
      combined.record = both
    }
    return combined
  }

  private mutating func adopt(_ skipped: LocalWrite, into delete: inout LocalWrite) {
    delete.level = max(delete.level, skipped.level)
    delete.earlyCount += skipped.earlyCount
    for call in skipped.calls {
      barriers[call]?.waitsFor.removeAll { $0 == skipped.firstSequence }
      hold(call, for: &delete)
    }
    if skipped.firstSequence != delete.firstSequence { sequences.settle(skipped.firstSequence) }
  }

  /// Makes a call wait for a write, once.
  private mutating func hold(_ call: CallID, for write: inout LocalWrite) {
    guard var barrier = barriers[call], !barrier.waitsFor.contains(write.firstSequence) else {
      return
    }
    barrier.waitsFor.append(write.firstSequence)
    barriers[call] = barrier
    write.calls.append(call)
  }
}
