/// The owners of every stretch of a ring, worked out once, so that a look-up allocates nothing.
///
/// Says what `HashRing.owners(of:copies:)` says. Costs `copies` times 2 bytes and a position's 8 bytes
/// for each virtual node; a ring of one member is not searched at all.
package struct OwnerTable: Equatable, Sendable {
  /// What the indexes mean: the ring's members, ascending.
  package let members: [RingMember]
  /// Owners of each key: `copies`, or as many as there are members.
  package let width: Int
  /// Where each stretch ends, ascending; empty where there is only one stretch.
  private let positions: [UInt64]
  /// `width` indexes of members for each stretch, owner first.
  private let owners: [UInt16]

  /// - Parameter ring: of at most 65 536 members; those beyond, which no node's limits allow, do
  ///   not count.
  package init(ring: HashRing, copies: Int) {
    let ring =
      ring.members.count <= Self.membersMax
      ? ring
      : HashRing(
        epoch: ring.epoch, members: ring.members.prefix(Self.membersMax),
        virtualNodes: ring.virtualNodes)
    members = ring.members
    width = min(max(copies, 0), ring.members.count)
    positions = ring.members.count > 1 && width > 0 ? ring.positions : []
    let places = Dictionary(
      uniqueKeysWithValues: zip(ring.members, UInt16(0)...UInt16.max))
    var owners: [UInt16] = []
    owners.reserveCapacity(max(positions.count, 1) * width)
    for position in positions.isEmpty ? [0] : positions {
      for member in ring.owners(of: position, copies: width) {
        guard let place = places[member] else { preconditionFailure("owners are members") }
        owners.append(place)
      }
    }
    self.owners = owners
  }

  /// A ring of nobody.
  package static let none = OwnerTable(ring: HashRing(epoch: 0, members: []), copies: 0)

  /// Indexes into `members` of the shards that hold a key, its owner first, all distinct; empty on an
  /// empty ring. Allocates nothing.
  /// - Parameter hash: `StableHash.of` the key's bytes.
  package func owners(of hash: UInt64) -> ArraySlice<UInt16> {
    let start = stretch(of: hash) * width
    return owners[start..<start + width]
  }

  /// The owners of each stretch, as `owners(of:)` gives them.
  package var stretches: some Sequence<ArraySlice<UInt16>> {
    stride(from: 0, to: owners.count, by: max(width, 1)).lazy.map { owners[$0..<$0 + width] }
  }

  /// The first of `owners(of:)`; nil on an empty ring.
  package func owner(of hash: UInt64) -> UInt16? {
    width == 0 ? nil : owners[stretch(of: hash) * width]
  }

  /// The first position at or after `hash`, around the ring.
  private func stretch(of hash: UInt64) -> Int {
    var low = 0
    var high = positions.count
    while low < high {
      let middle = low + (high - low) / 2
      if positions[middle] < hash { low = middle + 1 } else { high = middle }
    }
    return low == positions.count ? 0 : low
  }

  private static let membersMax = Int(UInt16.max) + 1
}
