public import CloudburstValues
import ClusterModel
import Lattices
import WireProtocol

extension CloudburstClient {
  /// A counter in the store. Concurrent changes, from functions and other clients, all count.
  public struct SharedCounter: Sendable {
    let client: CloudburstClient
    public let key: String

    /// Adds, or subtracts where negative; a missing counter starts at 0.
    ///
    /// Adding twice is not adding once, so an addition that was under way when the connection was
    /// lost is not repeated: it fails with `unavailable`, and may or may not have counted.
    public func add(_ amount: Int = 1, level: WriteLevel? = nil) async throws {
      guard amount != 0 else { return }
      var tuple = KeyTuple(key: try Key(writable: key))
      tuple.counterDelta = Int64(amount)
      try await client.write(.put, tuple, level, isIdempotent: false)
    }

    /// The sum of all additions; 0 where there is none.
    public func value() async throws -> Int {
      try await client.get(key, as: Int.self) ?? 0
    }
  }

  /// A set in the store that only grows. Concurrent additions all stay.
  public struct SharedSet: Sendable {
    let client: CloudburstClient
    public let key: String

    public func add(_ element: some Value, level: WriteLevel? = nil) async throws {
      let encoded: EncodedValue
      do throws(ValueError) {
        encoded = try EncodedValue(element)
      } catch {
        throw CloudburstError(.badArgument, "\(error.inside("an element for key \(key)"))")
      }
      try CloudburstClient.checkSize(of: encoded.bytes, for: key)
      let record = Record(
        lattice: .set, encoding: encoded.encoding.rawValue, flags: .blind,
        payload: GrowSet([encoded.bytes[...]]).serialized()[...])
      try await client.write(record, to: key, level, isIdempotent: true)
    }

    /// Everything that was added; empty where there is nothing.
    public func elements<V: Value & Hashable>(as type: V.Type = V.self) async throws -> Set<V> {
      Set(try await client.get(key, as: [V].self) ?? [])
    }
  }
}
