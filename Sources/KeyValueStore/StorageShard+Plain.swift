import ClusterModel
package import WireProtocol

/// The short way for the commonest requests: clients' GETs and PUTs of last-writer-wins values, at
/// level `accepted`, of keys that are this shard's and need nobody else. What they do, and answer, is
/// what `step(.request)` does; whatever is in any way different goes that way instead.
extension StorageShard {
  /// Longer values are not worth it.
  private static let recordBytesMax = 16 << 10
  private static let answerBytesMax = 64 << 10

  /// Serves a client's request.
  ///
  /// - Parameters:
  ///   - body: what the request was read from.
  ///   - answer: the whole frame to send back.
  /// - Returns: false when nothing was done: it is to go the long way.
  package mutating func servePlainly(
    _ request: inout PlainKeyRequest, from body: UnsafeRawBufferPointer, number: UInt64,
    at now: Now, answer: inout FrameBuffer, into effects: inout [Effect]
  ) -> Bool {
    let now = refereed(now)
    guard placement.awaited.isEmpty, now.monotonic < leaseEnd, !placement.isFenced,
      placement.isAlone || placement.view.epoch > 0
    else { return false }
    let mayBeHeldBack = !coldReads.waiting.isEmpty
    for index in request.tuples.indices {
      let hash = StableHash.of(request.tuples[index].key(in: body))
      // Behind what came before it.
      if mayBeHeldBack, coldReads.holdsBack(hash) { return false }
      request.tuples[index].hash = hash
    }
    if request.type == .get {
      guard findAll(&request, in: body, at: now) else { return false }
      answer.begin(.get, number: number)
      for tuple in request.tuples {
        let entry = table[Int(tuple.entry)]
        answer.tuple(
          key: entry.keyBytes, record: entry.envelopeBytes, version: entry.header.version)
      }
    } else {
      guard canPut(&request, in: body, at: now) else { return false }
      answer.begin(.put, number: number)
      for tuple in request.tuples {
        let entry = put(tuple, in: body, at: now, into: &effects)
        answer.tuple(
          key: tuple.key(in: body), record: UnsafeRawBufferPointer(start: nil, count: 0),
          version: table[entry].version)
      }
      planDemotion(at: now)
      startCommit(into: &effects)
      if !links.isEmpty { flushLinks(at: now, into: &effects) }
    }
    for tuple in request.tuples { rates.note(tuple.hash, at: now.monotonic) }
    answer.end(clock: clock.last)
    return true
  }

  private mutating func findAll(
    _ request: inout PlainKeyRequest, in body: UnsafeRawBufferPointer, at now: Now
  ) -> Bool {
    var bytes = 0
    for index in request.tuples.indices {
      let key = request.tuples[index].key(in: body)
      guard request.tuples[index].record(in: body).isEmpty, Key.isValid(key),
        let entry = find(key, request.tuples[index].hash)
      else { return false }
      let found = table[entry]
      guard !found.isCold else { return false }
      if !found.isHot { table.touch(entry) }
      bytes += found.envelopeByteCount
      guard bytes <= Self.answerBytesMax, !found.isAbsent(at: now.wall) else { return false }
      request.tuples[index].entry = Int32(entry)
    }
    return true
  }

  /// Nil where the key is not there, or not this shard's to speak of.
  private func find(_ key: UnsafeRawBufferPointer, _ hash: UInt64) -> Int? {
    placement.isAlone || isHere(key, hash) ? table.find(key, hash) : nil
  }

  private func isHere(_ key: UnsafeRawBufferPointer, _ hash: UInt64) -> Bool {
    placement.isOwner(of: hash)
      ? !(configuration.hasLog && placement.isOutOfReach(hash)) : servesReplica(of: key, hash)
  }

  private func canPut(
    _ request: inout PlainKeyRequest, in body: UnsafeRawBufferPointer, at now: Now
  ) -> Bool {
    guard request.level ?? configuration.defaultLevel == .accepted, logTrouble == nil,
      clockRefusal == nil, clock.lead(over: now.wall) <= Limits.clockDriftMax
    else { return false }
    var growth = 0
    for index in request.tuples.indices {
      let key = request.tuples[index].key(in: body)
      let record = request.tuples[index].record(in: body)
      guard Key.isValid(key), !Key.isReserved(key), Self.isPlain(record) else { return false }
      growth += key.count + record.count
      let hash = request.tuples[index].hash
      let entry = table.find(key, hash)
      if let entry {
        let held = table[entry].header
        guard coldReads.damaged.isEmpty || !table[entry].isCold else { return false }
        guard held.isPlainRegister, !held.isAbsent(at: now.wall), held.version.stamp <= clock.last
        else { return false }
      }
      guard placement.isAlone || isHere(key, hash) else { return false }
      request.tuples[index].entry = Int32(entry ?? -1)
    }
    return table.memoryByteCount + growth <= memoryMax
  }

  /// Whether a client sent it to be stamped and stored as it is.
  private static func isPlain(_ record: UnsafeRawBufferPointer) -> Bool {
    guard record.count >= Record.headerByteCount, record.count <= recordBytesMax,
      record[0] == Record.formatVersion
    else { return false }
    let header = RecordHeader(record)
    return header.lattice == LatticeType.lastWriterWins.rawValue
      && header.flags.subtracting(.blind).isEmpty && header.version.stamp == 0
      && header.expiry == 0 && header.metadataByteCount == 0
  }

  /// - Returns: the entry that holds it.
  private mutating func put(
    _ tuple: PlainKeyRequest.Tuple, in body: UnsafeRawBufferPointer, at now: Now,
    into effects: inout [Effect]
  ) -> Int {
    let key = tuple.key(in: body)
    let record = tuple.record(in: body)
    let stamp = clock.tick(now: now.wall)
    // One that was not there may be by now: the same request can name a key twice.
    let held = tuple.entry >= 0 ? Int(tuple.entry) : table.find(key, tuple.hash)
    let entry: Int
    if let held {
      let generation = table[held].header.version.generation
      table.replace(held, envelopeByteCount: record.count) {
        RecordHeader.stamped(record, Version(generation: generation, stamp: stamp), to: $0)
      }
      entry = held
    } else {
      entry = table.insert(under: key, envelopeByteCount: record.count) {
        RecordHeader.stamped(record, Version(generation: 0, stamp: stamp), to: $0)
      }
      table[entry].isObserved = !interests.isEmpty && interests[table[entry].key] != nil
    }
    noteForLog(entry)
    noteReplication(of: entry, at: now, isUrgent: false)
    if table[entry].isObserved { announce(entry, knownTo: nil, at: now, into: &effects) }
    return entry
  }
}

extension RecordHeader {
  /// Held here, a last-writer-wins value of this system, with nothing besides.
  fileprivate var isPlainRegister: Bool {
    lattice == LatticeType.lastWriterWins.rawValue && flags.isEmpty
  }
}
