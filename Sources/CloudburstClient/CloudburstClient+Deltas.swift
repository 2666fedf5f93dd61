package import CloudburstValues
import ClusterModel
package import Lattices
import Platform
import WireProtocol

extension CloudburstClient {
  /// Sends a change of a key that the store merges.
  ///
  /// - Parameter isIdempotent: whether merging it twice is merging it once: then it is sent again after
  ///   a lost connection.
  package func merge(
    _ delta: AnyLattice, encoding: ValueEncoding = .raw, into key: String, _ level: WriteLevel?,
    isIdempotent: Bool
  ) async throws {
    let record = try Self.record(of: delta, encoding: encoding, for: key)
    try await write(record, to: key, level, isIdempotent: isIdempotent)
  }

  static func record(
    of delta: AnyLattice, encoding: ValueEncoding, for key: String
  ) throws -> Record {
    guard let type = LatticeType(rawValue: delta.kind.rawValue) else {
      preconditionFailure("every kind of lattice is a type of record")
    }
    let payload = delta.serialized()
    try checkSize(of: payload, for: key)
    return Record(
      lattice: type, encoding: encoding.rawValue, flags: .blind, payload: payload[...])
  }

  /// What a key holds, as the lattice it must be; nil where it holds nothing.
  func lattice(_ kind: AnyLattice.Kind, at key: String) async throws -> (AnyLattice, StoredRecord)?
  {
    guard let record = try await inspect(key) else { return nil }
    guard let value = record.record.latticeValue, value.kind == kind else {
      let type = LatticeType(rawValue: kind.rawValue) ?? .none
      throw CloudburstError(
        .lattice, "key \(key) holds a \(record.latticeName), not a \(type.word)",
        hint: "cbctl kv get \(key) -o json")
    }
    return (value, record)
  }

  package func nextDot(for key: String) throws -> Dot {
    let key = try Key(writable: key)
    return dots.withLock { $0.next(for: key, newActor: RandomBytes.word()) }
  }

  static func encoded(_ value: some Value, for key: String) throws -> EncodedValue {
    do throws(ValueError) {
      return try EncodedValue(value)
    } catch {
      throw CloudburstError(.badArgument, "\(error.inside("a value for key \(key)"))")
    }
  }
}

extension ArraySlice<UInt8> {
  init(text: String) { self = ArraySlice(text.utf8) }
}

extension HyperLogLog {
  /// The delta of an addition: all writers must hash alike, so this is part of the stored format.
  package init(ofElement bytes: [UInt8]) {
    self.init()
    insert(hash: StableHash.of(bytes[...]))
  }
}
