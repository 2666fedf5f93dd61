import ClusterModel
import WireProtocol

/// What a write waits for besides its own memory.
struct WriteNeeds {
  /// The log sequence that covers it.
  var log: UInt64 = 0
  /// Links, ascending, and the sequence each is to have taken.
  var links: [LinkNeed] = []

  struct LinkNeed: Equatable {
    let link: Int
    var sequence: UInt64
  }

  mutating func add(link: Int, sequence: UInt64) {
    if let index = links.firstIndex(where: { $0.link == link }) {
      links[index].sequence = max(links[index].sequence, sequence)
    } else {
      links.append(LinkNeed(link: link, sequence: sequence))
      links.sort { $0.link < $1.link }
    }
  }
}

/// Writes that wait for other shards, in queues of those that wait for the same ones: so one that is
/// out of reach delays only what it is to hold.
struct ReplicationQueues {
  struct Waiting {
    let response: KeyResponse
    let number: UInt64
    let peer: PeerID
    let level: WriteLevel
    let needs: WriteNeeds
  }

  private struct Queue {
    let links: [Int]
    let level: WriteLevel
    var waiting: ContiguousArray<Waiting> = []
    var head = 0
  }

  /// In the order in which their sets of shards first came.
  private var queues: [Queue] = []
  private(set) var count = 0

  mutating func append(_ waiting: Waiting) {
    let links = waiting.needs.links.map(\.link)
    count += 1
    if let index = queues.firstIndex(where: { $0.links == links && $0.level == waiting.level }) {
      queues[index].waiting.append(waiting)
    } else {
      queues.append(Queue(links: links, level: waiting.level, waiting: [waiting]))
    }
  }

  /// Takes what is done, each queue's in the order of arrival.
  mutating func takeDone(_ isDone: (Waiting) -> Bool, _ answer: (Waiting) -> Void) {
    guard count > 0 else { return }
    for index in queues.indices {
      while queues[index].head < queues[index].waiting.count,
        isDone(queues[index].waiting[queues[index].head])
      {
        answer(queues[index].waiting[queues[index].head])
        queues[index].head += 1
        count -= 1
      }
      if queues[index].head * 2 >= queues[index].waiting.count {
        queues[index].waiting.removeFirst(queues[index].head)
        queues[index].head = 0
      }
    }
  }

  mutating func takeAll() -> [Waiting] {
    defer {
      queues = []
      count = 0
    }
    return queues.flatMap { $0.waiting[$0.head...] }
  }
}

/// Records to the other shards that hold them: every change goes to all of them by the one that took
/// it (multi-master, Anna section 4); the levels `replicated` and `durable` wait for their word.
extension StorageShard {
  func linkIndex(_ member: RingMember) -> Int? { links.firstIndex { $0.member == member } }

  /// Notes an entry's change for everybody else who holds it.
  mutating func noteReplication(of entry: Int, at now: Now, isUrgent: Bool) {
    changes &+= 1
    guard !placement.isAlone, !links.isEmpty else { return }
    let due = isUrgent ? 0 : now.monotonic &+ limits.gossipPeriod.wholeNanoseconds
    for other in others(of: table[entry].hash) {
      guard let link = linkIndex(other) else { continue }
      note(entry, on: link, flushAt: due)
    }
  }

  /// What an acknowledgement of an entry as it is now waits for.
  func addNeeds(of entry: Int, to needs: inout WriteNeeds) {
    needs.log = max(needs.log, table[entry].logSequence)
    guard !placement.isAlone else { return }
    for other in others(of: table[entry].hash) {
      guard let link = linkIndex(other) else { continue }
      needs.add(link: link, sequence: links[link].sequence(of: entry))
    }
  }

  func isMet(_ needs: WriteNeeds, at level: WriteLevel) -> Bool {
    if level < .replicated { return true }
    if level == .durable, needs.log > log.persisted { return false }
    return needs.links.allSatisfy {
      $0.sequence <= (level == .durable ? links[$0.link].logged : links[$0.link].merged)
    }
  }

  mutating func answerReplicated(into effects: inout [Effect]) {
    guard replicating.count > 0 else { return }
    var queues = ReplicationQueues()
    swap(&queues, &replicating)
    queues.takeDone({ isMet($0.needs, at: $0.level) }) { done in
      effects.append(.reply(done.response, number: done.number, to: done.peer))
    }
    swap(&queues, &replicating)
  }

  /// After a change of the ring: every waiting write now waits for those who are to hold its keys by
  /// the new one.
  mutating func rejudgeWaiting(at now: Now, into effects: inout [Effect]) {
    for waiting in replicating.takeAll() {
      var needs = WriteNeeds()
      for tuple in waiting.response.tuples where tuple.failure == nil {
        guard let entry = table.find(tuple.key) else { continue }
        noteReplication(of: entry, at: now, isUrgent: true)
        addNeeds(of: entry, to: &needs)
      }
      replicating.append(
        .init(
          response: waiting.response, number: waiting.number, peer: waiting.peer,
          level: waiting.level, needs: needs))
    }
    answerReplicated(into: &effects)
  }

  mutating func flushLinks(at now: Now, into effects: inout [Effect]) {
    for index in links.indices {
      guard let due = links[index].deadline, due <= now.monotonic else { continue }
      var bytes = 0
      let batch = links[index].startBatch(countMax: limits.replicateRecordsMax) { [table, limits] in
        bytes += table[$0].envelopeByteCount
        return bytes >= limits.replicateBytesMax
      }
      var message = Replicate()
      message.epoch = batch.handsOver ?? placement.view.epoch
      message.handsOver = batch.handsOver != nil
      message.clock = clock.last
      message.tuples = batch.entries.map { entry in
        var tuple = KeyTuple(key: table[Int(entry)].key)
        tuple.record = table[Int(entry)].envelope
        return tuple
      }
      effects.append(.replicate(message, number: batch.number, to: links[index].member))
    }
  }

