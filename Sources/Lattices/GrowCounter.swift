/// A counter that can only be raised.
///
/// Each actor owns one total that only grows; actors follow the rules of `Counter`.
public struct GrowCounter: Lattice, Hashable {
  /// Nothing is ever subtracted in it.
  public private(set) var totals: Counter

  public init() { totals = Counter() }

  /// Takes (actor, total) in any order; those of one actor are merged.
  public init(_ totals: some Sequence<(actor: UInt64, added: UInt64)>) {
    self.totals = Counter(
      totals.map { Counter.Entry(actor: $0.actor, added: $0.added, subtracted: 0) })
  }

  /// The sum over all actors, at most `Int64.max`.
  public var value: Int64 { totals.value }

  /// - Returns: the delta to send: the actor's new total alone, empty if nothing changed.
  @discardableResult
  public mutating func increment(by amount: UInt64 = 1, actor: UInt64) -> GrowCounter {
    GrowCounter(totals: totals.increment(by: amount, actor: actor))
  }

  @discardableResult public mutating func merge(_ other: GrowCounter) -> Bool {
    totals.merge(other.totals)
  }

  init(totals: Counter) { self.totals = totals }
}

/// Payload: `CounterValue` without `subtracted`, which is skipped as unknown where it is there.
extension GrowCounter {
  public init(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) {
    let entries = try Counter(serialized: bytes).entries
    self.init(entries.map { (actor: $0.actor, added: $0.added) })
  }

  public func serialized() -> [UInt8] { totals.serialized() }
}
