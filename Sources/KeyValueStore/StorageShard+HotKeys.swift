import ClusterModel
import WireProtocol

/// A key that is asked for so often that more shards than its owners serve it, as one of its owners
/// knows it (Anna, VLDB 2019: selective replication).
struct HotKey {
  struct Replica {
    let member: RingMember
    let life: Incarnation
    /// It has said that it holds the key.
    var isConfirmed = false
    /// It has heard of all owners.
    var isServing = false
    /// In `AccessRates.window`.
    var requests: UInt64 = 0
  }

  let key: Key
  /// Of this hosting, in all words about it.
  let number: UInt64
  /// Written to as if they were owners, from before they serve until they say that they do not.
  var replicas: [Replica]
  var isLeaving = false
  /// Monotonic; when the first owner spoke of it last.
  var invitedAt: UInt64
  /// Times in a row that it was found not to be hot any more.
  var coolCount = 0
}

/// What owners do for their hot keys.
///
/// The first owner sees that a key is hot, chooses shards and invites the other owners. Each owner then
/// sends its record to those shards and writes to them from there on; so one that has heard of all owners
/// has every acknowledged write, gets every later one before it is acknowledged, and serves the key.
/// An owner that wants to end it goes on writing to a replica until that has said that it serves no more;
/// until then it tells no shard that takes over what it holds of the key. So nobody can acknowledge a write
/// that a replica does not have and still answers for. See decision 38.
extension StorageShard {
  /// Times in a row that a key has to be found cool, and that an owner looks before it takes the first
  /// owner's silence for an end.
  private static let coolMax = 3
  private static let silentMax: UInt64 = 5

  /// The other shards that are to have every change of a key.
  func others(of hash: UInt64) -> [RingMember] {
    var others = placement.others(of: hash)
    if let hot = hotKeys[hash] {
      for replica in hot.replicas where !others.contains(replica.member) {
        others.append(replica.member)
      }
    }
    if let extra = extraReplicas[hash] {
      for other in extra.others where !others.contains(other) { others.append(other) }
    }
    return others
  }

  private var isSettledOwner: Bool {
    placement.isQuiet && !placement.isAlone
  }

  /// Gives extra replicas to what is asked for far more often than other keys.
  mutating func judgeNoticed(at now: Now, into effects: inout [Effect]) {
    for hash in rates.takeNoticed() {
      guard isSettledOwner, placement.isFirstOwner(of: hash), hotKeys[hash] == nil,
        hotKeys.count < limits.hotKeysMax, rates.isFarAboveMean(hash),
        let entry = table.find(hash: hash),
        !table[entry].isCold, table[entry].envelopeByteCount <= limits.hotRecordBytesMax
      else { continue }
      host(table[entry].key, hash, at: choice(hash), now, into: &effects)
      guard let hot = hotKeys[hash] else { continue }
      statistic.hostings += 1
      tellOwners(.invite, of: hot, hash, into: &effects)
    }
  }

  /// The shards that would be its owners if there were more copies, as far as they can be reached.
  private func choice(_ hash: UInt64) -> [RingMember] {
    let view = placement.view
    let owners = placement.members(of: hash)
    return view.ring.owners(of: hash, copies: owners.count + limits.extraReplicasMax)
      .filter { member in
        !owners.contains(member) && linkIndex(member).map { links[$0].isUp } == true
      }
  }

  private mutating func host(
    _ key: Key, _ hash: UInt64, at members: [RingMember], _ now: Now,
    into effects: inout [Effect]
  ) {
    let replicas = members.compactMap { member in
      placement.view.shard(member).map {
        HotKey.Replica(member: member, life: $0.incarnation)
      }
    }
    guard !replicas.isEmpty else { return }
    hostings += 1
    let hot = HotKey(key: key, number: hostings, replicas: replicas, invitedAt: now.monotonic)
    hotKeys[hash] = hot
    for replica in replicas { instruct(replica.member, about: hot, into: &effects) }
    let due = now.monotonic &+ AccessRates.window.wholeNanoseconds
    hotKeysAt = min(hotKeysAt ?? due, due)
  }

