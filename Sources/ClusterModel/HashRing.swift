/// One shard of one storage node, as the ring knows it.
package struct RingMember: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The node's name.
  package let name: String
  package let shard: UInt16

  package init(name: String, shard: UInt16) {
    self.name = name
    self.shard = shard
  }

  package var description: String { "\(name)/\(shard)" }

  /// - Parameter text: as `description` gives it.
  package init?(_ text: String) {
    guard let slash = text.lastIndex(of: "/"), slash != text.startIndex,
      let shard = UInt16(text[text.index(after: slash)...])
    else { return nil }
    self.init(name: String(text[..<slash]), shard: shard)
  }

  package static func < (left: RingMember, right: RingMember) -> Bool {
    (left.name, left.shard) < (right.name, right.shard)
  }
}

/// Which shards own which keys: consistent hashing with virtual nodes.
///
/// The same members give the same ring everywhere, in whatever order they joined. The epoch says which
/// of two rings is the newer one; it does not enter the placement.
package struct HashRing: Equatable, Sendable {
  package let epoch: UInt64
  /// Ascending, unique.
  package let members: [RingMember]
  /// Positions of each member.
  package let virtualNodes: Int
  private let nodeCount: Int
  private let points: [Point]

  private struct Point: Equatable, Sendable {
    let position: UInt64
    let member: Int32
  }

  /// Positions a member takes on the ring. At 128 the shares of ten members stay within about 25 % of
  /// the mean.
  package static let virtualNodesDefault = 128

  /// - Parameter members: in any order; repetitions count once.
  package init(
    epoch: UInt64, members: some Sequence<RingMember>, virtualNodes: Int = virtualNodesDefault
  ) {
    precondition(virtualNodes > 0, "a member holds at least one position")
    self.epoch = epoch
    self.members = Self.unique(members)
    self.virtualNodes = virtualNodes
    nodeCount = 1 + zip(self.members, self.members.dropFirst()).count { $0.name != $1.name }
    var points: [Point] = []
    points.reserveCapacity(self.members.count * virtualNodes)
    for (index, member) in self.members.enumerated() {
      for position in Self.positions(of: member, count: virtualNodes) {
        points.append(Point(position: position, member: Int32(index)))
      }
    }
    // Two members may meet on a position: the lower one comes first, on every machine.
    points.sort { ($0.position, $0.member) < ($1.position, $1.member) }
    self.points = points
  }

  /// The shards that hold a key, its owner first: at most `copies`, all distinct.
  ///
  /// They lie on distinct nodes as far as there are nodes, then on further shards of those, because a
  /// copy on the same machine does not survive it. Fewer members than `copies`: all of them.
  /// - Parameter hash: `StableHash.of` the key's bytes.
  package func owners(of hash: UInt64, copies: Int) -> [RingMember] {
    var owners: [RingMember] = []
    var sameNode: [RingMember] = []
    let start = firstPoint(from: hash)
    let wanted = min(max(copies, 0), members.count)
    let wantedNodes = min(wanted, nodeCount)
    for step in points.indices {
      if owners.count == wantedNodes, owners.count + sameNode.count >= wanted { break }
      let member = members[Int(points[(start + step) % points.count].member)]
      if !owners.contains(where: { $0.name == member.name }) {
        owners.append(member)
      } else if !owners.contains(member), !sameNode.contains(member) {
        sameNode.append(member)
      }
    }
    return owners + sameNode.prefix(wanted - owners.count)
  }

  /// The first of `owners(of:copies:)`; nil on an empty ring.
  package func owner(of hash: UInt64) -> RingMember? {
    points.isEmpty ? nil : members[Int(points[firstPoint(from: hash)].member)]
  }

  /// Where the stretches of the ring end, ascending: from one to the next, the owners are the same.
  package var positions: [UInt64] { points.map(\.position) }

  /// First position at or after `hash`, around the ring; 0 on an empty one.
  private func firstPoint(from hash: UInt64) -> Int {
    var low = 0
    var high = points.count
    while low < high {
      let middle = low + (high - low) / 2
      if points[middle].position < hash { low = middle + 1 } else { high = middle }
    }
    return low == points.count ? 0 : low
  }

  private static func unique(_ members: some Sequence<RingMember>) -> [RingMember] {
    var unique: [RingMember] = []
    for member in members.sorted() where unique.last != member { unique.append(member) }
    return unique
  }

  /// Hashes of name, a zero byte, shard and number of the virtual node (little-endian).
  private static func positions(of member: RingMember, count: Int) -> [UInt64] {
    let name = Array(member.name.utf8) + [0]
    return (0..<count).map { number in
      var bytes = name
      withUnsafeBytes(of: member.shard.littleEndian) { bytes.append(contentsOf: $0) }
      withUnsafeBytes(of: UInt32(number).littleEndian) { bytes.append(contentsOf: $0) }
      return StableHash.of(bytes[...])
    }
  }
}
