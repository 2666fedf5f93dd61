import ClusterModel
import Lattices

/// What the payloads of each type are, and how two of them join.
extension LatticeType {
  /// The payload in the one form that every replica writes; nil when it is not of this type.
  func canonical(_ payload: Bytes) -> Bytes? {
    switch self {
    case .none: payload.isEmpty ? payload : nil
    case .lastWriterWins: payload
    case .set, .orderedSet: (try? GrowSet(serialized: payload))?.serialized()[...]
    case .counter: (try? Counter(serialized: payload))?.serialized()[...]
    case .priority: (try? Priority(serialized: payload))?.serialized()[...]
    case .singleKeyCausal: Self.causal(payload, .singleKey)?.serialized(as: .singleKey)[...]
    case .multiKeyCausal: Self.causal(payload, .multiKey)?.serialized(as: .multiKey)[...]
    }
  }

  /// The least payload that holds both, in canonical form where it is not one of them; nil when one is
  /// not of this type, and where the join would be beyond the type's limits.
  ///
  /// Not for types whose payload is chosen as a whole, by what the envelope says of it.
  func join(_ left: Bytes, _ right: Bytes) -> Bytes? {
    switch self {
    case .none, .lastWriterWins, .priority: nil
    case .set, .orderedSet: join(left, right, GrowSet.init(serialized:)) { $0.serialized() }
    case .counter: join(left, right, Counter.init(serialized:)) { $0.serialized() }
    case .singleKeyCausal: joinCausal(left, right, .singleKey)
    case .multiKeyCausal: joinCausal(left, right, .multiKey)
    }
  }

  private func join<Value: Lattice>(
    _ left: Bytes, _ right: Bytes, _ read: (Bytes) throws(LatticeError) -> Value,
    _ write: (Value) -> [UInt8]
  ) -> Bytes? {
    guard var joined = try? read(left), let other = try? read(right) else { return nil }
    return joined.merge(other) ? write(joined)[...] : left
  }

  private func joinCausal(_ left: Bytes, _ right: Bytes, _ form: CausalValue.Form) -> Bytes? {
    guard var joined = Self.causal(left, form), let other = Self.causal(right, form) else {
      return nil
    }
    guard joined.merge(other) else { return left }
    return joined.isWithinLimits ? joined.serialized(as: form)[...] : nil
  }

  private static func causal(_ payload: Bytes, _ form: CausalValue.Form) -> CausalValue? {
    try? CausalValue(serialized: payload, as: form)
  }
}
