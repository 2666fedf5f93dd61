/// When a write counts as done.
package enum WriteLevel: UInt8, Comparable, CaseIterable, Sendable {
  /// In the cache of the node where the call ran, as in the paper: lost if that node dies before the
  /// owner has it. The store itself knows no such level and takes it for `accepted`.
  case cached = 4
  /// In the memory of one shard; lost if that process dies first.
  case accepted = 1
  /// In the memory of all copies.
  case replicated = 2
  /// In the synced log of the owner and the other copies.
  case durable = 3

  package static func < (left: WriteLevel, right: WriteLevel) -> Bool {
    left.rank < right.rank
  }

  private var rank: UInt8 { self == .cached ? 0 : rawValue }
}

/// What the reads of one session (a call or a DAG) may see together; paper section 5.
package enum ConsistencyLevel: UInt8, CaseIterable, Sendable {
  case lastWriterWins = 1
  case repeatableRead = 2
  case singleKeyCausal = 3
  case multiKeyCausal = 4
  case causal = 5
}

/// A version of a stored value. A record qualifies for a required version when it is the same or
/// later: generations compare first, then stamps.
package struct Version: Hashable, Comparable, Sendable {
  package var generation: UInt64
  /// Hybrid logical clock of the write (last-writer-wins) or of the owner's last merge (others).
  package var stamp: UInt64

  package init(generation: UInt64, stamp: UInt64) {
    self.generation = generation
    self.stamp = stamp
  }

  package static let none = Version(generation: 0, stamp: 0)

  package static func < (left: Version, right: Version) -> Bool {
    (left.generation, left.stamp) < (right.generation, right.stamp)
  }
}
