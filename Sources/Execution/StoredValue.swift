import CloudburstValues
import ClusterModel
import Lattices
import RecordReading
import WireProtocol

/// What a key holds, as a body sees it.
enum StoredValue {
  case missing
  case value(encoding: UInt8, Bytes)
  case mapped(encoding: UInt8, read: UInt64)
  case counter(Int64)
  case set(encoding: UInt8, GrowSet)
  /// Of another lattice, which bodies read and do not write: as a native value.
  case lattice(Bytes)

  init(_ lookup: Lookup, read: UInt64, wall: UInt64) throws(Failure) {
    guard let record = lookup.record, !record.isExpired(at: wall) else {
      self = .missing
      return
    }
    do {
      switch (record.lattice, lookup) {
      case (.none, _): self = .missing
      case (.lastWriterWins, .mapped): self = .mapped(encoding: record.encoding, read: read)
      case (.lastWriterWins, _): self = .value(encoding: record.encoding, record.payload)
      case (.counter, _): self = .counter(try Counter(serialized: record.payload).value)
      case (.set, _):
        self = .set(encoding: record.encoding, try GrowSet(serialized: record.payload))
      default:
        guard let value = record.latticeValue else {
          throw Failure(.internalError, "a stored \(record.lattice) cannot be read")
        }
        let read = try EncodedValue(value.reading(encoding: record.encoding))
        self = .lattice(read.bytes[...])
      }
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(.internalError, "a stored value cannot be read: \(error)")
    }
  }

  /// The value after one write of the call.
  func applying(_ write: CacheWrite) throws(Failure) -> StoredValue {
    switch (write.kind, self) {
    case (.delete, _): return .missing
    case (.put, .missing), (.put, .value), (.put, .mapped):
      return .value(encoding: write.encoding, write.value)
    case (.addToCounter, .missing): return .counter(write.delta)
    case (.addToCounter, .counter(let value)):
      let (sum, overflow) = value.addingReportingOverflow(write.delta)
      return .counter(overflow ? (write.delta < 0 ? .min : .max) : sum)
    case (.addToSet, .missing): return .set(encoding: write.encoding, try write.elements)
    case (.addToSet, .set(let encoding, var elements)):
      elements.merge(try write.elements)
      return .set(encoding: encoding, elements)
    default:
      throw Failure(.lattice, "\(write.key) holds a value of another type than this call wrote")
    }
  }

  func answer() -> ReadAnswer {
    switch self {
    case .missing: .missing
    case .value(let encoding, let bytes): .value(encoding: encoding, bytes)
    case .mapped(let encoding, let read): .mapped(encoding: encoding, read: read)
    case .counter(let value): .counter(value)
    case .set(let encoding, let elements): .set(encoding: encoding, elements.elements)
    case .lattice(let bytes): .value(encoding: ValueEncoding.native.rawValue, bytes)
    }
  }
}

extension CacheWrite {
  fileprivate var elements: GrowSet {
    get throws(Failure) {
      do {
        return try GrowSet(serialized: value)
      } catch {
        throw Failure(.internalError, "elements of a set cannot be read: \(error)")
      }
    }
  }
}

extension ReadAnswer {
  /// The value as a function's argument: a counter is an integer, a set an array.
  func argument(from key: Key) throws(Failure) -> StageRun.Argument {
    switch self {
    case .value(let encoding, let bytes): return .value(encoding: encoding, bytes)
    case .mapped(let encoding, let read): return .mapped(encoding: encoding, read: read)
    case .failed(let failure): throw failure
    case .missing:
      throw Failure(
        .keyNotFound, "the argument refers to key \(key), which does not exist",
        hint: "cbctl kv put \(key) VALUE")
    case .counter(let value):
      var writer = NativeWriter()
      writer.write(value)
      return .value(encoding: ValueEncoding.native.rawValue, writer.bytes[...])
    case .set(let encoding, let elements):
      return .value(
        encoding: ValueEncoding.native.rawValue,
        try Self.array(of: elements, encoding: encoding, key: key))
    }
  }

  private static func array(
    of elements: [Bytes], encoding: UInt8, key: Key
  ) throws(Failure) -> Bytes {
    do {
      guard let encoding = ValueEncoding(rawValue: encoding) else {
        throw ValueError(expected: "a known encoding", found: "\(encoding)")
      }
      let values = try elements.map {
        try EncodedValue(encoding: encoding, bytes: Array($0)).decode(as: AnyValue.self)
      }
      return try EncodedValue(AnyValue.array(values)).bytes[...]
    } catch {
      throw Failure(.badArgument, "the set \(key) cannot be given as an argument: \(error)")
    }
  }
}
