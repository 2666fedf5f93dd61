public import CloudburstValues
import ClusterModel
import Lattices
import RecordReading
import WireProtocol

extension CloudburstClient {
  /// A map of which every field is written on its own; of two writes of a field the later one stays.
  public struct SharedFields: Sendable {
    let client: CloudburstClient
    public let key: String

    public func put(
      _ field: String, _ value: some Value, level: WriteLevel? = nil
    ) async throws {
      let encoded = try CloudburstClient.encoded(value, for: key)
      try await write(field, encoded, level)
    }

    /// Removing an absent field succeeds.
    public func remove(_ field: String, level: WriteLevel? = nil) async throws {
      try await write(field, nil, level)
    }

    /// Nil where the field was never put, or removed.
    public func get<V: Value>(_ field: String, as type: V.Type = V.self) async throws -> V? {
      try await all()[field].map { try $0.decode(as: type, from: key) }
    }

    /// The fields that are there.
    public func all() async throws -> [String: EncodedValue] {
      guard case (.registerMap(let map), _)? = try await client.lattice(.registerMap, at: key)
      else { return [:] }
      return map.reading
    }

    private func write(
      _ field: String, _ value: EncodedValue?, _ level: WriteLevel?
    ) async throws {
      let delta = RegisterMap([
        RegisterMap.Field(
          name: ArraySlice(text: field), stamp: 0, value: value.map { $0.bytes[...] },
          encoding: value?.encoding.rawValue ?? 0)
      ])
      try await client.merge(.registerMap(delta), into: key, level, isIdempotent: false)
    }
  }

  /// A map whose fields are lattices, each merged by its own rule. Fields are not removed, and a field
  /// keeps its kind: a write of another one fails with `lattice`.
  public struct SharedMap: Sendable {
    let client: CloudburstClient
    public let key: String

    /// Of two puts of a field the later one stays.
    public func put(_ field: String, _ value: some Value, level: WriteLevel? = nil) async throws {
      let encoded = try CloudburstClient.encoded(value, for: key)
      let register = LastWriterWins(
        stamp: 0, value: encoded.bytes[...], encoding: encoded.encoding.rawValue)
      try await merge(field, .register(register), level, isIdempotent: false)
    }

    /// Adds to a counter, or subtracts where negative; never repeated by itself.
    public func add(_ amount: Int, to field: String, level: WriteLevel? = nil) async throws {
      let entry = Counter.Entry(
        actor: AnyLattice.ownersActor, added: amount > 0 ? UInt64(amount) : 0,
        subtracted: amount < 0 ? UInt64(amount.magnitude) : 0)
      try await merge(field, .counter(Counter([entry])), level, isIdempotent: false)
    }

    /// Adds an element to a set that only grows.
    public func insert(
      _ element: some Value, into field: String, level: WriteLevel? = nil
    ) async throws {
      let encoded = try CloudburstClient.encoded(element, for: key)
      try await merge(
        field, .set(GrowSet([encoded.bytes[...]])), encoding: encoded.encoding, level,
        isIdempotent: true)
    }

    /// Keeps the largest number offered.
    public func offer(
      _ number: Double, toMaximum field: String, level: WriteLevel? = nil
    ) async throws {
      let number = try Number(checking: number, for: key)
      try await merge(field, .maximum(Maximum(number)), level, isIdempotent: true)
    }

    /// Keeps the smallest number offered.
    public func offer(
      _ number: Double, toMinimum field: String, level: WriteLevel? = nil
    ) async throws {
      let number = try Number(checking: number, for: key)
      try await merge(field, .minimum(Minimum(number)), level, isIdempotent: true)
    }

    /// Raises a flag for good.
    public func raise(_ field: String, level: WriteLevel? = nil) async throws {
      try await merge(field, .flag(Flag(isRaised: true)), level, isIdempotent: true)
    }

    /// A field as one value: a counter is its sum, a set an array; nil where it was never written.
    public func get<V: Value>(_ field: String, as type: V.Type = V.self) async throws -> V? {
      try await all()[field].map { value in
        try CloudburstClient.encoded(value, for: key).decode(as: type, from: key)
      }
    }

    /// Every field as one value.
    public func all() async throws -> [String: AnyValue] {
      guard case (.map(let map), _)? = try await client.lattice(.map, at: key) else { return [:] }
      return map.reading
    }

    private func merge(
      _ field: String, _ value: AnyLattice, encoding: ValueEncoding = .raw, _ level: WriteLevel?,
      isIdempotent: Bool
    ) async throws {
      let field = LatticeMap.Field(
        name: ArraySlice(text: field), value: value, encoding: encoding.rawValue)
      try await client.merge(
        .map(LatticeMap([field])), into: key, level, isIdempotent: isIdempotent)
    }
  }

  /// A handle on a map of last-writer-wins fields.
  public func fields(_ key: String) -> SharedFields { .init(client: self, key: key) }
  /// A handle on a map of lattices.
  public func map(_ key: String) -> SharedMap { .init(client: self, key: key) }
}
