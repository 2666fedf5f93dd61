/// Where the next page of a whole LIST begins: at which shard of which ring, and there.
///
/// A cursor of another ring means nothing any more, since keys have moved between its shards: the
/// list begins anew, and whoever reads it meets keys a second time, but misses none.
struct ListCursor: Equatable {
  /// Bits of the number, from the low end: the shard's own cursor, the shard, the epoch's low bits.
  private static let positionBits: UInt64 = 36
  private static let shardBits: UInt64 = 12
  static let shardsMax = 1 << Int(shardBits)

  var shard: Int
  var position: UInt64

  static let start = ListCursor(shard: 0, position: 0)

  init(shard: Int, position: UInt64) {
    self.shard = shard
    self.position = position
  }

  /// - Parameter number: as given out; zero is the start.
  init(_ number: UInt64, epoch: UInt64) {
    let shard = Int(number >> Self.positionBits & (1 << Self.shardBits - 1))
    let isOfThisRing = number >> (Self.positionBits + Self.shardBits) == Self.mark(of: epoch)
    self =
      isOfThisRing
      ? ListCursor(shard: shard, position: number & (1 << Self.positionBits - 1)) : .start
  }

  /// Never zero.
  func number(epoch: UInt64) -> UInt64 {
    let place = UInt64(shard) << Self.positionBits
    return Self.mark(of: epoch) << (Self.positionBits + Self.shardBits) | place | position
  }

  /// Whether a cursor is one of these, and not one shard's own.
  static func isOne(_ number: UInt64) -> Bool { number >> (positionBits + shardBits) != 0 }

  /// From 1 on, so that no cursor is zero.
  private static func mark(of epoch: UInt64) -> UInt64 { 1 + epoch % 0xFFFF }
}
