import ClusterModel
import WireProtocol

/// What a call's result waits for. Open once the call has returned, all its writes are acknowledged, and
/// everything up to what it read.
struct Barrier {
  struct Final {
    let scheduler: Incarnation
    let readSequence: UInt64
  }

  let peer: PeerID
  /// First sequences of the writes it waits for.
  var waitsFor: [UInt64] = []
  var failure: Failure?
  /// Nil while the call runs.
  var final: Final?
  /// What its writes became at their owners; the latest keys, as many as a session holds.
  var written = SessionToken()

  mutating func note(_ key: Key, _ version: Version) { written.note(key, version) }
}

/// A returned call that read what was not acknowledged then.
struct ReadWaiter {
  let sequence: UInt64
  let call: CallID
}

extension NodeCache {
  mutating func finish(
    _ call: CallID, _ writes: CacheWrites, of peer: PeerID, _ effects: inout [Effect]
  ) {
    var barrier = barriers[call] ?? Barrier(peer: peer)
    guard barrier.final == nil else { return }
    guard writes.level ?? defaultLevel > .cached else {
      barriers[call] = nil
      return release(call, barrier, to: writes.scheduler, &effects)
    }
    barrier.final = .init(scheduler: writes.scheduler, readSequence: writes.readSequence)
    if refusedRanges.contains(where: { $0.contains(writes.readSequence) }) {
      barrier.failure = barrier.failure ?? Self.readRefusedWrite
    }
    barriers[call] = barrier
    if writes.readSequence > sequences.settled {
      let place =
        readWaiters.lastIndex { $0.sequence <= writes.readSequence }.map { $0 + 1 } ?? 0
      readWaiters.insert(ReadWaiter(sequence: writes.readSequence, call: call), at: place)
    }
    releaseIfOpen(call, &effects)
  }

  private static let readRefusedWrite = Failure(
    .conflict, "the call read a write of another call that the store refused",
    hint: "call again")

  mutating func fail(_ call: CallID, of peer: PeerID, _ failure: Failure) {
    var barrier = barriers[call] ?? Barrier(peer: peer)
    barrier.failure = barrier.failure ?? failure
    barriers[call] = barrier
  }

  private mutating func failIfWaiting(_ call: CallID, _ failure: Failure) {
    if let barrier = barriers[call], barrier.failure == nil { barriers[call]?.failure = failure }
  }

  private mutating func releaseIfOpen(_ call: CallID, _ effects: inout [Effect]) {
    guard let barrier = barriers[call], let final = barrier.final else { return }
    let isOpen = barrier.waitsFor.isEmpty && final.readSequence <= sequences.settled
    guard isOpen || barrier.failure != nil else { return }
    barriers[call] = nil
    release(call, barrier, to: final.scheduler, &effects)
  }

  private func release(
    _ call: CallID, _ barrier: Barrier, to scheduler: Incarnation, _ effects: inout [Effect]
  ) {
    var entry = Released.Entry()
    entry.invocation = call.invocation
    entry.attempt = call.attempt
    entry.failure = barrier.failure
    if !barrier.written.entries.isEmpty { entry.session = barrier.written.encoded() }
    effects.append(.release(entry, scheduler: scheduler))
  }

  mutating func settle(_ write: LocalWrite, _ effects: inout [Effect]) {
    sequences.settle(write.firstSequence)
    for call in write.calls {
      barriers[call]?.waitsFor.removeAll { $0 == write.firstSequence }
      releaseIfOpen(call, &effects)
    }
  }

  /// Settles a write that is undone: its calls fail, and so do those that wait because they may have
  /// read it.
  ///
  /// A call says only the highest sequence it read. One that still runs fails at its end if that is
  /// the refused write's; one that has read something later as well is not recognised.
  mutating func refused(_ write: LocalWrite, _ failure: Failure, _ effects: inout [Effect]) {
    sequences.settle(write.firstSequence)
    refusedRanges.append(write.firstSequence...write.lastSequence)
    if refusedRanges.count > limits.refusalsKeptMax { refusedRanges.removeFirst() }
    for call in write.calls {
      failIfWaiting(call, failure)
      releaseIfOpen(call, &effects)
    }
    for waiter in readWaiters where waiter.sequence >= write.firstSequence {
      failIfWaiting(waiter.call, Self.readRefusedWrite)
      releaseIfOpen(waiter.call, &effects)
    }
  }

  /// Tells readers how far the owner has everything, and releases who waited for it.
  mutating func publish(_ effects: inout [Effect]) {
    let settled = sequences.settled
    guard settled > published else { return }
    published = settled
    effects.append(.publish(acknowledgedSequence: settled))
    let open = readWaiters.prefix { $0.sequence <= settled }
    readWaiters.removeFirst(open.count)
    for waiter in open { releaseIfOpen(waiter.call, &effects) }
  }

  /// A reaped executor: what it wrote stays and is flushed; its call ends elsewhere.
  mutating func forget(_ peer: PeerID) {
    appliedNumbers[peer] = nil
    waitingWrites.removeAll { $0.peer == peer }
    for key in fetches.keys.sorted() { fetches[key]?.waiters.removeAll { $0.peer == peer } }
    barriers = barriers.filter { $0.value.peer != peer || $0.value.final != nil }
  }
}
