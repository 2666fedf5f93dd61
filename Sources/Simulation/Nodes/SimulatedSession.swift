import ClusterModel
import WireProtocol

/// The versions that a client has seen, and what it sends along with a call: as `SessionVersions` of
/// the client SDK does it.
struct SimulatedSession {
  private struct Seen {
    var version = Version.none
    /// The latest that a restart of the shard does not lose.
    var durable = Version.none
  }

  private var versions: [Key: Seen] = [:]
  /// Of the store's own answers alone: a cache may know a version that the store has lost.
  private var seenInStore: [Key: Version] = [:]
  private var storage: Incarnation?

  /// A shard that lost its memory may have lost what was seen in it.
  ///
  /// - Returns: whether this is another life of it.
  mutating func storageIs(_ incarnation: Incarnation) -> Bool {
    defer { storage = incarnation }
    guard let storage, storage != incarnation else { return false }
    versions = versions.mapValues { Seen(version: $0.durable, durable: $0.durable) }
    seenInStore = [:]
    return true
  }

  /// - Returns: what is wrong with the version of an answer; nil when it is as late as any before.
  mutating func take(_ tuple: KeyTuple, at level: WriteLevel) -> String? {
    let seen = seenInStore[tuple.key] ?? .none
    guard tuple.version != .none else {
      // Absent and never deleted: then nothing can have been seen.
      return seen == .none ? nil : "\(tuple.key) has no version after \(seen)"
    }
    seenInStore[tuple.key] = max(seen, tuple.version)
    note(tuple.version, of: tuple.key, at: level)
    return tuple.version < seen ? "\(tuple.key) is at \(tuple.version) after \(seen)" : nil
  }

  mutating func take(_ result: CallResult, at level: WriteLevel) {
    guard let token = try? SessionToken.decode(result.session) else { return }
    for entry in token.entries { note(entry.version, of: entry.key, at: level) }
  }

  private mutating func note(_ version: Version, of key: Key, at level: WriteLevel) {
    var seen = versions[key] ?? Seen()
    seen.version = max(seen.version, version)
    if level >= .durable { seen.durable = max(seen.durable, version) }
    versions[key] = seen
  }

  /// `SessionToken` bytes, keys in order.
  var token: Bytes {
    var token = SessionToken()
    for (key, seen) in versions.sorted(by: { $0.key < $1.key }) where seen.version != .none {
      token.entries.append(.init(key: key, version: seen.version))
    }
    return token.entries.isEmpty ? [] : token.encoded()
  }
}
