public import CloudburstValues
import ClusterModel
import Lattices
import RecordReading
package import WireProtocol

/// What the store holds under a key, and what it knows of it.
public struct StoredRecord: Sendable {
  public let key: String
  public let content: Content
  /// Starts again at each delete: of two generations the higher one counts.
  public let generation: UInt64
  /// Orders the writes of one generation: milliseconds since 1970 in the upper 48 bits, a count
  /// within the millisecond in the lower 16.
  public let stamp: UInt64
  /// Milliseconds since 1970 after which the key is absent; nil is never.
  public let expiresAt: UInt64?

  /// Bytes of the value as it is stored, whatever its type.
  public let byteCount: Int
  /// As it is stored, for an exact copy.
  package let record: Record

  /// The type's name, as `cbctl kv put --type` takes it.
  public var latticeName: String { record.lattice.word }

  /// When it was last changed: milliseconds since 1970.
  public var changedAt: UInt64 { HybridLogicalClock.milliseconds(of: stamp) }

  /// The whole as one value: a counter is its sum, a set an array, a causal value the array of its
  /// concurrent values.
  public func encodedValue() throws -> EncodedValue {
    if case .value(let value) = content { return value }
    guard let value = record.latticeValue else {
      throw CloudburstError(.internalError, "the record of key \(key) cannot be read")
    }
    return try EncodedValue(value.reading(encoding: record.encoding))
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
    byteCount = record.payload.count
    self.record = record
    do {
      content = try Content(record)
    } catch {
      throw CloudburstError(.internalError, "the record of key \(key) cannot be read: \(error)")
    }
  }
}

extension LatticeType {
  /// What users call it.
  package var word: String {
    switch self {
    case .none: "none"
    case .lastWriterWins: "lww"
    case .set: "set"
    case .singleKeyCausal: "causal"
    case .multiKeyCausal: "causal-multi"
    case .orderedSet: "ordered-set"
    case .priority: "priority"
    case .counter: "counter"
    case .growCounter: "grow-counter"
    case .maximum: "max"
    case .minimum: "min"
    case .flag: "flag"
    case .map: "map"
    case .observedRemoveSet: "or-set"
    case .registerMap: "lww-map"
    case .hyperLogLog: "hyperloglog"
    }
  }
}
