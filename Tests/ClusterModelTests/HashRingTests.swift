import ClusterModel
import Testing

@Suite struct HashRingTests {
  private static func nodes(_ count: Int, shards: UInt16 = 1) -> [RingMember] {
    (0..<count).flatMap { node in
      (0..<shards).map { RingMember(name: "storage-\(node)", shard: $0) }
    }
  }

  private static let keys: [UInt64] = (0..<20_000).map {
    StableHash.of(Bytes(text: "key-\($0)"))
  }

  /// How many of the test's keys each member owns.
  private static func shares(_ ring: HashRing) -> [RingMember: Int] {
    keys.reduce(into: [:]) { shares, hash in
      if let owner = ring.owner(of: hash) { shares[owner, default: 0] += 1 }
    }
  }

  @Test(arguments: [2, 5, 10]) func sharesAreWithinAQuarterOfTheMean(count: Int) {
    let ring = HashRing(epoch: 1, members: Self.nodes(count))
    let mean = Double(Self.keys.count) / Double(count)
    let shares = Self.shares(ring)
    #expect(shares.count == count)
    for (member, share) in shares {
      #expect(abs(Double(share) - mean) <= mean / 4, "\(member) owns \(share), mean \(mean)")
    }
  }

  @Test func aJoinMovesKeysOnlyToTheNewcomer() throws {
    let before = HashRing(epoch: 1, members: Self.nodes(9))
    let newcomer = RingMember(name: "storage-9", shard: 0)
    let after = before.joined(by: newcomer)
    var moved = 0
    for hash in Self.keys where before.owner(of: hash) != after.owner(of: hash) {
      #expect(after.owner(of: hash) == newcomer)
      moved += 1
    }
    // A tenth of the keys, within the balance the ring promises.
    #expect((1500...2500).contains(moved), "\(moved) of 20000 moved")
  }

  @Test func aLeaveMovesOnlyTheLeaversKeys() {
    let before = HashRing(epoch: 1, members: Self.nodes(10, shards: 2))
    let after = before.left(by: "storage-3")
    for hash in Self.keys where before.owner(of: hash)?.name != "storage-3" {
      #expect(after.owner(of: hash) == before.owner(of: hash))
    }
    #expect(after.members.count == 18)
  }

  @Test func aJoinChangesAtMostOneOfAKeysCopies() {
    let before = HashRing(epoch: 1, members: Self.nodes(9))
    let newcomer = RingMember(name: "storage-9", shard: 0)
    let after = before.joined(by: newcomer)
    for hash in Self.keys {
      let kept = after.owners(of: hash, copies: 3).filter { $0 != newcomer }
      #expect(before.owners(of: hash, copies: 3).starts(with: kept))
    }
  }

  @Test func copiesLieOnDistinctNodesFirst() {
    let ring = HashRing(epoch: 1, members: Self.nodes(3, shards: 4))
    for hash in Self.keys.prefix(1000) {
      let owners = ring.owners(of: hash, copies: 5)
      #expect(Set(owners).count == 5)
      #expect(Set(owners.prefix(3).map(\.name)).count == 3)
      #expect(owners.first == ring.owner(of: hash))
    }
  }

  @Test func oneNodesShardsShareItsCopies() {
    let ring = HashRing(epoch: 1, members: Self.nodes(1, shards: 4))
    for hash in Self.keys.prefix(1000) {
      let owners = ring.owners(of: hash, copies: 2)
      #expect(Set(owners).count == 2)
      #expect(owners.first == ring.owner(of: hash))
    }
  }

  @Test func moreCopiesThanMembersGiveAllMembers() {
    let ring = HashRing(epoch: 1, members: Self.nodes(2))
    #expect(ring.owners(of: 42, copies: 5).sorted() == ring.members)
    #expect(ring.owners(of: 42, copies: 0).isEmpty)
    #expect(ring.owners(of: 42, copies: -1).isEmpty)
  }

  @Test func theRingCloses() {
    for count in 2...10 {
      let ring = HashRing(epoch: 1, members: Self.nodes(count))
      #expect(ring.owner(of: .max) == ring.owner(of: 0), "\(count) nodes")
    }
  }

  @Test func anEmptyRingHasNoOwners() {
    let ring = HashRing(epoch: 1, members: [])
    #expect(ring.owner(of: 42) == nil)
    #expect(ring.owners(of: 42, copies: 2).isEmpty)
  }

  @Test func theOrderOfJoiningDoesNotMatter() {
    let members = Self.nodes(5, shards: 2)
    let ring = HashRing(epoch: 1, members: members)
    #expect(HashRing(epoch: 1, members: members.reversed() + members.prefix(3)) == ring)
  }

  /// Placement is part of what is stored: a changed hash would strand every key.
  @Test func placementStaysAsItWas() {
    let ring = HashRing(epoch: 1, members: Self.nodes(5))
    let owners = ["", "a", "n", "visits/home", "_cb/functions"].map { key in
      ring.owner(of: StableHash.of(Bytes(text: key)))?.description
    }
    #expect(
      owners == ["storage-1/0", "storage-0/0", "storage-1/0", "storage-3/0", "storage-3/0"])
  }
}

extension HashRing {
  fileprivate func joined(by member: RingMember) -> HashRing {
    HashRing(epoch: epoch + 1, members: members + [member])
  }

  fileprivate func left(by node: String) -> HashRing {
    HashRing(epoch: epoch + 1, members: members.filter { $0.name != node })
  }
}
