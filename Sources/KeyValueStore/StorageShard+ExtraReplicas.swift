import ClusterModel
import WireProtocol

/// A hot key that a shard holds besides its owners.
struct ExtraReplica {
  let key: Key
  /// The owners that write to this shard, and the number each gave it last.
  var owners: [RingMember: UInt64] = [:]
  /// The other extra replicas.
  var others: [RingMember] = []
  /// All owners write to this shard: it has every acknowledged write of the key.
  var isServing = false
}

/// What a shard does that holds extra replicas: GETs and writes of clients, as an owner does. Watches and
/// subscriptions of caches stay with the owners.
extension StorageShard {
  /// How often departing entries are tried to be forgotten.
  private static let departureInterval = Duration.milliseconds(50)

  func servesReplica(of key: some Sequence<UInt8>, _ hash: UInt64) -> Bool {
    guard !extraReplicas.isEmpty, let extra = extraReplicas[hash], extra.isServing else {
      return false
    }
    return extra.key.bytes.elementsEqual(key)
  }

  /// Whether a record that another shard sends is of a key held here. By a ring that both know and nobody
  /// hands over in, what is of no such key was of an extra replica that has left.
  func isHeld(_ key: Key, at epoch: UInt64) -> Bool {
    guard epoch == placement.view.epoch, placement.view.isSettled, !placement.isFenced,
      !placement.isAlone
    else { return true }
    let hash = StableHash.of(key.bytes)
    return placement.isOwner(of: hash) || extraReplicas[hash] != nil
  }

  /// An owner has this shard hold a key; it serves it once all owners do.
  mutating func hold(
    _ word: ReplicaWord, _ hash: UInt64, for owner: RingMember, at now: Now,
    into effects: inout [Effect]
  ) {
    let owners = placement.members(of: hash)
    guard word.epoch == placement.view.epoch, placement.isQuiet, logTrouble == nil,
      owners.contains(owner), !owners.contains(configuration.me)
    else { return }
    let key = Key(trusted: Bytes(Array(word.key.bytes)))
    var extra = extraReplicas[hash] ?? ExtraReplica(key: key)
    extra.owners[owner] = word.number
    for other in word.replicas.compactMap({ RingMember($0) })
    where other != configuration.me && !extra.others.contains(other) {
      extra.others.append(other)
    }
    let wasServing = extra.isServing
    extra.isServing = owners.allSatisfy { extra.owners[$0] != nil }
    extraReplicas[hash] = extra
    departing.removeAll { $0 == key }
    if let record = try? Record(word.record) {
      var tuple = KeyTuple(key: key)
      tuple.record = word.record
      mergeReplica(record, tuple, at: now, into: &effects)
    }
    let told = wasServing ? [owner] : owners
    for owner in told { sayHosted(hash, to: owner, at: now, into: &effects) }
    let due = now.monotonic &+ AccessRates.window.wholeNanoseconds
    replicasAt = min(replicasAt ?? due, due)
  }

  private func sayHosted(
    _ hash: UInt64, to owner: RingMember, at now: Now, into effects: inout [Effect]
  ) {
    guard let extra = extraReplicas[hash], let number = extra.owners[owner] else { return }
    var word = replicaWord(.hosted, extra.key, number)
    word.isServing = extra.isServing
    word.requests = rates.count(of: hash, at: now.monotonic)
    effects.append(.replicaWord(word, to: owner))
  }

  private func sayLeft(
    _ key: Key, _ number: UInt64, to owner: RingMember, into effects: inout [Effect]
  ) {
    effects.append(.replicaWord(replicaWord(.left, key, number), to: owner))
  }

  /// An owner does not want this shard to serve a key any more.
  mutating func leave(
    _ word: ReplicaWord, _ hash: UInt64, toldBy owner: RingMember, at now: Now,
    into effects: inout [Effect]
  ) {
    if let number = extraReplicas[hash]?.owners[owner] {
      // One that it said before it had this shard hold the key again.
      guard number <= word.number else { return }
      end(hash, at: now.monotonic, into: &effects)
    }
    sayLeft(word.key, word.number, to: owner, into: &effects)
  }

  /// By another ring, other shards may be owners, which do not write to this one. While the log takes no
  /// writes, owners should not wait for it.
  mutating func endReplicas(into effects: inout [Effect]) {
    for hash in extraReplicas.keys.sorted() { end(hash, at: 0, into: &effects) }
  }

  private mutating func end(
    _ hash: UInt64, at time: UInt64, into effects: inout [Effect]
  ) {
    guard let extra = extraReplicas.removeValue(forKey: hash) else { return }
    for (owner, number) in extra.owners.sorted(by: { $0.key < $1.key }) {
      sayLeft(extra.key, number, to: owner, into: &effects)
    }
    departing.append(extra.key)
    replicasAt = min(replicasAt ?? time, time)
  }

  /// Tells the first owners how often their keys are asked for here; forgets what has left, once what was
  /// written here is in the owners' logs.
  mutating func lookAfterReplicas(at now: Now, into effects: inout [Effect]) {
    for (hash, _) in extraReplicas.sorted(by: { $0.key < $1.key }) {
      guard let first = placement.members(of: hash).first else { continue }
      sayHosted(hash, to: first, at: now, into: &effects)
    }
    let all = departing
    departing = []
    for key in all {
      let hash = StableHash.of(key.bytes)
      guard let entry = table.find(key, hash), !placement.isOwner(of: hash),
        extraReplicas[hash] == nil
      else { continue }
      if placement.view.isSettled, canForget(entry) { forget(entry) } else { departing.append(key) }
    }
    let pause: Duration? =
      !departing.isEmpty
      ? Self.departureInterval : extraReplicas.isEmpty ? nil : AccessRates.window
    replicasAt = pause.map { now.monotonic &+ $0.wholeNanoseconds }
  }
}
