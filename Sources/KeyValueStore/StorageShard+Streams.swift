import ClusterModel
import WireProtocol

/// What goes out to those who watch or are subscribed. Each update is the whole state, so that a
/// later one makes an earlier one that still waits unnecessary.
extension StorageShard {
  /// Tells everybody interested in an entry that changed, now or at the end of the period.
  ///
  /// - Parameter writer: a cache that holds exactly this state already, because it wrote it.
  mutating func announce(
    _ entry: Int, knownTo writer: PeerID?, at now: Now, into effects: inout [Effect]
  ) {
    let key = table[entry].key
    guard var list = interests[key] else { return }
    for index in list.indices where !list[index].isPending {
      let interest = list[index]
      if interest.kind == .subscription, interest.peer == writer { continue }
      let due = interest.sentAt == 0 ? 0 : interest.sentAt &+ period(of: interest.kind)
      if due <= now.monotonic, send(interest, entry, at: now, into: &effects) {
        list[index].sentAt = now.monotonic
      } else {
        list[index].isPending = true
        postpone(interest, key, until: max(due, now.monotonic))
      }
    }
    interests[key] = list
  }

  mutating func acknowledgeStream(
    upTo number: UInt64, from peer: PeerID, at now: Now, into effects: inout [Effect]
  ) {
    guard var held = peers[peer] else { return }
    held.acknowledged = max(held.acknowledged, min(number, held.pushed))
    let waitedForWindow = !held.pending.isEmpty && held.flushAt == nil
    peers[peer] = held
    if waitedForWindow { flush(peer, at: now, into: &effects) }
  }

  mutating func flushDue(at now: Now, into effects: inout [Effect]) {
    let queue = flushQueue
    flushQueue = []
    flushDeadline = nil
    for peer in queue {
      guard let due = peers[peer]?.flushAt else { continue }
      if due <= now.monotonic {
        flush(peer, at: now, into: &effects)
      } else {
        flushQueue.append(peer)
        flushDeadline = min(flushDeadline ?? due, due)
      }
    }
  }

  mutating func startHeartbeats(for peer: PeerID, at now: Now) {
    subscribers.append(peer)
    if heartbeatDeadline == nil {
      heartbeatDeadline = now.monotonic &+ limits.heartbeatInterval.wholeNanoseconds
    }
  }

  mutating func beat(at now: Now, into effects: inout [Effect]) {
    for peer in subscribers {
      if mayHaveLostAcknowledgement(from: peer) {
        push([], to: peer, into: &effects)
      } else {
        effects.append(.heartbeat(number: peers[peer]?.pushed ?? 0, to: peer))
      }
    }
    heartbeatDeadline =
      subscribers.isEmpty ? nil : now.monotonic &+ limits.heartbeatInterval.wholeNanoseconds
  }

  func answer(_ key: Key, _ entry: Int?, at now: Now) -> KeyTuple {
    var answer = KeyTuple(key: key)
    fill(&answer, from: entry, at: now)
    return answer
  }

  func response(_ tuples: [KeyTuple]) -> KeyResponse {
    var response = KeyResponse()
    response.tuples = tuples
    response.clock = clock.last
    return response
  }

  /// For a cache: a deleted key is a record, too, which takes the place of the one it holds.
  private func update(_ entry: Int, at now: Now) -> KeyTuple {
    var update = KeyTuple(key: table[entry].key)
    let tombstone = table[entry].buried(at: now.wall)
    update.record = tombstone?.encoded() ?? table[entry].envelope
    update.version = tombstone?.version ?? table[entry].version
    return update
  }

  private func period(of kind: Interest.Kind) -> UInt64 {
    (kind == .subscription ? limits.pushPeriod : limits.watchPeriod).wholeNanoseconds
  }

  /// - Returns: false when the peer's window is closed.
  private mutating func send(
    _ interest: Interest, _ entry: Int, at now: Now, into effects: inout [Effect]
  ) -> Bool {
    switch interest.kind {
    case .watch(let number):
      let event = answer(table[entry].key, entry, at: now)
      effects.append(.watchEvent(response([event]), number: number, to: interest.peer))
      return true
    case .subscription:
      guard isWindowOpen(of: interest.peer) else { return false }
      push([update(entry, at: now)], to: interest.peer, into: &effects)
      return true
    }
  }

  /// A closed window that nobody opens: a push of nothing is acknowledged, too. So that they do not
  /// gather at a peer that stands still, there are never more than another window of them.
  private func mayHaveLostAcknowledgement(from peer: PeerID) -> Bool {
    guard let held = peers[peer], !held.pending.isEmpty, !isWindowOpen(of: peer) else {
      return false
    }
    return held.pushed - held.acknowledged < 2 * limits.pushWindowFramesMax
  }

  private func isWindowOpen(of peer: PeerID) -> Bool {
    guard let held = peers[peer] else { return false }
    return held.pushed - held.acknowledged < limits.pushWindowFramesMax
  }

  private mutating func push(
    _ tuples: [KeyTuple], to peer: PeerID, into effects: inout [Effect]
  ) {
    let number = (peers[peer]?.pushed ?? 0) + 1
    peers[peer]?.pushed = number
    effects.append(.push(response(tuples), number: number, to: peer))
  }

  private mutating func postpone(_ interest: Interest, _ key: Key, until due: UInt64) {
    guard var held = peers[interest.peer] else { return }
    let waitsForWindow = !held.pending.isEmpty && held.flushAt == nil
    held.pending.append(.init(key: key, kind: interest.kind))
    // Behind a closed window the acknowledgement comes first; watches do not wait for it.
    if !waitsForWindow || interest.kind != .subscription {
      if held.flushAt == nil { flushQueue.append(interest.peer) }
      held.flushAt = min(held.flushAt ?? due, due)
      flushDeadline = min(flushDeadline ?? due, due)
    }
    peers[interest.peer] = held
  }

  /// Sends what waits for a peer, as far as its window goes.
  private mutating func flush(_ peer: PeerID, at now: Now, into effects: inout [Effect]) {
    guard let pending = peers[peer]?.pending else { return }
    peers[peer]?.flushAt = nil
    peers[peer]?.pending = []
    var batch: [KeyTuple] = []
    var bytes = 0
    for update in pending {
      if update.kind == .subscription, !isWindowOpen(of: peer) {
        peers[peer]?.pending.append(update)
        continue
      }
      guard let entry = table.find(update.key), endWait(of: update, peer, at: now) else { continue }
      if case .watch(let number) = update.kind {
        let event = answer(update.key, entry, at: now)
        effects.append(.watchEvent(response([event]), number: number, to: peer))
        continue
      }
      batch.append(self.update(entry, at: now))
      bytes += table[entry].envelopeByteCount
      guard batch.count >= limits.pushTuplesMax || bytes >= limits.pushFrameBytesMax else {
        continue
      }
      push(batch, to: peer, into: &effects)
      batch = []
      bytes = 0
    }
    if !batch.isEmpty { push(batch, to: peer, into: &effects) }
  }

  /// - Returns: whether the interest is still there, and waited.
  private mutating func endWait(
    of update: Peer.Pending, _ peer: PeerID, at now: Now
  ) -> Bool {
    let index = interests[update.key]?.firstIndex {
      $0.peer == peer && $0.kind == update.kind && $0.isPending
    }
    guard let index else { return false }
    interests[update.key]?[index].isPending = false
    interests[update.key]?[index].sentAt = now.monotonic
    return true
  }
}
