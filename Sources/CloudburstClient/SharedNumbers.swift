public import CloudburstValues
import ClusterModel
import Lattices
import RecordReading
import WireProtocol

extension CloudburstClient {
  /// A counter that only grows: concurrent additions all count, and nobody can take any back.
  public struct SharedGrowCounter: Sendable {
    let client: CloudburstClient
    public let key: String

    /// Adds; a missing counter starts at 0. Like `SharedCounter.add`, never repeated by itself.
    public func add(_ amount: UInt = 1, level: WriteLevel? = nil) async throws {
      let delta = GrowCounter([(actor: AnyLattice.ownersActor, added: UInt64(amount))])
      try await client.merge(.growCounter(delta), into: key, level, isIdempotent: false)
    }

    /// The sum of all additions; 0 where there is none.
    public func value() async throws -> Int {
      guard case (.growCounter(let counter), _)? = try await client.lattice(.growCounter, at: key)
      else { return 0 }
      return Int(counter.value)
    }
  }

  /// The largest number that anyone offered.
  public struct SharedMaximum: Sendable {
    let client: CloudburstClient
    public let key: String

    public func offer(_ number: Int, level: WriteLevel? = nil) async throws {
      try await offer(Number(Int64(number)), level)
    }

    /// - Throws: `badArgument` for a number that is none (NaN).
    public func offer(_ number: Double, level: WriteLevel? = nil) async throws {
      try await offer(try Number(checking: number, for: key), level)
    }

    /// Nil where none was offered.
    public func value<V: Value>(as type: V.Type = V.self) async throws -> V? {
      try await client.lattice(.maximum, at: key).map { try $0.1.value(as: type) }
    }

    private func offer(_ number: Number, _ level: WriteLevel?) async throws {
      try await client.merge(.maximum(Maximum(number)), into: key, level, isIdempotent: true)
    }
  }

  /// The smallest number that anyone offered.
  public struct SharedMinimum: Sendable {
    let client: CloudburstClient
    public let key: String

    public func offer(_ number: Int, level: WriteLevel? = nil) async throws {
      try await offer(Number(Int64(number)), level)
    }

    /// - Throws: `badArgument` for a number that is none (NaN).
    public func offer(_ number: Double, level: WriteLevel? = nil) async throws {
      try await offer(try Number(checking: number, for: key), level)
    }

    /// Nil where none was offered.
    public func value<V: Value>(as type: V.Type = V.self) async throws -> V? {
      try await client.lattice(.minimum, at: key).map { try $0.1.value(as: type) }
    }

    private func offer(_ number: Number, _ level: WriteLevel?) async throws {
      try await client.merge(.minimum(Minimum(number)), into: key, level, isIdempotent: true)
    }
  }

  /// A flag that stays raised once anyone raised it.
  public struct SharedFlag: Sendable {
    let client: CloudburstClient
    public let key: String

    public func raise(level: WriteLevel? = nil) async throws {
      try await client.merge(.flag(Flag(isRaised: true)), into: key, level, isIdempotent: true)
    }

    public func isRaised() async throws -> Bool {
      guard case (.flag(let flag), _)? = try await client.lattice(.flag, at: key) else {
        return false
      }
      return flag.isRaised
    }
  }

  /// The value that was put with the lowest priority; of equal ones the larger bytes.
  public struct SharedPriority: Sendable {
    let client: CloudburstClient
    public let key: String

    /// - Throws: `badArgument` for a priority that is no number (NaN).
    public func put(
      _ value: some Value, priority: Double, level: WriteLevel? = nil
    ) async throws {
      let encoded = try CloudburstClient.encoded(value, for: key)
      guard let offer = Priority(priority: priority, value: encoded.bytes[...]) else {
        throw CloudburstError(.badArgument, "the priority for key \(key) is not a number")
      }
      try await client.merge(
        .priority(offer), encoding: encoded.encoding, into: key, level, isIdempotent: true)
    }

    /// Nil where nothing was put.
    public func get<V: Value>(
      as type: V.Type = V.self
    ) async throws -> (priority: Double, value: V)? {
      guard case (.priority(let held), let record)? = try await client.lattice(.priority, at: key)
      else { return nil }
      let stored = EncodedValue(element: held.value, wireEncoding: record.record.encoding)
      return (held.priority, try stored.decode(as: type, from: key))
    }
  }

  /// A handle on a counter that can only be raised.
  public func growCounter(_ key: String) -> SharedGrowCounter { .init(client: self, key: key) }
  /// A handle on the largest of all numbers offered.
  public func maximum(_ key: String) -> SharedMaximum { .init(client: self, key: key) }
  /// A handle on the smallest of all numbers offered.
  public func minimum(_ key: String) -> SharedMinimum { .init(client: self, key: key) }
  /// A handle on a flag that stays raised.
  public func flag(_ key: String) -> SharedFlag { .init(client: self, key: key) }
  /// A handle on the value with the lowest priority.
  public func priority(_ key: String) -> SharedPriority { .init(client: self, key: key) }
}

extension Number {
  init(checking number: Double, for key: String) throws {
    guard let checked = Number(number) else {
      throw CloudburstError(.badArgument, "what is offered to key \(key) is not a number")
    }
    self = checked
  }
}

extension EncodedValue {
  /// - Throws: `lattice` where it is not a `type`.
  func decode<V: Value>(as type: V.Type, from key: String) throws -> V {
    do throws(ValueError) {
      return try decode(as: type)
    } catch {
      throw CloudburstError(
        .lattice, "a value in key \(key) is not a \(V.valueTypeName): \(error)",
        hint: "cbctl kv get \(key) -o json")
    }
  }
}
