import ClusterModel
import Lattices
import WireProtocol

extension StorageShard {
  /// Each key on its own: one refused key leaves the others done.
  ///
  /// - Returns: what all of it waits for.
  mutating func write(
    _ request: KeyRequest, for asker: Asker, at now: Now, into response: inout KeyResponse,
    _ effects: inout [Effect]
  ) -> WriteNeeds {
    var needed = WriteNeeds()
    for tuple in request.tuples {
      var answer = KeyTuple(key: tuple.key)
      do throws(Failure) {
        let change = try change(asked: tuple, request.type, by: asker, at: now)
        if asker.role == .cache { answer.replaced = replaced(by: change, at: tuple.key, now) }
        if let entry = try apply(change, to: tuple.key, by: asker, at: now, into: &effects) {
          answer.version = table[entry].version
          addNeeds(of: entry, to: &needed)
        }
      } catch {
        answer.failure = error
      }
      response.tuples.append(answer)
    }
    return needed
  }

  /// What a cache has to know to tell whether what it holds is the state now: the version of a set or
  /// counter before the write; of a register only where it is of the very same stamp.
  private func replaced(by change: Change, at key: Key, _ now: Now) -> Version {
    guard case .put(let write) = change, let entry = table.find(key),
      !table[entry].header.isExpired(at: now.wall)
    else { return .none }
    let version = table[entry].version
    return write.lattice != .lastWriterWins || version.stamp == write.stamp ? version : .none
  }

  /// A write that was checked, with its stamp.
  private enum Change {
    case put(Record)
    case add(Int64, stamp: UInt64)
    case delete(stamp: UInt64)
  }

  private mutating func change(
    asked: KeyTuple, _ type: KeyRequestType, by asker: Asker, at now: Now
  ) throws(Failure) -> Change {
    guard Key(checking: asked.key.bytes) != nil else { throw Self.keyInvalid(asked.key) }
    let hash = StableHash.of(asked.key.bytes)
    if !servesReplica(of: asked.key.bytes, hash), let failure = refusal(of: asked.key) {
      throw failure
    }
    rates.note(hash, at: now.monotonic)
    if asker.role == .client, asked.key.isReserved {
      throw Failure(
        .keyReserved, "keys that begin with \(ReservedKeys.prefix) belong to the platform")
    }
    if type == .delete {
      return .delete(stamp: try stamped(asked.version.stamp, asked.key, at: now))
    }
    if asked.record.isEmpty {
      return .add(asked.counterDelta, stamp: try stamped(0, asked.key, at: now))
    }
    var record = try checked(asked, by: asker)
    record.stamp = try stamped(record.stamp, asked.key, at: now)
    if record.isCompletedByOwner { record = try completed(record, asked.key, by: asker, at: now) }
    return .put(record)
  }

  private func checked(_ asked: KeyTuple, by asker: Asker) throws(Failure) -> Record {
    guard let sent = try? Record(asked.record), sent.lattice != .none else {
      throw Failure(.badRequest, "the record sent for \(asked.key) is not one")
    }
    guard sent.payload.count <= Limits.valueBytesMax else { throw Self.valueTooLarge(asked.key) }
    guard var record = sent.canonical?.asWrite else {
      throw Failure(.badRequest, "the value sent for \(asked.key) is no \(sent.lattice)")
    }
    // Generations are the platform's to know; a client writes to whatever there is.
    record.flags.formIntersection([.blind, .foreign])
    if asker.role == .client {
      record.generation = 0
      record.flags.insert(.blind)
    }
    record.writeSequence = 0
    return record
  }

  /// Fills in what a client leaves to the owner, and refuses stamps inside that are not of our time.
  private mutating func completed(
    _ write: Record, _ key: Key, by asker: Asker, at now: Now
  ) throws(Failure) -> Record {
    var write = write
    if asker.role == .client {
      var held = table.find(key).map { table[$0].record }
      if held?.isExpired(at: now.wall) == true { held = nil }
      guard
        let completed = write.completed(
          stamp: write.stamp, actor: configuration.actor, over: held)
      else { throw Failure(.badRequest, "the value sent for \(key) is no \(write.lattice)") }
      write = completed
    }
    guard write.lattice == .registerMap || write.lattice == .map else { return write }
    let latest = write.latticeValue?.latestStamp ?? 0
    if latest > write.stamp { _ = try stamped(latest, key, at: now) }
    return write
  }

  /// The write's own stamp, if it is one of our time, or a new one.
  private mutating func stamped(
    _ stamp: UInt64, _ key: Key, at now: Now
  ) throws(Failure) -> UInt64 {
    if stamp == 0 {
      let lead = clock.lead(over: now.wall)
      guard lead <= Limits.clockDriftMax else {
        throw Failure(
          .clockSkew, "this shard's wall clock is \(lead) behind stamps it gave out before")
      }
      return clock.tick(now: now.wall)
    }
    if case .beyondDrift(let ahead) = clock.observe(stamp, origin: .native, now: now.wall) {
      throw Failure(.clockSkew, "the write of \(key) is stamped \(ahead) ahead of the clock here")
    }
    return stamp
  }

