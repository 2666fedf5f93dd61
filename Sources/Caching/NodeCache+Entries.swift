import ClusterModel
import StoreAccess
import WireProtocol

extension NodeCache {
  /// Keeps a changed entry and the counts with it; the payload of a clean value stays in shared memory
  /// only.
  mutating func store(
    _ changed: Entry, under key: Key, installing: Bool, _ effects: inout [Effect]
  ) {
    var entry = changed
    if installing {
      effects.append(.install(key, entry.record))
      entry.isInstalled = true
    }
    if entry.holdsPayload {
      let cost = Self.cost(of: entry.record, key)
      bytes += cost - entry.cost
      entry.cost = cost
    }
    let dirtyCost = entry.writes.reduce(0) { $0 + $1.byteCount }
    dirtyBytes += dirtyCost - entry.dirtyCost
    entry.dirtyCost = dirtyCost
    let earlyCount = entry.writes.reduce(0) { $0 + $1.earlyCount }
    earlyWrites += earlyCount - entry.earlyCount
    entry.earlyCount = earlyCount
    if !entry.isDirty, entry.isInstalled, entry.record.lattice == .lastWriterWins {
      entry.record.payload = []
      entry.holdsPayload = false
    }
    if entry.place == nil { entry.place = sweep.add(key) }
    entries[key] = entry
  }

  /// Forgets a key, its writes included, and takes it from the readers.
  mutating func drop(_ key: Key, _ effects: inout [Effect]) {
    guard let entry = entries.removeValue(forKey: key) else { return }
    bytes -= entry.cost
    dirtyBytes -= entry.dirtyCost
    earlyWrites -= entry.earlyCount
    if let place = entry.place, let moved = sweep.remove(at: place) {
      entries[moved]?.place = place
    }
    // Its own entry of the counter is forgotten: the actor must not count from zero again.
    if entry.counter != nil { actorEpoch += 1 }
    if entry.isInstalled { effects.append(.remove(key)) }
    if let owner = entry.owner { effects.append(.unsubscribe(key, at: owner)) }
  }

  /// What a record takes in shared memory, roughly: LMDB gives a record above half a page pages of its
  /// own, and a value in a file of its own takes whole pages as well.
  static func cost(of record: Record, _ key: Key) -> Int {
    let overhead = 128 + key.bytes.count
    let stored = Record.headerByteCount + record.metadata.count + record.payload.count
    guard stored > 1900 else { return overhead + stored }
    return overhead + (stored + 4095 + 16) & ~4095
  }

  /// Evicts clean records that were not used lately.
  mutating func makeRoom(_ used: [UInt8], downTo target: Int, _ effects: inout [Effect]) {
    sweep.note(used)
    let excess = bytes - target
    guard excess > 0 else { return }
    for key in victims(freeing: excess) {
      drop(key, &effects)
      evictions += 1
    }
  }

  private mutating func victims(freeing bytes: Int) -> [Key] {
    let entries = self.entries
    let fetches = self.fetches
    return sweep.victims(freeing: bytes) { key in
      guard let entry = entries[key], !entry.isDirty, fetches[key] == nil else { return nil }
      return entry.cost
    }
  }

  mutating func notInstalled(_ key: Key, _ effects: inout [Effect]) {
    entries[key]?.isInstalled = false
    guard let entry = entries[key], !entry.isDirty else { return }
    drop(key, &effects)
  }

  /// What only shared memory held is gone; the rest goes there again.
  mutating func reinstall(_ effects: inout [Effect]) {
    for key in sweep.ring {
      entries[key]?.isInstalled = false
      guard let entry = entries[key] else { continue }
      if entry.holdsPayload {
        store(entry, under: key, installing: true, &effects)
      } else {
        drop(key, &effects)
      }
    }
  }

  /// Takes the owner's state of a key, with the writes on top that the owner does not have yet.
  ///
  /// - Parameter isAnswer: the owner's state as asked for, which also counts when it is older than
  ///   ours: the owner may have lost what it had acknowledged as `accepted`.
  /// - Returns: what executors now read.
  @discardableResult
  mutating func absorb(
    _ owners: Record, _ key: Key, from owner: Route?, isAnswer: Bool,
    _ effects: inout [Effect]
  ) -> Entry {
    var entry = entries[key] ?? .unknown
    let before = entry.record
    var state = owners
    state.flags.subtract([.partial, .blind])
    state.writeSequence = before.writeSequence
    // Of two values with one stamp the owner's has won. A key that began anew did so in generation 0.
    let isNews =
      isAnswer
      ? state.version != before.version
      : state.version >= before.version || state.isAnew(after: before, by: Limits.tombstoneGraceMin)
    if entry.isDirty {
      for write in entry.writes { Self.take(write.record, into: &state) }
      entry.record = state
    } else if isNews || entry.isPartial || entry.isBlind || !entry.isInstalled {
      entry.record = state
      entry.holdsPayload = true
    }
    if entry.record.generation != before.generation, !entry.isDirty, entry.counter != nil {
      entry.counter = nil
      actorEpoch += 1
    }
    if isAnswer {
      if let before = entry.owner, before != owner, streams[before] != nil {
        effects.append(.unsubscribe(key, at: before))
      }
      // An owner that has gone since does not push; the entry stays to be compared with another's.
      entry.owner = owner
      entry.isUnverified = owner.map { streams[$0] == nil } ?? true
      if entry.isUnverified { verifyQueue.append(key) }
    }
    let full = entry
    let isChanged = entry.record != before || !entry.isInstalled
    store(entry, under: key, installing: isChanged && entry.holdsPayload, &effects)
    // A record that would push out half of the others is handed over, and not kept.
    if full.cost + full.record.payload.count > limits.bytesMax / 2, !full.isDirty {
      drop(key, &effects)
    }
    return full
  }

  /// Takes a local write into a state. The stamp of a set or counter is its owner's alone.
  ///
  /// - Returns: false for another type; nothing changed then.
  @discardableResult
  static func take(_ write: Record, into state: inout Record) -> Bool {
    let before = state
    if write.lattice == .none {
      _ = state.take(deleteStamped: write.stamp)
      state.flags.remove(.partial)
      if before.flags.contains(.blind) {
        state.flags.insert(.blind)
        state.generation = before.generation
      }
      return true
    }
    guard state.take(write) != .latticeConflict else {
      state = before
      return false
    }
    if write.lattice == .lastWriterWins {
      state.flags.remove(.partial)
    } else {
      state.stamp = before.stamp
    }
    return true
  }
}
