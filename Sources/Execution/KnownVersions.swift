import ClusterModel
import WireProtocol

/// The least versions that a call's reads may return: its session's, and what it has read itself.
///
/// The session's keys all stay, and of the call's own the latest `ownMax`. A look-up compares hashes
/// that lie side by side, so that a call that reads a hundred thousand keys spends less on this than
/// on the look-up in the shared cache.
struct KnownVersions {
  /// Beyond these the oldest goes.
  static let ownMax = Limits.sessionEntriesMax

  private struct Entry {
    let key: Key
    var version: Version
    /// The note that gave it its version, from 1; 0: the session's, and the call read no later one.
    var order: UInt64
    /// The latest that a later call may insist on; `Version.none` for none.
    var carried: Version
  }

  private var hashes: [UInt64] = []
  private var entries: [Entry] = []
  private var sessionCount = 0
  private var lastOrder: UInt64 = 0
  /// The own entry that goes next, once there is no more room.
  private var hand = 0

  init() {}

  init(of session: SessionToken) {
    for entry in session.entries {
      let hash = StableHash.of(entry.key.bytes)
      if let place = place(of: entry.key, hash: hash) {
        entries[place].version = max(entries[place].version, entry.version)
      } else {
        hashes.append(hash)
        entries.append(Entry(key: entry.key, version: entry.version, order: 0, carried: .none))
      }
    }
    sessionCount = entries.count
    hand = sessionCount
  }

  /// `Version.none` where any version will do.
  func minimum(of key: Key) -> Version {
    guard !entries.isEmpty else { return .none }
    return place(of: key, hash: StableHash.of(key.bytes)).map { entries[$0].version } ?? .none
  }

  /// Takes note of a version that the call has read; an older one than known changes nothing.
  ///
  /// - Parameter travels: whether later calls may insist on it.
  /// - Returns: whether it is as late as what was known.
  mutating func take(_ version: Version, of key: Key, travels: Bool) -> Bool {
    let hash = StableHash.of(key.bytes)
    guard let place = place(of: key, hash: hash) else {
      if version != .none {
        let carried = travels ? version : .none
        add(Entry(key: key, version: version, order: nextOrder(), carried: carried), hash: hash)
      }
      return true
    }
    let known = entries[place].version
    guard known < version else { return known == version }
    let order = nextOrder()
    entries[place].version = version
    entries[place].order = order
    if travels { entries[place].carried = version }
    return true
  }

  /// What the call has read that later calls may insist on, oldest first: the latest
  /// `Limits.sessionEntriesMax`.
  var token: SessionToken {
    let read = entries.filter { $0.carried != .none }.sorted { $0.order < $1.order }
    var token = SessionToken()
    token.entries = read.suffix(Limits.sessionEntriesMax).map {
      SessionToken.Entry(key: $0.key, version: $0.carried)
    }
    return token
  }

  private func place(of key: Key, hash: UInt64) -> Int? {
    for place in hashes.indices where hashes[place] == hash && entries[place].key == key {
      return place
    }
    return nil
  }

  private mutating func nextOrder() -> UInt64 {
    lastOrder += 1
    return lastOrder
  }

  private mutating func add(_ entry: Entry, hash: UInt64) {
    guard entries.count - sessionCount == Self.ownMax else {
      hashes.append(hash)
      return entries.append(entry)
    }
    // What was read again since it came here is among the latest, and stays for another round.
    while entries[hand].order + UInt64(Self.ownMax / 2) > lastOrder { moveHand() }
    hashes[hand] = hash
    entries[hand] = entry
    moveHand()
  }

  private mutating func moveHand() {
    hand += 1
    if hand == entries.count { hand = sessionCount }
  }
}
