package import ClusterModel
import WireProtocol

/// Inputs that wait for records which are on the disk only, and the reads that are to bring them.
struct ColdReads {
  struct Waiting {
    let input: StorageShard.Input
    let keys: [Key]
    /// `StableHash` of each key.
    let hashes: [UInt64]
    let order: Order

    func isQuestion(about hash: UInt64) -> Bool { input.isQuestion && hashes.contains(hash) }
  }

  enum Order: Equatable {
    /// After whatever came earlier for one of its keys.
    case byKey
    /// After whatever came earlier from this shard.
    case ofShard(PeerID)
    case none
  }

  struct Wanted {
    let key: Key
    /// Shards that are to get the record.
    var heirs: [RingMember] = []
  }

  /// In the order they came.
  var waiting: [Waiting] = []
  /// By the hash of the key: asked for, or about to be.
  var wanted: [UInt64: Wanted] = [:]
  /// Wanted, and not asked for yet; oldest first.
  var queue: [UInt64] = []
  var isUnderWay = false
  /// Monotonic; after a read failed, the next begins then.
  var retryAt: UInt64?
  /// Of all that is wanted together.
  var heirCount = 0
  /// Records that cannot be read, with the reason, by the hash of the key.
  var damaged: [UInt64: String] = [:]
  /// How often each key is one of a waiting input's, and of one's that is served in its order.
  private var held: [UInt64: Int] = [:]
  /// Of all waiting inputs together.
  private(set) var keyCount = 0
  private var ordered: [UInt64: Int] = [:]

  var isIdle: Bool { waiting.isEmpty && wanted.isEmpty }

  func holdsBack(_ hash: UInt64) -> Bool { ordered[hash] != nil }

  func isWaitedFor(_ hash: UInt64) -> Bool { wanted[hash] != nil || held[hash] != nil }

  /// Whether an input or another shard still waits for what is wanted.
  func isNeeded(_ hash: UInt64) -> Bool {
    held[hash] != nil || wanted[hash]?.heirs.isEmpty == false
  }

  mutating func append(_ new: Waiting) {
    waiting.append(new)
    keyCount += new.keys.count
    for hash in new.hashes {
      held[hash, default: 0] += 1
      if new.order == .byKey { ordered[hash, default: 0] += 1 }
    }
  }

  /// Takes those that nothing holds back any more.
  ///
  /// - Parameter isMissing: whether a key's record is still on the disk only.
  mutating func takeReady(_ isMissing: (Key, UInt64) -> Bool) -> [Waiting] {
    var ready: [Waiting] = []
    var left: [Waiting] = []
    var heldBack: Set<UInt64> = []
    var stalled: Set<PeerID> = []
    for input in waiting {
      var isHeldBack = input.hashes.indices.contains { place in
        isMissing(input.keys[place], input.hashes[place])
      }
      switch input.order {
      case .byKey:
        isHeldBack = isHeldBack || input.hashes.contains { heldBack.contains($0) }
        if isHeldBack { heldBack.formUnion(input.hashes) }
      case .ofShard(let peer):
        isHeldBack = isHeldBack || stalled.contains(peer)
        if isHeldBack { stalled.insert(peer) }
      case .none: break
      }
      if isHeldBack { left.append(input) } else { ready.append(input) }
    }
    waiting = left
    for input in ready { release(input) }
    return ready
  }

  mutating func removeAll(where isGone: (Waiting) -> Bool) {
    for input in waiting where isGone(input) { release(input) }
    waiting.removeAll(where: isGone)
  }

  private mutating func release(_ input: Waiting) {
    keyCount -= input.keys.count
    for hash in input.hashes {
      Self.release(hash, of: &held)
      if input.order == .byKey { Self.release(hash, of: &ordered) }
    }
  }

  private static func release(_ hash: UInt64, of counts: inout [UInt64: Int]) {
    let count = counts[hash] ?? 1
    counts[hash] = count == 1 ? nil : count - 1
  }
}

/// Reading what is on the disk only. The shard never waits: the input does, and whatever comes after
/// it for one of its keys, or from the same other shard; everything else goes on.
extension StorageShard {
  /// - Returns: whether the input waits now.
  mutating func waitsForDisk(_ input: Input, into effects: inout [Effect]) -> Bool {
    guard table.coldCount > 0 || !coldReads.waiting.isEmpty else { return false }
    guard let (keys, order) = needs(of: input) else { return false }
    let hashes = keys.map { StableHash.of($0.bytes) }
    var isHeldBack =
      switch order {
      case .byKey: hashes.contains { coldReads.holdsBack($0) }
      case .ofShard: coldReads.waiting.contains { $0.order == order }
      case .none: false
      }
    for (key, hash) in zip(keys, hashes) {
      guard let entry = table.find(key, hash), table[entry].isCold else { continue }
      if coldReads.damaged[hash] != nil, order != .byKey { continue }
      isHeldBack = true
    }
    guard isHeldBack else { return false }
    if input.isQuestion, coldReads.keyCount + keys.count > limits.coldKeysWaitingMax {
      refuse(
        input, Failure(.overloaded, "too many requests wait for records on the disk"), &effects)
      return true
    }
    for (key, hash) in zip(keys, hashes) {
      if let entry = table.find(key, hash), table[entry].isCold { want(entry) }
    }
    coldReads.append(.init(input: input, keys: keys, hashes: hashes, order: order))
    return true
  }

