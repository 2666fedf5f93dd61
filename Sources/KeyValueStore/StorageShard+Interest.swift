import ClusterModel
import WireProtocol

/// One peer's wish to hear of a key.
struct Interest {
  enum Kind: Equatable {
    case watch(UInt64)
    /// A cache's; on its push stream.
    case subscription
  }

  let peer: PeerID
  let kind: Kind
  /// Monotonic; when an update last went out. 0 before the first.
  var sentAt: UInt64 = 0
  /// An update waits in the peer's queue.
  var isPending = false
}

/// What the shard knows of a connected peer.
struct Peer {
  struct Pending {
    let key: Key
    let kind: Interest.Kind
  }

  let role: PeerRole
  /// Of a shard: which one, in which life.
  let shard: ShardAddress?
  /// Of its stream of records: the last frame merged, the last one in the log, those in between with
  /// the log sequences that cover them.
  var merged: UInt64 = 0
  var logged: UInt64 = 0
  var unlogged: [(number: UInt64, sequence: UInt64)] = []
  var watches: [UInt64: Key] = [:]
  var subscriptions: Set<Key> = []
  /// Number of the last push sent, and of the last acknowledged.
  var pushed: UInt64 = 0
  var acknowledged: UInt64 = 0
  /// Updates that wait for their period or for the window, oldest first, one a key and kind.
  var pending: [Pending] = []
  /// Monotonic; nil while nothing waits, or only for the window.
  var flushAt: UInt64?

  init(role: PeerRole, shard: ShardAddress? = nil) {
    self.role = role
    self.shard = shard
  }
}

/// Watches, subscriptions, and the streams that serve them: the first update of a key goes out at
/// once, later ones are coalesced for a period; every update is the whole state.
extension StorageShard {
  mutating func watch(
    _ request: WatchRequest, number: UInt64, from peer: PeerID, at now: Now,
    into effects: inout [Effect]
  ) {
    guard Key(checking: request.key.bytes) != nil else {
      effects.append(.refuse(Self.keyInvalid(request.key), number: number, to: peer))
      return
    }
    guard let held = peers[peer], held.watches.count < limits.watchesPerPeerMax else {
      let failure = Failure(
        .overloaded, "one connection watches at most \(limits.watchesPerPeerMax) keys")
      effects.append(.refuse(failure, number: number, to: peer))
      return
    }
    // Asked again under the same number (a repeat after a reconnection): the new one counts.
    if held.watches[number] != nil { unwatch(nil, number: number, from: peer) }
    if let failure = refusal(of: request.key) {
      effects.append(.refuse(failure, number: number, to: peer))
      return
    }
    let key = Key(trusted: Bytes(Array(request.key.bytes)))
    let entry = table.find(key)
    var interest = Interest(peer: peer, kind: .watch(number))
    let event = answer(key, entry, at: now)
    if event.failure != nil || event.version > request.known {
      effects.append(.watchEvent(response([event]), number: number, to: peer))
      interest.sentAt = now.monotonic
    }
    peers[peer]?.watches[number] = key
    add(interest, to: key, entry)
  }

  /// - Returns: why not; nil when the peer hears of the key from now on.
  mutating func subscribe(
    _ asker: Asker, to key: Key, _ entry: Int?, at now: Now
  ) -> Failure? {
    guard let held = peers[asker.peer], asker.role != .client else {
      return Failure(.notAllowed, "clients watch keys; only caches subscribe to them")
    }
    if held.subscriptions.contains(key) { return nil }
    guard held.subscriptions.count < limits.subscriptionsPerPeerMax else {
      return Failure(
        .overloaded, "one cache subscribes to at most \(limits.subscriptionsPerPeerMax) keys")
    }
    let key = Key(trusted: Bytes(Array(key.bytes)))
    if held.subscriptions.isEmpty { startHeartbeats(for: asker.peer, at: now) }
    peers[asker.peer]?.subscriptions.insert(key)
    add(Interest(peer: asker.peer, kind: .subscription), to: key, entry)
    return nil
  }

  mutating func unwatch(_ key: Key?, number: UInt64, from peer: PeerID) {
    if let key {
      guard peers[peer]?.subscriptions.remove(key) != nil else { return }
      remove(.subscription, of: peer, from: key)
      if peers[peer]?.subscriptions.isEmpty == true { subscribers.removeAll { $0 == peer } }
    } else if let key = peers[peer]?.watches.removeValue(forKey: number) {
      remove(.watch(number), of: peer, from: key)
    }
  }

  mutating func forget(_ peer: PeerID) {
    guard let gone = peers.removeValue(forKey: peer) else { return }
    // Removing them in whatever order the sets have leaves the same interests.
    for (number, key) in gone.watches { remove(.watch(number), of: peer, from: key) }
    for key in gone.subscriptions { remove(.subscription, of: peer, from: key) }
    flushQueue.removeAll { $0 == peer }
    subscribers.removeAll { $0 == peer }
    shardPeers.removeAll { $0 == peer }
    early.removeAll { $0.peer == peer }
    endColdReads(of: peer)
  }

  private mutating func add(_ interest: Interest, to key: Key, _ entry: Int?) {
    interests[key, default: []].append(interest)
    if let entry { table[entry].isObserved = true }
  }

  private mutating func remove(_ kind: Interest.Kind, of peer: PeerID, from key: Key) {
    guard var list = interests[key] else { return }
    list.removeAll { $0.peer == peer && $0.kind == kind }
    interests[key] = list.isEmpty ? nil : list
    if list.isEmpty, let entry = table.find(key) { table[entry].isObserved = false }
  }
}