  func replicaWord(_ kind: ReplicaWord.Kind, _ key: Key, _ number: UInt64) -> ReplicaWord {
    var word = ReplicaWord()
    word.kind = kind
    word.epoch = placement.view.epoch
    word.key = key
    word.number = number
    return word
  }

  /// Tells a replica what it is to do: hold the key, or serve it no more.
  private mutating func instruct(
    _ member: RingMember, about hot: HotKey, into effects: inout [Effect]
  ) {
    let entry = table.find(hot.key)
    // Once the record is in memory, it is said with the next window.
    if !hot.isLeaving, let entry, table[entry].isCold { return want(entry) }
    var word = replicaWord(hot.isLeaving ? .dismiss : .host, hot.key, hot.number)
    if !hot.isLeaving {
      word.replicas = hot.replicas.map(\.member.description)
      if let entry { word.record = table[entry].envelope }
    }
    effects.append(.replicaWord(word, to: member))
  }

  /// From the first owner to the others: the key is hot, or is not any more.
  private func tellOwners(
    _ kind: ReplicaWord.Kind, of hot: HotKey, _ hash: UInt64, into effects: inout [Effect]
  ) {
    var word = replicaWord(kind, hot.key, hot.number)
    if kind == .invite { word.replicas = hot.replicas.map(\.member.description) }
    for owner in placement.members(of: hash) where owner != configuration.me {
      effects.append(.replicaWord(word, to: owner))
    }
  }

  /// Asks the replicas of a key to serve it no more.
  private mutating func dismiss(_ hash: UInt64, into effects: inout [Effect]) {
    hotKeys[hash]?.isLeaving = true
    guard let hot = hotKeys[hash] else { return }
    for replica in hot.replicas { instruct(replica.member, about: hot, into: &effects) }
  }

  /// Every window: what was not answered is said again, and what is not hot any more ends.
  mutating func lookAfterHotKeys(at now: Now, into effects: inout [Effect]) {
    for hash in hotKeys.keys.sorted() {
      guard let hot = hotKeys[hash] else { continue }
      let isFirst = placement.isFirstOwner(of: hash)
      if hot.isLeaving {
        dismiss(hash, into: &effects)
      } else if isOver(hash, hot, at: now) {
        dismiss(hash, into: &effects)
        if isFirst { tellOwners(.uninvite, of: hot, hash, into: &effects) }
      } else {
        for replica in hot.replicas where !replica.isConfirmed {
          instruct(replica.member, about: hot, into: &effects)
        }
        if isFirst { tellOwners(.invite, of: hot, hash, into: &effects) }
      }
    }
    let due = now.monotonic &+ AccessRates.window.wholeNanoseconds
    hotKeysAt = hotKeys.isEmpty ? nil : due
    tellClients(into: &effects)
  }

  private mutating func isOver(_ hash: UInt64, _ hot: HotKey, at now: Now) -> Bool {
    guard placement.isFirstOwner(of: hash) else {
      let silence = AccessRates.window.wholeNanoseconds * Self.silentMax
      return now.monotonic > hot.invitedAt &+ silence
    }
    let requests = hot.replicas.reduce(rates.count(of: hash, at: now.monotonic)) {
      $0 + $1.requests
    }
    let isCool = requests < UInt64(rates.noticeFrom) / 2
    hotKeys[hash]?.coolCount = isCool ? hot.coolCount + 1 : 0
    return isCool && hot.coolCount + 1 >= Self.coolMax
  }

  /// After a change of the ring: whoever does not live any more serves nothing; the others are to say that
  /// they do not.
  mutating func dismissReplicas(of view: RingView, at now: Now, into effects: inout [Effect]) {
    for hash in hotKeys.keys.sorted() {
      hotKeys[hash]?.replicas.removeAll { view.shard($0.member)?.incarnation != $0.life }
      dismiss(hash, into: &effects)
      endIfLeft(hash, at: now, into: &effects)
    }
    tellClients(into: &effects)
  }

