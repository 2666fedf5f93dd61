import ClusterModel
import WireProtocol

/// Which keys are this shard's, and what a change of that means.
extension StorageShard {
  /// Takes a newer view of the ring: links to those who live, what is still dirty to its new holders,
  /// and, while keys move, the hand-over of what others are to hold.
  mutating func take(_ view: RingView, at now: Now, into effects: inout [Effect]) {
    guard view.epoch > placement.view.epoch else { return }
    endReplicas(into: &effects)
    let dirty = Set(links.flatMap(\.dirtyEntries)).sorted()
    placement = Placement(view, of: configuration.me, in: configuration.life)
    links = view.shards.filter { $0.member != configuration.me }.map { address in
      links.first { $0.member == address.member && $0.incarnation == address.incarnation }
        ?? ReplicationLink(to: address)
    }
    dismissReplicas(of: view, at: now, into: &effects)
    let hotMin = UInt32(AccessRates.window / .seconds(1)) * UInt32(limits.hotRateMin)
    rates.noticeFrom = placement.isAlone ? .max : hotMin
    handedOver = handedOver.filter { view.shard($0.key) != nil }
    knownEpochs = knownEpochs.filter { view.shard($0.key) != nil }
    forgetStaleLeftovers(at: now)
    awaitHandOvers()
    for entry in dirty { noteReplication(of: entry, at: now, isUrgent: true) }
    startHandOver(at: now)
    startDropping(at: now)
    endInterests(into: &effects)
    for peer in peers.keys.sorted() { effects.append(.ring(view, to: peer)) }
    rejudgeWaiting(at: now, into: &effects)
    retryParked(at: now, into: &effects)
    takeEarly(at: now, into: &effects)
    noteSettled(into: &effects)
    suspects = [:]
    summed = [:]
    equal = [:]
    auditAt = links.isEmpty ? nil : now.monotonic &+ limits.auditInterval.wholeNanoseconds
  }

  /// Why nothing is said about a key here, or done to it.
  func refusal(of key: Key) -> Failure? {
    if placement.isAlone { return nil }
    guard placement.view.epoch > 0 else {
      return Failure(.unavailable, "this shard does not know the ring yet")
    }
    guard !placement.isFenced else {
      return Failure(.fenced, "the cluster has gone on without this shard")
    }
    let hash = StableHash.of(key.bytes)
    if configuration.hasLog, placement.isOutOfReach(hash) {
      return Failure(
        .unavailable, "all copies of \(key) are away; it is there again once one of them is back",
        hint: "cbctl status names the storage nodes that are missing")
    }
    guard !placement.isOwner(of: hash) else { return nil }
    return Failure(
      .wrongOwner, "\(key) is not held by \(configuration.me) at epoch \(placement.view.epoch)")
  }

  /// A shard whose lease is over may have been replaced: it says nothing.
  func leaseRefusal(at now: Now) -> Failure? {
    guard now.monotonic >= leaseEnd else { return nil }
    var failure = Failure(
      .unavailable, "the lease of \(configuration.me) has run out; it asks for a new one",
      hint: "ask again, or another copy")
    failure.retryAfter = .milliseconds(50)
    return failure
  }

  /// Keys that are no longer here are watched elsewhere.
  private mutating func endInterests(into effects: inout [Effect]) {
    guard !placement.isAlone else { return }
    for peer in peers.keys.sorted() {
      guard let held = peers[peer] else { continue }
      for (number, key) in held.watches.sorted(by: { $0.key < $1.key }) {
        guard let failure = refusal(of: key) else { continue }
        unwatch(nil, number: number, from: peer)
        effects.append(.refuse(failure, number: number, to: peer))
      }
      // Taking them away in any order leaves the same.
      for key in held.subscriptions where refusal(of: key) != nil {
        unwatch(key, number: 0, from: peer)
      }
    }
  }
}

/// Handing over, and being handed over to.
extension StorageShard {
  /// A scan over all entries, a part at a time.
  struct HandOver {
    let epoch: UInt64
    var cursor = 0
    /// Monotonic.
    var nextAt: UInt64
  }

  private mutating func startHandOver(at now: Now) {
    handOver = nil
    let view = placement.view
    let isHolder = view.holders.contains { $0.member == configuration.me }
    guard !placement.isFenced, view.epoch > 0 else { return }
    guard (!view.isSettled && isHolder) || hasLeftovers else { return }
    handOver = HandOver(epoch: view.epoch, nextAt: now.monotonic)
    if isHolder { for link in links.indices { links[link].announceEpoch() } }
  }

