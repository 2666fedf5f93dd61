import ClusterModel
import WireProtocol

/// Anti-entropy: pairs of shards compare what they hold together, and send each other what differs,
/// also what no write would ever touch again.
///
/// The lower of two shards sends sums over stretches of the hash space; the other compares. What is
/// younger than the cutoff is left out, and a stretch has to differ twice in a row, so that writes on
/// their way are not taken for divergence. Merging makes a repair too many harmless.
extension StorageShard {
  /// Begins a round with each shard that this one is to ask.
  mutating func beginAudits(at now: Now) {
    auditAt = now.monotonic &+ limits.auditInterval.wholeNanoseconds
    guard canAudit else { return }
    for link in links where link.isUp && configuration.me < link.member {
      // Where nothing has changed since all was equal there is little to find.
      if let last = equal[link.member], last.changes == changes, last.skipped < limits.auditSkipsMax
      {
        equal[link.member]?.skipped += 1
        continue
      }
      equal[link.member] = nil
      summed[link.member] = changes
      let age = UInt64(limits.auditAge.wholeNanoseconds / 1_000_000)
      enqueue(
        Audit(
          .sum, for: link.member, epoch: placement.view.epoch,
          cutoff: HybridLogicalClock.stamp(milliseconds: now.wall - min(now.wall, age))), at: now)
    }
  }

  private var canAudit: Bool {
    placement.isQuiet && placement.isPlaced && !placement.isAlone
  }

  private mutating func enqueue(_ audit: Audit, at now: Now) {
    guard audits.count < limits.auditsMax else { return }
    audits.append(audit)
    auditStepAt = auditStepAt ?? now.monotonic
  }

  mutating func take(_ digest: RangeDigest, from peer: PeerID, at now: Now) {
    guard canAudit, digest.epoch == placement.view.epoch,
      let sender = peers[peer]?.shard?.member, let sums = digest.numbers
    else { return }
    enqueue(
      Audit(.compare(sums: sums), for: sender, epoch: digest.epoch, cutoff: digest.cutoff),
      at: now)
  }

  mutating func take(_ repair: RangeRepair, from peer: PeerID, at now: Now) {
    guard canAudit, repair.epoch == placement.view.epoch,
      let sender = peers[peer]?.shard?.member
    else { return }
    guard !repair.numbers.isEmpty else {
      equal[sender] = summed[sender].map { ($0, 0) }
      return
    }
    enqueue(
      Audit(
        .send(stretches: repair.numbers), for: sender, epoch: repair.epoch,
        cutoff: HybridLogicalClock.stamp(milliseconds: now.wall)),
      at: now)
  }

  /// Looks at the next entries for the first of the audits.
  mutating func continueAudit(at now: Now, into effects: inout [Effect]) {
    auditStepAt = nil
    guard var audit = audits.first else { return }
    guard canAudit, audit.epoch == placement.view.epoch, let link = linkIndex(audit.other) else {
      audits.removeFirst()
      auditStepAt = audits.isEmpty ? nil : now.monotonic
      return
    }
    auditStepAt = now.monotonic &+ limits.handOverInterval.wholeNanoseconds
    guard links[link].backlog <= limits.handOverBacklogMax else { return }
    let end = min(table.count, audit.cursor + limits.handOverRecordsPerStepMax)
    while audit.cursor < end {
      look(at: audit.cursor, for: &audit, link)
      audit.cursor += 1
    }
    guard audit.cursor >= table.count else {
      audits[0] = audit
      return
    }
    audits.removeFirst()
    if audits.isEmpty { auditStepAt = nil }
    finish(audit, at: now, into: &effects)
  }

  private mutating func look(at entry: Int, for audit: inout Audit, _ link: Int) {
    guard !table[entry].isFree, placement.isShared(table[entry].hash, with: audit.other) else {
      return
    }
    if case .send(let stretches) = audit.purpose {
      guard stretches.contains(Audit.stretch(of: table[entry].hash)) else { return }
      // One that the other has forgotten already would go to and fro.
      guard !isSoonForgotten(entry, audit) else { return }
      note(entry, on: link, flushAt: 0)
      statistic.repairedKeys += 1
    } else if table[entry].version.stamp < audit.cutoff, !isSoonForgotten(entry, audit) {
      audit.add(table[entry].sum, under: table[entry].hash)
    }
  }

  /// One copy forgets a tombstone before another does: neither counts it from long before.
  private func isSoonForgotten(_ entry: Int, _ audit: Audit) -> Bool {
    guard table[entry].isTombstone else { return false }
    let age = UInt64(limits.tombstoneGrace.wholeNanoseconds / 2_000_000)
    let cutoff = HybridLogicalClock.milliseconds(of: audit.cutoff)
    return HybridLogicalClock.milliseconds(of: table[entry].version.stamp) + age < cutoff
  }

  private mutating func finish(_ audit: Audit, at now: Now, into effects: inout [Effect]) {
    switch audit.purpose {
    case .sum: effects.append(.rangeDigest(RangeDigest(audit), to: audit.other))
    case .send: return
    case .compare(let sums):
      let differing = sums.indices.filter { sums[$0] != audit.sums[$0] }
      let certain = differing.filter { suspects[audit.other]?.contains($0) == true }
        .prefix(limits.auditStretchesMax)
      suspects[audit.other] = Set(differing).subtracting(certain)
      guard differing.isEmpty || !certain.isEmpty else { return }
      let repair = RangeRepair(Array(certain), at: audit.epoch)
      effects.append(.rangeRepair(repair, to: audit.other))
      guard !certain.isEmpty else { return }
      statistic.divergences += certain.count
      enqueue(
        Audit(
          .send(stretches: Set(certain)), for: audit.other, epoch: audit.epoch,
          cutoff: HybridLogicalClock.stamp(milliseconds: now.wall)),
        at: now)
    }
  }
}
