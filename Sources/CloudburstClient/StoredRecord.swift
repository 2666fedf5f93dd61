public import CloudburstValues
import ClusterModel
import Lattices
import WireProtocol

/// What the store holds under a key, and what it knows of it.
public struct StoredRecord: Sendable {
  public enum Content: Hashable, Sendable {
    /// The last write won.
    case value(EncodedValue)
    case counter(Int64)
    /// The elements, in ascending order of their bytes.
    case set([EncodedValue])
  }

  public let key: String
  public let content: Content
  /// Starts again at each delete: of two generations the higher one counts.
  public let generation: UInt64
  /// Orders the writes of one generation: milliseconds since 1970 in the upper 48 bits, a count
  /// within the millisecond in the lower 16.
  public let stamp: UInt64
  /// Milliseconds since 1970 after which the key is absent; nil is never.
  public let expiresAt: UInt64?

  /// "lww", "counter" or "set".
  public var latticeName: String {
    switch content {
    case .value: "lww"
    case .counter: "counter"
    case .set: "set"
    }
  }

  /// When it was last changed: milliseconds since 1970.
  public var changedAt: UInt64 { HybridLogicalClock.milliseconds(of: stamp) }

  /// The whole as one value: a counter is its sum, a set an array.
  public func encodedValue() throws -> EncodedValue {
    switch content {
    case .value(let value): return value
    case .counter(let sum): return try EncodedValue(sum)
    case .set(let elements):
      return try EncodedValue(
        elements.map { element throws(ValueError) in
          try element.decode(as: AnyValue.self)
        })
    }
  }

  /// - Throws: `lattice` when it is not a `type`.
  public func value<V: Value>(as type: V.Type = V.self) throws -> V {
    do {
      return try encodedValue().decode(as: type)
    } catch let error as ValueError {
      throw CloudburstError(
        .lattice, "key \(key) (\(latticeName)) is not a \(V.valueTypeName): \(error)",
        hint: "cbctl kv get \(key) -o json")
    }
  }

  init(_ record: Record, of key: Key) throws {
    self.key = key.description
    generation = record.generation
    stamp = record.stamp
    expiresAt = record.expiry == 0 ? nil : record.expiry
    do {
      content = try Self.content(of: record)
    } catch {
      throw CloudburstError(.internalError, "the record of key \(key) cannot be read: \(error)")
    }
  }

  private static func content(of record: Record) throws -> Content {
    switch record.lattice {
    case .counter: return .counter(try Counter(serialized: record.payload).value)
    case .set:
      let elements = try GrowSet(serialized: record.payload).elements
      return .set(
        try elements.map { try EncodedValue(wireEncoding: record.encoding, bytes: $0) })
    case .lastWriterWins:
      return .value(try EncodedValue(wireEncoding: record.encoding, bytes: record.payload))
    default:
      throw CloudburstError(.lattice, "lattice \(record.lattice) is of a newer version")
    }
  }
}