  /// The keys whose records an input is about, and what it must not overtake; nil: it reads none.
  private func needs(of input: Input) -> ([Key], ColdReads.Order)? {
    switch input {
    case .request(let request, _, _):
      guard request.type != .list, request.type != .explain,
        request.tuples.count <= limits.tuplesPerRequestMax
      else { return nil }
      return (request.tuples.map(\.key), .byKey)
    case .watch(let request, _, _): return ([request.key], .byKey)
    case .unwatch(let key?, _, _): return coldReads.waiting.isEmpty ? nil : ([key], .byKey)
    case .replicate(let message, _, let peer):
      return mayHoldStaleLeftovers ? nil : (message.tuples.map(\.key), .ofShard(peer))
    case .holderRequest(let request, _, let peer):
      return (request.tuples.map(\.key), .ofShard(peer))
    case .replicaWord(let word, let peer): return ([word.key], .ofShard(peer))
    case .holderAnswer(let answer, _, _): return (answer.tuples.map(\.key), .none)
    default: return nil
    }
  }

  /// Has a cold entry's record read, unless it is being read already.
  ///
  /// - Parameter heir: a shard that is to get the record.
  mutating func want(_ entry: Int, for heir: RingMember? = nil) {
    let hash = table[entry].hash
    if coldReads.wanted[hash] == nil {
      coldReads.wanted[hash] = .init(key: table[entry].key)
      coldReads.queue.append(hash)
    }
    guard let heir, coldReads.wanted[hash]?.heirs.contains(heir) == false else { return }
    coldReads.wanted[hash]?.heirs.append(heir)
    coldReads.heirCount += 1
  }

  /// Notes an entry for another shard: now, or once its record is in memory.
  mutating func note(_ entry: Int, on link: Int, flushAt due: UInt64) {
    if table[entry].isCold {
      want(entry, for: links[link].member)
    } else {
      links[link].note(entry, flushAt: due)
    }
  }

  /// One read of many records at a time, of whatever waits.
  mutating func startLoad(at now: Now, into effects: inout [Effect]) {
    guard !coldReads.isUnderWay, coldReads.retryAt ?? 0 <= now.monotonic else { return }
    coldReads.retryAt = nil
    guard !coldReads.queue.isEmpty else { return }
    var keys: [Key] = []
    var (taken, bytes) = (0, 0)
    for hash in coldReads.queue {
      guard keys.count < limits.loadRecordsMax, bytes < limits.loadBytesMax else { break }
      taken += 1
      guard let wanted = coldReads.wanted[hash] else { continue }
      keys.append(wanted.key)
      bytes += table.find(wanted.key, hash).map { table[$0].envelopeByteCount } ?? 0
    }
    coldReads.queue.removeFirst(taken)
    guard !keys.isEmpty else { return }
    coldReads.isUnderWay = true
    effects.append(.load(keys))
  }

  mutating func take(_ loaded: [LoadedRecord], at now: Now, into effects: inout [Effect]) {
    coldReads.isUnderWay = false
    for record in loaded {
      if record.reason.isEmpty || record.isDamaged {
        take(record)
      } else {
        readFailed(record, at: now, into: &effects)
      }
    }
    serveLoaded(at: now, into: &effects)
  }

  /// What is wanted is not demoted anew: a record that is cold still is the one that was asked for.
  private mutating func take(_ loaded: LoadedRecord) {
    let hash = StableHash.of(loaded.key.bytes)
    guard let wanted = coldReads.wanted[hash] else { return }
    if let entry = table.find(loaded.key, hash), table[entry].isCold {
      let isPromoted = loaded.envelope.withUnsafeBytes { table.promote(entry, $0) }
      if isPromoted {
        coldReads.damaged[hash] = nil
        statistic.promotions += 1
      } else {
        if coldReads.damaged[hash] == nil { statistic.damagedRecords += 1 }
        coldReads.damaged[hash] =
          loaded.reason.isEmpty ? "the log holds another record" : loaded.reason
      }
    }
    coldReads.wanted[hash] = nil
    coldReads.heirCount -= wanted.heirs.count
    guard let entry = table.find(loaded.key, hash), !table[entry].isCold else { return }
    for heir in wanted.heirs {
      if let link = linkIndex(heir) { links[link].note(entry, flushAt: 0) }
    }
  }

