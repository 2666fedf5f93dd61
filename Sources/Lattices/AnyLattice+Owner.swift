/// What a client leaves to the owner of a key to fill in, because only the owner can: the stamps of
/// last-writer-wins fields, and whose entry of a counter an amount is added to.
extension AnyLattice {
  /// The actor under which a client writes an amount to be added; the owner adds it to its own entry.
  public static let ownersActor: UInt64 = 0

  /// The write with the owner's stamp where it has none, and its amounts added to what `actor` has
  /// added so far.
  ///
  /// - Parameter held: what the key holds now; nil for nothing, or where it is of another kind.
  public func completed(stamp: UInt64, actor: UInt64, over held: AnyLattice?) -> AnyLattice {
    switch self {
    case .register(var value):
      if value.stamp == 0 { value.stamp = stamp }
      return .register(value)
    case .registerMap(var map):
      map.stampFields(stamp)
      return .registerMap(map)
    case .counter(let write):
      guard case .counter(let counter) = held else {
        return .counter(write.owned(by: actor, over: Counter()))
      }
      return .counter(write.owned(by: actor, over: counter))
    case .growCounter(let write):
      guard case .growCounter(let counter) = held else {
        return .growCounter(GrowCounter(totals: write.totals.owned(by: actor, over: Counter())))
      }
      return .growCounter(
        GrowCounter(totals: write.totals.owned(by: actor, over: counter.totals)))
    case .map(let write):
      if case .map(let map) = held {
        return .map(write.completed(stamp: stamp, actor: actor, over: map))
      }
      return .map(write.completed(stamp: stamp, actor: actor, over: LatticeMap()))
    default: return self
    }
  }

  /// The latest stamp that the value itself holds; zero where it holds none.
  public var latestStamp: UInt64 {
    switch self {
    case .register(let value): value.stamp
    case .registerMap(let map): map.fields.reduce(0) { max($0, $1.stamp) }
    case .map(let map): map.fields.reduce(0) { max($0, $1.value.latestStamp) }
    default: 0
    }
  }
}

extension LatticeMap {
  fileprivate func completed(stamp: UInt64, actor: UInt64, over held: LatticeMap) -> LatticeMap {
    LatticeMap(
      fields.map { field in
        var field = field
        let mine = held[field.name].first { $0.value.kind == field.value.kind }
        field.value = field.value.completed(stamp: stamp, actor: actor, over: mine?.value)
        return field
      })
  }
}

extension Counter {
  fileprivate func owned(by actor: UInt64, over held: Counter) -> Counter {
    guard let asked = entries.first, asked.actor == AnyLattice.ownersActor else { return self }
    var mine = Counter(held.entries.filter { $0.actor == actor })
    mine.increment(by: asked.added, actor: actor)
    mine.decrement(by: asked.subtracted, actor: actor)
    return Counter(entries.dropFirst() + mine.entries)
  }
}
