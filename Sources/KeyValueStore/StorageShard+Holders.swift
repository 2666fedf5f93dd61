import ClusterModel
import WireProtocol

/// A request that waits for what others hold of its keys.
struct Parked {
  let input: StorageShard.Input
  /// Who has not answered yet.
  var missing: Set<RingMember>
  /// Every answer so far came from a shard that knew of this epoch or a later one.
  var epoch: UInt64
  let keys: [Key]
}

/// While keys move: an owner that does not have everything yet asks those who held a key before it
/// says anything about it, so that no read misses a write acknowledged before it, and no write is
/// placed in a generation that has ended.
extension StorageShard {
  /// Whom to ask before a request can be served.
  func unknownKeys(of keys: some Sequence<Key>) -> [RingMember: [Key]] {
    guard !placement.awaited.isEmpty else { return [:] }
    var asked: [RingMember: [Key]] = [:]
    for key in keys where !mergedKeys.contains(key) && Key(checking: key.bytes) != nil {
      let hash = StableHash.of(key.bytes)
      guard placement.isOwner(of: hash) else { continue }
      for holder in placement.toAsk(about: hash) { asked[holder, default: []].append(key) }
    }
    return asked
  }

  /// - Parameter input: a request or a watch.
  /// - Returns: whether it waits now.
  mutating func park(_ input: Input, into effects: inout [Effect]) -> Bool {
    let (keys, number, peer): ([Key], UInt64, PeerID)
    switch input {
    case .request(let request, let itsNumber, let itsPeer):
      (keys, number, peer) = (request.tuples.map(\.key), itsNumber, itsPeer)
    case .watch(let request, let itsNumber, let itsPeer):
      (keys, number, peer) = ([request.key], itsNumber, itsPeer)
    default: preconditionFailure("only requests and watches wait for keys")
    }
    let asked = unknownKeys(of: keys)
    guard !asked.isEmpty else { return false }
    guard parked.count < limits.parkedRequestsMax else {
      var failure = Failure(.overloaded, "too many requests wait for keys that are moving")
      failure.retryAfter = .milliseconds(50)
      effects.append(.refuse(failure, number: number, to: peer))
      return true
    }
    ask(asked, for: input, keys, into: &effects)
    return true
  }

  /// Has an input wait for what other shards hold.
  mutating func ask(
    _ asked: [RingMember: [Key]], for input: Input, _ keys: [Key], into effects: inout [Effect]
  ) {
    holderRequests += 1
    parked[holderRequests] = Parked(
      input: input, missing: Set(asked.keys), epoch: .max, keys: keys)
    for (holder, keys) in asked.sorted(by: { $0.key < $1.key }) {
      var request = KeyRequest()
      request.tuples = keys.map { KeyTuple(key: $0) }
      request.clock = clock.last
      effects.append(.askHolder(request, number: holderRequests, of: holder))
    }
  }

  /// A shard's answer to what it held.
  mutating func takeAnswer(
    _ answer: KeyResponse, number: UInt64, from member: RingMember, at now: Now,
    into effects: inout [Effect]
  ) {
    guard var waiting = parked[number], waiting.missing.contains(member) else { return }
    // One that refuses is asked again when its connection comes back, or the ring goes on without it.
    guard answer.failure == nil else { return }
    for tuple in answer.tuples where !tuple.record.isEmpty {
      if answer.ringEpoch == placement.view.epoch, placement.isQuiet { giveUpDamaged(tuple.key) }
      mergeFromHolder(tuple, at: now, into: &effects)
    }
    waiting.missing.remove(member)
    waiting.epoch = min(waiting.epoch, answer.ringEpoch)
    guard waiting.missing.isEmpty else {
      parked[number] = waiting
      return
    }
    parked[number] = nil
    // A holder that does not know of this ring yet may still take writes that are not sent here.
    if waiting.epoch >= placement.view.epoch, !placement.awaited.isEmpty {
      for key in waiting.keys { mergedKeys.insert(Key(trusted: Bytes(Array(key.bytes)))) }
    }
    if let failure = damage(to: waiting.keys)?.failure {
      return refuse(waiting.input, failure, &effects)
    }
    guard !waitsForDisk(waiting.input, into: &effects) else { return }
    serve(waiting.input, at: now, into: &effects)
  }

  /// Asks again, or serves what nobody has to be asked about any more.
  mutating func retryParked(at now: Now, into effects: inout [Effect]) {
    let waiting = parked.sorted { $0.key < $1.key }
    parked = [:]
    for (_, parked) in waiting { take(parked.input, at: now, into: &effects) }
  }

  /// For another shard: what this one has, tombstones too.
  mutating func answerHolderRequest(
    _ request: KeyRequest, number: UInt64, from peer: PeerID, at now: Now,
    into effects: inout [Effect]
  ) {
    var response = KeyResponse()
    response.ringEpoch = placement.view.epoch
    guard peers[peer]?.shard != nil else {
      response.failure = Failure(.notAllowed, "only shards ask what was held")
      return effects.append(.reply(response, number: number, to: peer))
    }
    guard !request.tuples.contains(where: { hotKeys[StableHash.of($0.key.bytes)] != nil }) else {
      return postponed.append((request, number, peer))
    }
    response.tuples = request.tuples.map { asked in
      var answer = KeyTuple(key: asked.key)
      guard let entry = table.find(asked.key) else { return answer }
      if table[entry].isCold {
        response.failure = Self.damaged(asked.key, "it is on the disk only")
      } else {
        answer.record = table[entry].envelope
      }
      return answer
    }
    response.clock = clock.last
    effects.append(.reply(response, number: number, to: peer))
  }
}
