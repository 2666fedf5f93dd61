public import CloudburstValues
import ClusterModel
import Lattices
import RecordReading
import WireProtocol

extension CloudburstClient {
  /// A set of texts that only grows, read in the order of their UTF-8 bytes.
  public struct SharedOrderedSet: Sendable {
    let client: CloudburstClient
    public let key: String

    public func add(_ elements: String..., level: WriteLevel? = nil) async throws {
      let set = GrowSet(elements.map { ArraySlice(text: $0) })
      try await client.merge(.orderedSet(set), into: key, level, isIdempotent: true)
    }

    /// Everything that was added, in ascending order; empty where there is nothing.
    public func elements() async throws -> [String] {
      guard
        case (.orderedSet(let set), let record)? = try await client.lattice(.orderedSet, at: key)
      else { return [] }
      return try set.elements.map {
        try EncodedValue(element: $0, wireEncoding: record.record.encoding)
          .decode(as: String.self, from: key)
      }
    }
  }

  /// A set to add to and remove from (an observed-remove set).
  ///
  /// A removal takes away what its author has read: an addition that came meanwhile stays. Both are
  /// repeated after a lost connection without harm.
  public struct SharedRemovableSet: Sendable {
    let client: CloudburstClient
    public let key: String

    public func add(_ element: some Value, level: WriteLevel? = nil) async throws {
      let encoded = try CloudburstClient.encoded(element, for: key)
      let delta = ObservedRemoveSet.adding(
        encoded.bytes[...], encoding: encoded.encoding.rawValue, as: try client.nextDot(for: key))
      try await client.merge(.observedRemoveSet(delta), into: key, level, isIdempotent: true)
    }

    /// Reads the set and removes the additions of `element` that it finds there.
    ///
    /// - Returns: whether there were any.
    @discardableResult
    public func remove(_ element: some Value, level: WriteLevel? = nil) async throws -> Bool {
      let encoded = try CloudburstClient.encoded(element, for: key)
      guard
        case (.observedRemoveSet(let set), _)? = try await client.lattice(
          .observedRemoveSet, at: key),
        let delta = set.removing(encoded.bytes[...], encoding: encoded.encoding.rawValue)
      else { return false }
      try await client.merge(.observedRemoveSet(delta), into: key, level, isIdempotent: true)
      return true
    }

    /// What was added and not removed; empty where there is nothing.
    public func elements<V: Value & Hashable>(as type: V.Type = V.self) async throws -> Set<V> {
      guard
        case (.observedRemoveSet(let set), _)? = try await client.lattice(
          .observedRemoveSet, at: key)
      else { return [] }
      return Set(
        try set.elements.map {
          try EncodedValue(element: $0.value, wireEncoding: $0.encoding).decode(as: type, from: key)
        })
    }
  }

  /// An estimate of how many different elements were added, within about 0.8 %, in at most 12 KiB.
  public struct SharedEstimate: Sendable {
    let client: CloudburstClient
    public let key: String

    public func add(_ elements: some Sequence<some Value>, level: WriteLevel? = nil) async throws {
      var delta = HyperLogLog()
      for element in elements {
        let encoded = try CloudburstClient.encoded(element, for: key)
        delta.merge(HyperLogLog(ofElement: encoded.bytes))
      }
      try await client.merge(.hyperLogLog(delta), into: key, level, isIdempotent: true)
    }

    public func add(_ element: some Value, level: WriteLevel? = nil) async throws {
      try await add(CollectionOfOne(element), level: level)
    }

    /// 0 where nothing was added.
    public func value() async throws -> Int {
      guard case (.hyperLogLog(let estimate), _)? = try await client.lattice(.hyperLogLog, at: key)
      else { return 0 }
      return Int(clamping: estimate.estimate)
    }
  }

  /// A handle on a set of texts in their order.
  public func orderedSet(_ key: String) -> SharedOrderedSet { .init(client: self, key: key) }
  /// A handle on a set to add to and remove from.
  public func removableSet(_ key: String) -> SharedRemovableSet { .init(client: self, key: key) }
  /// A handle on an estimate of how many different elements there are.
  public func estimate(_ key: String) -> SharedEstimate { .init(client: self, key: key) }
}