  /// Refuses who waits for an answer; what other shards sent waits for another try, because what it is to
  /// be merged with is still there.
  private mutating func readFailed(
    _ loaded: LoadedRecord, at now: Now, into effects: inout [Effect]
  ) {
    let hash = StableHash.of(loaded.key.bytes)
    guard coldReads.wanted[hash] != nil else { return }
    var failure = Failure(
      .storageFailed, "what is stored under \(loaded.key) cannot be read now: \(loaded.reason)",
      hint: "ask again: it is tried every \(limits.logRetryInterval)")
    failure.retryAfter = limits.logRetryInterval
    for waiting in coldReads.waiting where waiting.isQuestion(about: hash) {
      refuse(waiting.input, failure, &effects)
    }
    coldReads.removeAll { $0.isQuestion(about: hash) }
    guard coldReads.isNeeded(hash) else {
      coldReads.wanted[hash] = nil
      return
    }
    coldReads.queue.append(hash)
    coldReads.retryAt = now.monotonic &+ limits.logRetryInterval.wholeNanoseconds
  }

  /// Serves what waits for nothing on the disk any more, in the order it came.
  mutating func serveLoaded(at now: Now, into effects: inout [Effect]) {
    guard !coldReads.waiting.isEmpty else { return }
    let ready = coldReads.takeReady { [table, wanted = coldReads.wanted] key, hash in
      guard wanted[hash] != nil else { return false }
      return table.find(key, hash).map { table[$0].isCold } == true
    }
    for waiting in ready {
      guard waiting.order == .byKey, let damage = damage(to: waiting.keys) else {
        act(on: waiting.input, at: now, into: &effects)
        continue
      }
      guard !askOthers(about: damage.keys, for: waiting.input, into: &effects) else { continue }
      refuse(waiting.input, damage.failure, &effects)
    }
  }

  /// Those of the keys whose records could not be read.
  func damage(to keys: [Key]) -> (keys: [Key], failure: Failure)? {
    guard !coldReads.damaged.isEmpty else { return nil }
    let lost = keys.filter { damage(to: $0) != nil }
    guard let first = lost.first, let reason = damage(to: first) else { return nil }
    return (lost, Self.damaged(first, reason))
  }

  /// Why a key's record could not be read; nil where it could, or another one has taken its place.
  package func damage(to key: Key) -> String? {
    let hash = StableHash.of(key.bytes)
    guard let reason = coldReads.damaged[hash], let entry = table.find(key, hash),
      table[entry].isCold
    else { return nil }
    return reason
  }

  static func damaged(_ key: Key, _ reason: String) -> Failure {
    Failure(
      .storageFailed, "what is stored under \(key) cannot be read: \(reason)",
      hint: "its disk is damaged: restore the data folder from a copy")
  }

  /// Has the other copies tell what they hold of records that cannot be read here.
  private mutating func askOthers(
    about keys: [Key], for input: Input, into effects: inout [Effect]
  ) -> Bool {
    // While keys move, a copy may have but a part of a record.
    guard placement.isQuiet, !placement.isAlone else { return false }
    var asked: [RingMember: [Key]] = [:]
    for key in keys {
      for other in others(of: StableHash.of(key.bytes)) {
        guard let link = linkIndex(other), links[link].isUp else { continue }
        asked[other, default: []].append(key)
      }
    }
    guard !asked.isEmpty else { return false }
    ask(asked, for: input, keys, into: &effects)
    return true
  }

  /// What another copy sends takes the place of a record that cannot be read here.
  mutating func giveUpDamaged(_ key: Key) {
    guard !coldReads.damaged.isEmpty, damage(to: key) != nil else { return }
    let hash = StableHash.of(key.bytes)
    guard let entry = table.find(key, hash) else { return }
    coldReads.damaged[hash] = nil
    statistic.recoveredRecords += 1
    forget(entry)
  }

  func refuse(_ input: Input, _ failure: Failure, _ effects: inout [Effect]) {
    switch input {
    case .request(_, let number, let peer), .watch(_, let number, let peer):
      var failure = failure
      if failure.code == .overloaded { failure.retryAfter = .milliseconds(50) }
      effects.append(.refuse(failure, number: number, to: peer))
    default: break
    }
  }

  /// A peer that is gone asks for nothing.
  mutating func endColdReads(of peer: PeerID) {
    coldReads.removeAll { waiting in
      switch waiting.input {
      case .request(let request, _, let asker):
        asker == peer && (request.type == .get || request.subscribe)
      case .watch(_, _, let asker), .unwatch(_, _, let asker), .replicate(_, _, let asker),
        .holderRequest(_, _, let asker), .replicaWord(_, let asker):
        asker == peer
      default: false
      }
    }
  }
}

extension StorageShard.Input {
  /// Somebody waits for an answer, and can be refused one.
  fileprivate var isQuestion: Bool {
    switch self {
    case .request, .watch: true
    default: false
    }
  }
}