  /// Notes the next entries for those who are to have them; at the end says so on every link.
  mutating func continueHandOver(at now: Now) {
    guard var scan = handOver else { return }
    var (looked, bytes) = (0, 0)
    let isClogged =
      coldReads.heirCount > limits.handOverBacklogMax
      || links.contains { $0.isUp && $0.backlog > limits.handOverBacklogMax }
    while !isClogged, scan.cursor < table.count, looked < limits.handOverRecordsPerStepMax,
      bytes < limits.handOverBytesPerStepMax
    {
      looked += 1
      defer { scan.cursor += 1 }
      guard !table[scan.cursor].isFree else { continue }
      for heir in placement.heirs(of: table[scan.cursor].hash, bringsLeftovers: hasLeftovers) {
        guard let link = linkIndex(heir) else { continue }
        note(scan.cursor, on: link, flushAt: 0)
        statistic.handedOverKeys += 1
        statistic.handedOverBytes += table[scan.cursor].envelopeByteCount
        bytes += table[scan.cursor].envelopeByteCount
      }
    }
    scan.nextAt = now.monotonic &+ limits.handOverInterval.wholeNanoseconds
    handOver = scan
    guard scan.cursor >= table.count, coldReads.heirCount == 0, everyHolderKnows(scan.epoch),
      hotKeys.isEmpty
    else { return }
    handOver = nil
    hasLeftovers = false
    for link in links.indices { links[link].endHandOver(of: scan.epoch) }
  }

  /// A holder that does not know of the change yet tells of its writes only those who held the keys
  /// before. They pass them on, so none of them may say that it is done before all know.
  private func everyHolderKnows(_ epoch: UInt64) -> Bool {
    placement.view.holders.allSatisfy { holder in
      holder.member == configuration.me || placement.view.shard(holder.member) == nil
        || knownEpochs[holder.member] ?? 0 >= epoch
    }
  }

  mutating func takeHandOver(
    of epoch: UInt64, from member: RingMember, at now: Now, into effects: inout [Effect]
  ) {
    handedOver[member] = max(handedOver[member] ?? 0, epoch)
    guard epoch >= placement.view.epoch, placement.awaited.remove(member) != nil else { return }
    guard placement.awaited.isEmpty else { return }
    mergedKeys = []
    noteSettled(into: &effects)
    retryParked(at: now, into: &effects)
  }

  private mutating func awaitHandOvers() {
    mergedKeys = []
    let view = placement.view
    guard !view.isSettled, placement.isPlaced, !placement.isFenced else { return }
    let before = Set(view.holders.map(\.member)).subtracting([configuration.me])
    placement.awaited = before.filter {
      view.shard($0) != nil && (handedOver[$0] ?? 0) < view.epoch
    }
  }

  /// Says once an epoch that this shard has all it is to hold, in its log where it has one.
  mutating func noteSettled(into effects: inout [Effect]) {
    let epoch = placement.view.epoch
    guard settledEpoch < epoch, placement.awaited.isEmpty, !placement.isFenced else { return }
    if settling?.epoch != epoch { settling = (epoch, log.last) }
    guard let settling, !configuration.hasLog || log.persisted >= settling.sequence else { return }
    settledEpoch = epoch
    effects.append(.settled(epoch: epoch))
  }
}

/// Forgetting what others hold now.
extension StorageShard {
  /// A scan for keys that are not this shard's any more.
  struct Dropping {
    var cursor = 0
    var nextAt: UInt64
    /// Entries left for later, because something still refers to them.
    var isPartial = false
  }

  private mutating func startDropping(at now: Now) {
    dropping = nil
    guard placement.view.isSettled, !placement.isAlone, !placement.isFenced,
      placement.view.epoch > 0
    else { return }
    dropping = Dropping(nextAt: now.monotonic &+ limits.dropGrace.wholeNanoseconds)
  }

  mutating func continueDropping(at now: Now) {
    guard var scan = dropping else { return }
    let end = min(table.count, scan.cursor + limits.handOverRecordsPerStepMax)
    while scan.cursor < end {
      let entry = scan.cursor
      scan.cursor += 1
      guard !table[entry].isFree, !placement.isOwner(of: table[entry].hash),
        extraReplicas.isEmpty || extraReplicas[table[entry].hash] == nil
      else { continue }
      guard canForget(entry) else {
        scan.isPartial = true
        continue
      }
      forget(entry)
      statistic.droppedKeys += 1
    }
    let pause = scan.cursor < table.count ? limits.handOverInterval : limits.dropGrace
    scan.nextAt = now.monotonic &+ pause.wholeNanoseconds
    if scan.cursor >= table.count {
      dropping = scan.isPartial ? Dropping(nextAt: scan.nextAt) : nil
    } else {
      dropping = scan
    }
  }

  /// Nothing refers to an entry by number.
  func canForget(_ entry: Int) -> Bool {
    table[entry].logSequence <= log.persisted && !table[entry].isObserved
      && links.allSatisfy { $0.sequence(of: entry) == 0 }
  }

  mutating func forget(_ entry: Int) {
    if configuration.hasLog { forgotten.append(table[entry].key) }
    table.remove(entry)
    expiries.forget(entry)
  }
}
