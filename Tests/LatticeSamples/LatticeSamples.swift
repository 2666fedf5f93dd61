package import Lattices

/// Random values of every lattice over small spaces, so that equal stamps, actors, names and elements
/// really meet.
package enum LatticeSamples {
  package static func any(
    _ kind: AnyLattice.Kind, using random: inout some RandomNumberGenerator & SendableMetatype,
    depth: Int = 0
  ) -> AnyLattice {
    switch kind {
    case .register:
      return .register(
        LastWriterWins(
          stamp: draw(1...3, &random), value: bytes(&random), encoding: small(0...1, &random)))
    case .set: return .set(GrowSet(several(3, &random, bytes)))
    case .orderedSet: return .orderedSet(GrowSet(several(3, &random, bytes)))
    case .singleKeyCausal: return .singleKeyCausal(causal(&random, dependencies: false))
    case .multiKeyCausal: return .multiKeyCausal(causal(&random, dependencies: true))
    case .priority:
      let priorities = [-1, 0, 2.5, -.infinity, .infinity]
      let drawn = priorities.randomElement(using: &random) ?? 0
      return .priority(Priority(priority: drawn, value: bytes(&random)) ?? empty)
    case .counter:
      return .counter(
        Counter(
          several(3, &random) {
            Counter.Entry(
              actor: draw(1...3, &$0), added: draw(0...3, &$0), subtracted: draw(0...2, &$0))
          }))
    case .growCounter:
      return .growCounter(
        GrowCounter(
          several(3, &random) { (actor: draw(1...3, &$0), added: draw(0...300, &$0)) }))
    case .maximum: return .maximum(Maximum(number(&random)))
    case .minimum: return .minimum(Minimum(number(&random)))
    case .flag: return .flag(Flag(isRaised: Bool.random(using: &random)))
    case .map: return .map(map(&random, depth: depth))
    case .observedRemoveSet: return .observedRemoveSet(observedRemoveSet(&random))
    case .registerMap:
      return .registerMap(
        RegisterMap(
          several(3, &random) {
            RegisterMap.Field(
              name: name(&$0), stamp: draw(1...2, &$0),
              value: Bool.random(using: &$0) ? bytes(&$0) : nil, encoding: small(0...1, &$0))
          }))
    case .hyperLogLog:
      var estimate = HyperLogLog()
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        estimate.insert(hash: draw(0...2, &random) << 60 | draw(0...3, &random) << 40)
      }
      return .hyperLogLog(estimate)
    }
  }

  private static let empty = Priority(priority: 0, value: []).unsafelyUnwrapped

  /// What three replicas hold that added to and removed from what they saw, and merged now and then.
  private static func observedRemoveSet(
    _ random: inout some RandomNumberGenerator & SendableMetatype
  ) -> ObservedRemoveSet {
    var set = ObservedRemoveSet()
    for _ in 0..<Int.random(in: 0...5, using: &random) {
      let value = bytes(&random)
      if Bool.random(using: &random) {
        let dot = Dot(actor: draw(1...2, &random), number: draw(1...4, &random))
        set.merge(.adding(value, encoding: small(0...1, &random), as: dot))
      } else if let removal = set.removing(value) {
        set.merge(removal)
      }
    }
    return set
  }

  private static func map(
    _ random: inout some RandomNumberGenerator & SendableMetatype, depth: Int
  ) -> LatticeMap {
    LatticeMap(
      several(3, &random) { random in
        let kinds = AnyLattice.Kind.allCases.filter { $0 != .map || depth < 2 }
        let kind = kinds.randomElement(using: &random) ?? .flag
        return LatticeMap.Field(
          name: name(&random), value: any(kind, using: &random, depth: depth + 1),
          encoding: small(0...1, &random))
      })
  }

  private static func causal(
    _ random: inout some RandomNumberGenerator & SendableMetatype, dependencies: Bool
  ) -> CausalValue {
    CausalValue(
      several(3, &random) { random in
        CausalValue.Version(
          clock: clock(&random),
          dependencies: dependencies
            ? several(2, &random) {
              .init(key: Bool.random(using: &$0) ? "k" : "l", clock: clock(&$0))
            }
            : [],
          values: GrowSet(several(2, &random, bytes)))
      })
  }

  private static func clock(_ random: inout some RandomNumberGenerator & SendableMetatype)
    -> VectorClock
  {
    VectorClock([
      "a": UInt32.random(in: 0...2, using: &random), "b": UInt32.random(in: 0...2, using: &random),
    ])
  }

  private static func number(_ random: inout some RandomNumberGenerator & SendableMetatype)
    -> Number
  {
    let reals: [Double] = [-0x1p63, 0x1p63, -1.5, 0.5, 1, .infinity, -.infinity, 1e300]
    if Bool.random(using: &random) { return Number(Int64(draw(0...2, &random)) - 1) }
    return Number(reals.randomElement(using: &random) ?? 0) ?? Number(0)
  }

  private static func name(_ random: inout some RandomNumberGenerator & SendableMetatype)
    -> ArraySlice<UInt8>
  {
    Array((["", "a", "é"].randomElement(using: &random) ?? "").utf8)[...]
  }

  /// A slice that does not start at 0, as slices of messages do not.
  private static func bytes(_ random: inout some RandomNumberGenerator & SendableMetatype)
    -> ArraySlice<UInt8>
  {
    let body = several(2, &random) { small(0...1, &$0) }
    return ([7] + body)[1...]
  }

  private static func several<Element, Random: RandomNumberGenerator & SendableMetatype>(
    _ max: Int, _ random: inout Random, _ draw: (inout Random) -> Element
  ) -> [Element] {
    (0..<Int.random(in: 0...max, using: &random)).map { _ in draw(&random) }
  }

  private static func draw(
    _ range: ClosedRange<UInt64>, _ random: inout some RandomNumberGenerator & SendableMetatype
  ) -> UInt64 { .random(in: range, using: &random) }

  private static func small(
    _ range: ClosedRange<UInt8>, _ random: inout some RandomNumberGenerator & SendableMetatype
  ) -> UInt8 { .random(in: range, using: &random) }
}
