import ClusterModel
import Testing

/// Who can say what became of a key while the ring changes.
@Suite struct HolderTableTests {
  private static let names = ["a", "b", "c"]

  /// Three nodes, each key on two of them.
  ///
  /// - Parameters:
  ///   - lives: of those who live; 1 is the life that held the keys.
  ///   - overtaken: by whom each was.
  private static func table(
    lives: [String: UInt64], overtaken: [String: [String]] = [:]
  ) -> RingView {
    let shards = lives.map { name, life in
      ShardAddress(
        member: RingMember(name: name, shard: 0), incarnation: Incarnation(life), endpoint: name)
    }
    return RingView(
      epoch: 5, copies: 2, shards: shards, placed: shards.map(\.member),
      holders: names.map {
        .init(
          member: RingMember(name: $0, shard: 0), incarnation: Incarnation(1),
          overtakenBy: overtaken[$0] ?? [])
      })
  }

  /// A key of these two.
  private static func hash(of first: String, _ second: String) -> UInt64 {
    let ring = HashRing(epoch: 5, members: names.map { RingMember(name: $0, shard: 0) })
    var random = SplitMix64(seed: 3)
    while true {
      let hash = random.next()
      if Set(ring.owners(of: hash, copies: 2).map(\.name)) == [first, second] { return hash }
    }
  }

  @Test func aFullHolderKnowsAll() {
    let table = Self.table(lives: ["a": 1], overtaken: ["b": ["a"]]).holderTable
    #expect(!table.isOutOfReach(Self.hash(of: "a", "b")))
    #expect(table.living(of: Self.hash(of: "a", "b")).map(\.name) == ["a"])
    #expect(table.isOutOfReach(Self.hash(of: "b", "c")), "nobody of these is there")
    #expect(table.isAnyOutOfReach)
  }

  @Test func whoWasOvertakenDoesNotKnowWhatTheOtherTook() {
    let view = Self.table(lives: ["b": 2, "c": 1], overtaken: ["b": ["a"]])
    #expect(view.holderTable.isOutOfReach(Self.hash(of: "a", "b")))
    #expect(!view.holderTable.isOutOfReach(Self.hash(of: "b", "c")), "that one was not overtaken")
  }

  @Test func whoCameBackBeforeAnybodyWentOnKnowsAll() {
    let table = Self.table(lives: ["b": 2]).holderTable
    #expect(!table.isOutOfReach(Self.hash(of: "a", "b")))
  }

  @Test func allOfThemTogetherKnowAll() {
    let overtaken = ["a": ["b"], "b": ["a"]]
    let table = Self.table(lives: ["a": 2, "b": 2, "c": 2], overtaken: overtaken).holderTable
    #expect(!table.isAnyOutOfReach)
  }

  @Test func withoutAChangeNothingIsOutOfReach() {
    #expect(!HolderTable.none.isAnyOutOfReach)
  }
}
