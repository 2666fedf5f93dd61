package import ClusterModel
package import WireProtocol

/// The versions a client has written or read lately, so that its next calls read nothing older.
///
/// Holds the `keysMax` keys used last. A key pushed out by later ones is no longer covered, which
/// costs freshness within the cache's push period, never a value.
package struct SessionVersions: Sendable {
  private struct Entry {
    var version: Version
    /// The latest that a restart of its shard does not lose.
    var durable: Version
    var lastUse: UInt64
  }

  package let keysMax: Int
  private var entries: [Key: Entry] = [:]
  /// Uses in order, oldest first; a use counts only while it is its key's last one.
  private var uses: [(key: Key, use: UInt64)] = []
  private var firstUse = 0
  private var useCount: UInt64 = 0
  /// The token of calls without references; nil after a change.
  private var recentToken: Bytes?

  package init(keysMax: Int = 1024) {
    precondition(keysMax >= Limits.sessionEntriesMax, "a token's worth of keys fits")
    self.keysMax = keysMax
  }

  package var count: Int { entries.count }
  package subscript(key: Key) -> Version? { entries[key]?.version }

  /// Takes note that the session has seen `version`; an older one than known changes nothing.
  package mutating func record(_ key: Key, _ version: Version, isVolatile: Bool) {
    guard version != .none else { return }
    let known = entries[key]
    guard known.map({ version > $0.version }) ?? true else { return }
    useCount += 1
    // The key may be a slice of a large frame: keep the key alone.
    let owned = known == nil ? Key(trusted: Bytes(Array(key.bytes))) : key
    let durable = isVolatile ? known?.durable ?? .none : version
    entries[owned] = Entry(version: version, durable: durable, lastUse: useCount)
    uses.append((owned, useCount))
    recentToken = nil
    if entries.count > keysMax { dropOldest() }
    // What is not current any more stays the smaller part: a token is made from the end backwards.
    if uses.count > 2 * entries.count + Limits.sessionEntriesMax { compact() }
  }

  package mutating func merge(_ token: SessionToken, isVolatile: Bool) {
    for entry in token.entries { record(entry.key, entry.version, isVolatile: isVolatile) }
  }

  /// Forgets what a restarted shard may have lost: to ask for it would end in `KEY_NOT_FOUND`
  /// although the key has an older, durable state.
  package mutating func forgetVolatile(where isLost: (Key) -> Bool) {
    for (key, entry) in entries where entry.version != entry.durable && isLost(key) {
      entries[key]?.version = entry.durable
    }
    entries = entries.filter { $0.value.version != .none }
    compact()
    recentToken = nil
  }

  /// The session bytes of a call: its references first, then the latest keys, at most
  /// `Limits.sessionEntriesMax`.
  package mutating func token(for references: [Key]) -> Bytes {
    if entries.isEmpty { return [] }
    if references.isEmpty, let recentToken { return recentToken }
    var token = SessionToken()
    var included: Set<Key> = []
    for key in references.prefix(Limits.sessionEntriesMax) {
      guard let entry = entries[key], included.insert(key).inserted else { continue }
      token.entries.append(.init(key: key, version: entry.version))
    }
    for (key, use) in uses[firstUse...].reversed() {
      guard token.entries.count < Limits.sessionEntriesMax else { break }
      guard let entry = entries[key], entry.lastUse == use, !included.contains(key) else {
        continue
      }
      token.entries.append(.init(key: key, version: entry.version))
    }
    let bytes = token.encoded()
    if references.isEmpty { recentToken = bytes }
    return bytes
  }

  private func isCurrent(_ use: (key: Key, use: UInt64)) -> Bool {
    entries[use.key]?.lastUse == use.use
  }

  private mutating func dropOldest() {
    while !isCurrent(uses[firstUse]) { firstUse += 1 }
    entries[uses[firstUse].key] = nil
    firstUse += 1
  }

  private mutating func compact() {
    let current = uses[firstUse...].filter(isCurrent)
    uses = current
    firstUse = 0
  }
}