  /// What the other end of a new connection may not have heard.
  mutating func repeatReplicaWords(to member: RingMember, into effects: inout [Effect]) {
    for hash in hotKeys.keys.sorted() {
      guard let hot = hotKeys[hash], hot.replicas.contains(where: { $0.member == member })
      else { continue }
      instruct(member, about: hot, into: &effects)
    }
  }

  /// Another shard's word.
  mutating func take(
    _ word: ReplicaWord, from peer: PeerID, at now: Now, into effects: inout [Effect]
  ) {
    guard let sender = peers[peer]?.shard, Key(checking: word.key.bytes) != nil else { return }
    let hash = StableHash.of(word.key.bytes)
    let isFromFirst =
      isSettledOwner && word.epoch == placement.view.epoch
      && placement.members(of: hash).first == sender.member
    switch word.kind {
    case .none: break
    case .host: hold(word, hash, for: sender.member, at: now, into: &effects)
    case .dismiss: leave(word, hash, toldBy: sender.member, at: now, into: &effects)
    case .invite where isFromFirst && placement.isOwner(of: hash):
      takeInvitation(word, hash, at: now, into: &effects)
    case .uninvite where isFromFirst && hotKeys[hash] != nil: dismiss(hash, into: &effects)
    case .invite, .uninvite: break
    case .hosted, .left: takeReplicasWord(word, hash, from: sender, at: now, into: &effects)
    }
  }

  private mutating func takeInvitation(
    _ word: ReplicaWord, _ hash: UInt64, at now: Now, into effects: inout [Effect]
  ) {
    if hotKeys[hash] != nil {
      hotKeys[hash]?.invitedAt = now.monotonic
    } else {
      let key = Key(trusted: Bytes(Array(word.key.bytes)))
      let members = word.replicas.compactMap { RingMember($0) }
      let owners = placement.members(of: hash)
      host(key, hash, at: members.filter { !owners.contains($0) }, now, into: &effects)
    }
  }

  private mutating func takeReplicasWord(
    _ word: ReplicaWord, _ hash: UInt64, from sender: ShardAddress, at now: Now,
    into effects: inout [Effect]
  ) {
    guard var hot = hotKeys[hash], hot.number == word.number,
      let index = hot.replicas.firstIndex(where: {
        $0.member == sender.member && $0.life == sender.incarnation
      })
    else { return }
    if word.kind == .left {
      hot.replicas.remove(at: index)
    } else {
      hot.replicas[index].isConfirmed = true
      hot.replicas[index].isServing = word.isServing
      hot.replicas[index].requests = word.requests
    }
    hotKeys[hash] = hot
    // Nobody waits for what has left: its log may take nothing any more.
    if word.kind == .left { rejudgeWaiting(at: now, into: &effects) }
    endIfLeft(hash, at: now, into: &effects)
    tellClients(into: &effects)
  }

  private mutating func endIfLeft(
    _ hash: UInt64, at now: Now, into effects: inout [Effect]
  ) {
    guard hotKeys[hash]?.replicas.isEmpty == true else { return }
    hotKeys[hash] = nil
    let waiting = postponed
    postponed = []
    for (request, number, peer) in waiting {
      take(.holderRequest(request, number: number, from: peer), at: now, into: &effects)
    }
  }

  /// Who else serves the keys of which this shard is the first owner.
  private mutating func tellClients(into effects: inout [Effect]) {
    var list = HotKeyList()
    list.epoch = placement.view.epoch
    for hash in hotKeys.keys.sorted() where placement.isFirstOwner(of: hash) {
      guard let hot = hotKeys[hash], !hot.isLeaving else { continue }
      var entry = HotKeyList.Entry()
      entry.hash = hash
      entry.replicas = hot.replicas.filter(\.isServing).map(\.member.description)
      if !entry.replicas.isEmpty { list.keys.append(entry) }
    }
    guard list.keys != told.keys else { return }
    told = list
    for peer in peers.keys.sorted() where peers[peer]?.role == .client {
      effects.append(.hotKeys(list, to: peer))
    }
  }
}
