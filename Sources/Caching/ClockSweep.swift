import ClusterModel

/// The CLOCK algorithm over the keys in the cache: a hand goes round, spares once what was used since
/// it came by last, and takes the rest.
struct ClockSweep {
  private(set) var ring: [Key] = []
  private var hand = 0
  /// By hash: keys that share a slot are used together.
  private var used: [UInt8]

  init(slots: Int) { used = [UInt8](repeating: 0, count: slots) }

  /// - Returns: the key's place.
  mutating func add(_ key: Key) -> Int {
    ring.append(key)
    return ring.count - 1
  }

  /// - Returns: the key that takes the freed place.
  mutating func remove(at place: Int) -> Key? {
    let last = ring.removeLast()
    guard place < ring.count else { return nil }
    ring[place] = last
    return last
  }

  mutating func note(_ references: [UInt8]) {
    for (slot, value) in references.prefix(used.count).enumerated() where value != 0 {
      used[slot] = 1
    }
  }

  /// Keys that were not used since the hand passed them, until they free `bytes` in sum or the hand has
  /// been round twice.
  ///
  /// - Parameter cost: of a key's record; nil for one that must stay.
  mutating func victims(freeing bytes: Int, cost: (Key) -> Int?) -> [Key] {
    var victims: [Key] = []
    var chosen: Set<Key> = []
    var freed = 0
    for _ in 0..<2 * ring.count where freed < bytes {
      if hand >= ring.count { hand = 0 }
      let key = ring[hand]
      hand += 1
      let slot = Int(StableHash.of(key.bytes) & UInt64(used.count - 1))
      if used[slot] != 0 {
        used[slot] = 0
      } else if let cost = cost(key), chosen.insert(key).inserted {
        victims.append(key)
        freed += cost
      }
    }
    return victims
  }
}
