/// A value that only grows; replicas may merge in any order, any number of times.
///
/// `merge` must be idempotent, commutative and associative, *ties included*: two replicas that saw
/// the same updates in different orders must end up equal. Concrete lattices here keep one
/// representation per value, so that `==` and the serialised bytes agree on every replica.
///
/// What is generic in this module is `@inlinable`: unspecialised behind the module's wall it costs 20
/// times as much. Concrete types need it only where a call would outweigh the work.
public protocol Lattice: Equatable, Sendable {
  /// - Returns: whether `self` changed. Only a change is gossiped.
  @discardableResult mutating func merge(_ other: Self) -> Bool
}

extension Lattice {
  /// The least value that holds both.
  @inlinable public func merging(_ other: Self) -> Self {
    var merged = self
    merged.merge(other)
    return merged
  }
}
