/// One shard of a storage node in one life, and where it listens.
package struct ShardAddress: Hashable, Sendable {
  package let member: RingMember
  package let incarnation: Incarnation
  package let endpoint: String

  package init(member: RingMember, incarnation: Incarnation, endpoint: String) {
    self.member = member
    self.incarnation = incarnation
    self.endpoint = endpoint
  }
}

/// What the membership says about the key-value tier, all of it under one epoch: which shards live,
/// which are to hold the keys, and which held them before while a change of the ring is under way.
///
/// A change goes from one ring to one other. Until every shard of the new one has what it is to
/// hold, both count: a write goes to the holders by either, and a shard that is not complete yet
/// merges what the holders before it have into each answer. Nothing is dropped before that. So a
/// change that meets another death only gets another goal; the holders stay whom they were.
package struct RingView: Equatable, Sendable {
  /// Who held keys before, in which life: another life of the same name is not a full holder, as it
  /// knows only what its log kept.
  package struct Holder: Hashable, Comparable, Sendable {
    package let member: RingMember
    package let incarnation: Incarnation
    /// Nodes of holders that were there in this change while this one was not: they may have taken
    /// writes that its log lacks. Ascending.
    package let overtakenBy: [String]

    package init(member: RingMember, incarnation: Incarnation, overtakenBy: [String] = []) {
      self.member = member
      self.incarnation = incarnation
      self.overtakenBy = overtakenBy
    }

    package static func < (left: Holder, right: Holder) -> Bool {
      (left.member, left.incarnation) < (right.member, right.incarnation)
    }
  }

  /// Higher is newer. Every change of anything here is a new epoch.
  package let epoch: UInt64
  /// When the first ring of this line was formed, in milliseconds since the epoch: a membership that
  /// knows nothing of an earlier ring begins a line of its own. 0 before the first.
  package let origin: UInt64
  /// Shards on distinct nodes that are to hold each key, as far as there are nodes.
  package let copies: Int
  /// All that live, by member; one that leaves lives until it has handed over.
  package let shards: [ShardAddress]
  /// Who is to hold the keys: some of `shards`.
  package let ring: HashRing
  /// Who held them before, dead ones too; empty when all is where it belongs.
  package let holders: [Holder]
  /// The ring of `holders`; nil when all is where it belongs.
  package let previous: HashRing?

  /// - Parameters:
  ///   - shards: in any order, one a member.
  ///   - placed: who is to hold the keys; others than `shards` do not count.
  package init(
    epoch: UInt64, origin: UInt64 = 0, copies: Int, shards: [ShardAddress], placed: [RingMember],
    holders: [Holder] = []
  ) {
    self.epoch = epoch
    self.origin = origin
    self.copies = max(copies, 1)
    self.shards = shards.sorted { $0.member < $1.member }
    let living = Set(shards.map(\.member))
    ring = HashRing(epoch: epoch, members: placed.filter(living.contains))
    self.holders = holders.sorted()
    previous =
      holders.isEmpty ? nil : HashRing(epoch: epoch, members: holders.map(\.member))
  }

  /// Before anything is known.
  package static let none = RingView(epoch: 0, copies: 1, shards: [], placed: [])

  /// One shard for ever, which needs no membership.
  package static func alone(_ shard: ShardAddress) -> RingView {
    RingView(epoch: 1, copies: 1, shards: [shard], placed: [shard.member])
  }

  package var isSettled: Bool { previous == nil }

  package func shard(_ member: RingMember) -> ShardAddress? {
    shards.first { $0.member == member }
  }

  /// Who is to hold a key, its owner first.
  package func owners(of hash: UInt64) -> [RingMember] { ring.owners(of: hash, copies: copies) }

  /// Whether the shard that lives under this name is the one that held keys before.
  package func isFullHolder(_ member: RingMember) -> Bool {
    guard let incarnation = shard(member)?.incarnation else { return false }
    return holders.contains { $0.member == member && $0.incarnation == incarnation }
  }

  /// What the holders of before can say about keys.
  package var holderTable: HolderTable { HolderTable(self) }
}
