import ClusterModel
import Testing

@Suite struct OwnerTableTests {
  private static func ring(nodes: Int, shards: Int) -> HashRing {
    HashRing(
      epoch: 1,
      members: (0..<nodes).flatMap { node in
        (0..<shards).map { RingMember(name: "s\(node)", shard: UInt16($0)) }
      })
  }

  @Test(arguments: [(1, 1), (1, 3), (3, 1), (4, 2), (9, 1)], [0, 1, 2, 3, 8])
  func saysWhatTheRingSays(_ size: (nodes: Int, shards: Int), copies: Int) {
    let ring = Self.ring(nodes: size.nodes, shards: size.shards)
    let table = OwnerTable(ring: ring, copies: copies)
    var random = SplitMix64(seed: 7)
    let edges = ring.positions.prefix(64).flatMap { [$0 &- 1, $0, $0 &+ 1] }
    for hash in edges + [0, .max] + (0..<500).map({ _ in random.next() }) {
      let owners = table.owners(of: hash).map { table.members[Int($0)] }
      #expect(owners == ring.owners(of: hash, copies: copies), "hash \(hash)")
      #expect(table.owner(of: hash).map(Int.init) == table.owners(of: hash).first.map(Int.init))
    }
  }

  @Test func anEmptyRingHasNoOwners() {
    #expect(OwnerTable.none.owners(of: 5).isEmpty)
    #expect(OwnerTable.none.owner(of: 5) == nil)
  }
}
