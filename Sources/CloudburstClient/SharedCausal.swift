public import CloudburstValues
import ClusterModel
import Lattices
import RecordReading
import WireProtocol

extension CloudburstClient {
  /// A value that remembers what each write had seen: a write replaces what its author has read, and
  /// writes that have not seen each other both stay, for a reader to resolve.
  ///
  /// ```swift
  /// let cart = cloud.causal("cart/7")
  /// let seen = try await cart.read(as: [String].self)
  /// try await cart.put(seen.values.flatMap(\.self) + ["book"], after: seen)
  /// ```
  public struct SharedCausal: Sendable {
    let client: CloudburstClient
    public let key: String
    /// Whether versions also carry what they depend on of other keys.
    public let hasDependencies: Bool

    /// What a reader saw: every concurrent value, none where there is nothing.
    public struct State<V: Value>: Sendable {
      public let values: [V]
      /// By writer, how many of its writes were seen.
      public let clock: [String: UInt32]
    }

    public func read<V: Value>(as type: V.Type = V.self) async throws -> State<V> {
      guard let (value, encoding) = try await versions() else {
        return State(values: [], clock: [:])
      }
      return State(
        values: try value.values.elements.map {
          try EncodedValue(element: $0, wireEncoding: encoding).decode(as: type, from: key)
        }, clock: value.clock.counts)
    }

    /// Puts a value that replaces what `seen` holds.
    ///
    /// - Parameters:
    ///   - seen: what was read of this key; nil for a writer that has read nothing: the value then stands
    ///     beside whatever there is.
    ///   - dependencies: by key, the clocks of other keys' states that were read for this value. Only of a
    ///     handle with dependencies.
    public func put<V: Value>(
      _ value: V, after seen: State<V>?, dependencies: [String: [String: UInt32]] = [:],
      level: WriteLevel? = nil
    ) async throws {
      guard dependencies.isEmpty || hasDependencies else {
        throw CloudburstError(
          .usage, "key \(key) is a causal value of a single key: it has no dependencies",
          hint: "cloud.causal(key, withDependencies: true)")
      }
      let encoded = try CloudburstClient.encoded(value, for: key)
      try await put(encoded, VectorClock(counts: seen?.clock ?? [:]), dependencies, level)
    }

    /// As `put`, of a value that is encoded already.
    ///
    /// - Parameter besideOthers: false replaces whatever is there now.
    package func put(
      encoded value: EncodedValue, besideOthers: Bool, level: WriteLevel?
    ) async throws {
      let seen = besideOthers ? nil : try await versions()?.0.clock
      try await put(value, seen ?? VectorClock(), [:], level)
    }

    private func put(
      _ encoded: EncodedValue, _ seen: VectorClock, _ dependencies: [String: [String: UInt32]],
      _ level: WriteLevel?
    ) async throws {
      let dot = try client.nextDot(for: key)
      // The number of this client's own write, above whatever it has seen of itself.
      let writer = String(dot.actor, radix: 16)
      guard let number = UInt32(exactly: dot.number), let next = seen.incremented(by: writer) else {
        throw CloudburstError(.overloaded, "this client has written key \(key) 2^32 times")
      }
      let clock = next.merging(VectorClock([writer: number]))
      let version = CausalValue.Version(
        clock: clock,
        dependencies: dependencies.map {
          CausalValue.Dependency(key: $0.key, clock: VectorClock(counts: $0.value))
        }, values: GrowSet([encoded.bytes[...]]))
      let delta = CausalValue([version])
      try await client.merge(
        hasDependencies ? .multiKeyCausal(delta) : .singleKeyCausal(delta),
        encoding: encoded.encoding, into: key, level, isIdempotent: true)
    }

    private func versions() async throws -> (CausalValue, encoding: UInt8)? {
      let kind = hasDependencies ? AnyLattice.Kind.multiKeyCausal : .singleKeyCausal
      switch try await client.lattice(kind, at: key) {
      case (.singleKeyCausal(let value), let record)?, (.multiKeyCausal(let value), let record)?:
        return (value, record.record.encoding)
      default: return nil
      }
    }
  }

  /// A handle on a value that keeps concurrent writes side by side.
  public func causal(_ key: String, withDependencies: Bool = false) -> SharedCausal {
    SharedCausal(client: self, key: key, hasDependencies: withDependencies)
  }
}