  /// Merges what another shard sends. What this one has that the sender has not goes back to it.
  mutating func take(
    _ message: Replicate, number: UInt64, from peer: PeerID, at now: Now,
    into effects: inout [Effect]
  ) {
    guard let sender = peers[peer]?.shard, !isFenced(sender, by: message.epoch) else {
      let failure = Failure(.fenced, "the cluster has gone on without the sender of these records")
      return effects.append(.refuse(failure, number: number, to: peer))
    }
    _ = clock.observe(message.clock, origin: .native, now: now.wall)
    knownEpochs[sender.member] = max(knownEpochs[sender.member] ?? 0, message.epoch)
    var logSequence: UInt64 = 0
    let isOld = message.epoch < placement.view.epoch
    for tuple in message.tuples {
      guard let record = try? Record(tuple.record), Key(checking: tuple.key.bytes) != nil,
        isHeld(tuple.key, at: message.epoch)
      else { continue }
      guard let entry = mergeReplica(record, tuple, at: now, into: &effects) else { continue }
      logSequence = max(logSequence, table[entry].logSequence)
      if !table[entry].holds(tuple.record), let link = linkIndex(sender.member) {
        let due = now.monotonic &+ limits.gossipPeriod.wholeNanoseconds
        links[link].note(entry, flushAt: due)
      }
      if isOld { noteReplication(of: entry, at: now, isUrgent: true) }
    }
    if message.handsOver {
      takeHandOver(of: message.epoch, from: sender.member, at: now, into: &effects)
    }
    acknowledge(number, logSequence: logSequence, to: peer, into: &effects)
  }

  /// A life that the ring does not name any more, or another life of its name.
  private func isFenced(_ sender: ShardAddress, by epoch: UInt64) -> Bool {
    let view = placement.view
    return epoch <= view.epoch && view.shard(sender.member)?.incarnation != sender.incarnation
  }

  /// - Returns: the entry that now holds both; nil where there is nothing to hold.
  @discardableResult
  mutating func mergeReplica(
    _ record: Record, _ tuple: KeyTuple, at now: Now, into effects: inout [Effect]
  ) -> Int? {
    var record = record
    record.writeSequence = 0
    giveUpDamaged(tuple.key)
    guard let entry = table.find(tuple.key) else {
      // While keys move, somebody may still bring what it deletes.
      guard !isFading(record, at: now) || !placement.view.isSettled else { return nil }
      let entry = table.insert(record, under: tuple.key)
      table[entry].isObserved = !interests.isEmpty && interests[table[entry].key] != nil
      noteMerge(of: entry, at: now, into: &effects)
      return entry
    }
    if table[entry].holds(tuple.record) { return entry }
    var held = table[entry].record
    let before = held
    if record.generation < held.generation, isAnew(record, after: held, at: now) {
      beginAnew(entry, with: record)
      noteMerge(of: entry, at: now, into: &effects)
      return entry
    }
    if held.generation < record.generation, isAnew(held, after: record, at: now) { return entry }
    switch held.merge(record) {
    case .unchanged: return entry
    case .changed: break
    case .latticeConflict:
      statistic.typeConflicts += 1
      guard held.givesWay(to: record) else { return entry }
      held = record
    }
    // Two different states of one version must not have one name.
    if held.payload != record.payload, held.payload != before.payload {
      held.stamp = clock.tick(now: now.wall)
    }
    table.replace(entry, by: held)
    noteMerge(of: entry, at: now, into: &effects)
    return entry
  }

  private mutating func noteMerge(of entry: Int, at now: Now, into effects: inout [Effect]) {
    changes &+= 1
    noteForLog(entry)
    scheduleExpiry(of: entry, at: now)
    if table[entry].isObserved { announce(entry, knownTo: nil, at: now, into: &effects) }
  }

  private mutating func acknowledge(
    _ number: UInt64, logSequence: UInt64, to peer: PeerID, into effects: inout [Effect]
  ) {
    let isLogged = !configuration.hasLog || logSequence <= log.persisted
    let isFirst = peers[peer]?.unlogged.isEmpty != false
    peers[peer]?.merged = number
    if isLogged, isFirst {
      peers[peer]?.logged = number
    } else {
      peers[peer]?.unlogged.append((number, isLogged ? 0 : logSequence))
    }
    sayReplicated(to: peer, into: &effects)
  }

  private func sayReplicated(to peer: PeerID, into effects: inout [Effect]) {
    guard let held = peers[peer] else { return }
    var word = Replicated()
    word.merged = held.merged
    word.logged = held.logged
    word.clock = clock.last
    effects.append(.replicated(word, to: peer))
  }

  /// After a commit: tells the other shards what of theirs is in the log now.
  mutating func sayLogged(into effects: inout [Effect]) {
    for peer in shardPeers {
      guard let held = peers[peer], let first = held.unlogged.first,
        first.sequence <= log.persisted
      else { continue }
      let count = held.unlogged.prefix { $0.sequence <= log.persisted }.count
      peers[peer]?.logged = held.unlogged[count - 1].number
      peers[peer]?.unlogged.removeFirst(count)
      sayReplicated(to: peer, into: &effects)
    }
  }
}

extension StorageShard {
  /// Merges what a holder has of a key on the move.
  mutating func mergeFromHolder(_ tuple: KeyTuple, at now: Now, into effects: inout [Effect]) {
    guard let record = try? Record(tuple.record), Key(checking: tuple.key.bytes) != nil else {
      return
    }
    mergeReplica(record, tuple, at: now, into: &effects)
  }
}