  /// - Returns: the entry that now holds the outcome; nil where a delete found nothing.
  private mutating func apply(
    _ change: Change, to key: Key, by asker: Asker, at now: Now, into effects: inout [Effect]
  ) throws(Failure) -> Int? {
    let found = table.find(key)
    guard let entry = found, !isFaded(entry, at: now) else {
      guard let record = first(change), !mayBeDeleted(record.stamp, by: asker, faded: found)
      else { return nil }
      try makeRoom(for: record, key)
      if let found { beginAnew(found, with: record) }
      let entry = found ?? table.insert(record, under: key)
      table[entry].isObserved = !interests.isEmpty && interests[key] != nil
      noteChange(of: entry, knownTo: asker.peer, at: now, into: &effects)
      return entry
    }
    var record = table[entry].record
    let buried = record.buried(at: now.wall)
    if let buried { record = buried }
    let outcome =
      switch change {
      case .put(let write): record.take(write)
      case .add(let delta, let stamp): add(delta, stamp: stamp, to: &record)
      case .delete(let stamp): record.take(deleteStamped: stamp)
      }
    if outcome == .latticeConflict { throw Self.conflict(key, record, change) }
    guard outcome == .changed || buried != nil else { return entry }
    guard record.payload.count <= Limits.valueBytesMax else { throw Self.valueTooLarge(key) }
    if !record.isTombstone { try makeRoom(for: record, key) }
    if outcome == .changed, record.lattice.isStampedByOwner {
      record.stamp = clock.tick(now: now.wall)
    }
    let writer = isWhole(change, of: record) ? asker.peer : nil
    table.replace(entry, by: record)
    noteChange(of: entry, knownTo: writer, at: now, into: &effects)
    return entry
  }

  /// Whether what was written is all there is: the writer need not be told.
  private func isWhole(_ change: Change, of record: Record) -> Bool {
    switch change {
    case .put(let write): write.payload == record.payload
    case .add: false
    case .delete: true
    }
  }

  /// What a change makes of a key that was never written.
  private mutating func first(_ change: Change) -> Record? {
    switch change {
    case .put(var record):
      record.flags.formIntersection(.foreign)
      return record
    case .add(let delta, let stamp): return counter(Counter(), adding: delta, stamp: stamp)
    case .delete: return nil
    }
  }

  private mutating func add(
    _ delta: Int64, stamp: UInt64, to record: inout Record
  ) -> MergeOutcome {
    guard record.isTombstone || record.lattice == .counter else { return .latticeConflict }
    guard delta != 0, let held = try? Counter(serialized: record.payload) else { return .unchanged }
    return record.take(counter(held, adding: delta, stamp: stamp))
  }

  /// The delta as a counter: this shard's entry alone.
  private func counter(_ held: Counter, adding delta: Int64, stamp: UInt64) -> Record {
    var counter = held
    let change =
      delta < 0
      ? counter.decrement(by: delta.magnitude, actor: configuration.actor)
      : counter.increment(by: delta.magnitude, actor: configuration.actor)
    return Record(
      lattice: .counter, flags: .blind, version: Version(generation: 0, stamp: stamp),
      payload: change.serialized()[...])
  }

  private func makeRoom(for record: Record, _ key: Key) throws(Failure) {
    let growth = record.payload.count + key.bytes.count + Record.headerByteCount
    guard table.memoryByteCount + growth > memoryMax else { return }
    let held = "the store holds its limit of \(limits.memoryBytesMax) bytes in memory"
    guard configuration.hasLog else {
      throw Failure(
        .overloaded, held,
        hint: "delete something, or give the store more (--memory-budget)")
    }
    var failure = Failure(
      .overloaded, "\(held), and the log takes writes more slowly than they come",
      hint: "ask again; where keys alone take that much, give the store more (--memory-budget)")
    failure.retryAfter = .milliseconds(20)
    throw failure
  }

  /// Tells the log, the sweep and those who watch that an entry's record is another one.
  ///
  /// - Parameter writer: a peer that holds exactly this state already.
  mutating func noteChange(
    of entry: Int, knownTo writer: PeerID?, at now: Now, into effects: inout [Effect]
  ) {
    noteForLog(entry)
    noteReplication(of: entry, at: now, isUrgent: false)
    scheduleExpiry(of: entry, at: now)
    if table[entry].isObserved { announce(entry, knownTo: writer, at: now, into: &effects) }
  }

  private static func valueTooLarge(_ key: Key) -> Failure {
    Failure(.valueTooLarge, "the value of \(key) is above \(Limits.valueBytesMax) bytes")
  }

  private static func conflict(_ key: Key, _ held: Record, _ change: Change) -> Failure {
    let asked =
      switch change {
      case .put(let record): "a \(record.lattice)"
      case .add: "a counter"
      case .delete: "another generation"
      }
    return Failure(
      .lattice, "\(key) holds a \(held.lattice) and cannot take \(asked)",
      hint: "delete the key first, or use another one")
  }
}
