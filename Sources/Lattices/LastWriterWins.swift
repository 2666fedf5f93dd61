/// A byte string of which the write with the highest stamp survives.
///
/// `value` may be a slice of a received message; it then keeps that whole message alive.
public struct LastWriterWins: Lattice, Hashable {
  /// A hybrid-logical-clock reading; this type only compares it.
  public var stamp: UInt64
  public var value: ArraySlice<UInt8>
  /// How `value` is encoded (raw, JSON, native); opaque here, but part of what a write says.
  public var encoding: UInt8

  @inlinable public init(stamp: UInt64, value: ArraySlice<UInt8>, encoding: UInt8 = 0) {
    self.stamp = stamp
    self.value = value
    self.encoding = encoding
  }

  /// Order of the writes: stamp, then value bytes, then encoding.
  ///
  /// The tie-break is what makes `merge` commutative: without it, two replicas that saw equal stamps
  /// in opposite orders would differ for ever.
  @inlinable public func isSuperseded(by other: LastWriterWins) -> Bool {
    if stamp != other.stamp { return stamp < other.stamp }
    let order = compareBytes(value, other.value)
    return order == 0 ? encoding < other.encoding : order < 0
  }

  @inlinable @discardableResult
  public mutating func merge(_ other: LastWriterWins) -> Bool {
    guard isSuperseded(by: other) else { return false }
    self = other
    return true
  }
}
