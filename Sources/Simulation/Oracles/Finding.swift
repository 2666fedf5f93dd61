import ClusterModel
import Lattices
import WireProtocol

/// What a read found, by the store's record or as a function returned it.
enum Finding {
  case absent
  case value(Bytes)
  case counter(Int64)
  case set([Bytes])

  init?(_ record: Record) {
    switch record.lattice {
    case .none: self = .absent
    case .lastWriterWins: self = .value(record.payload)
    case .counter:
      guard let counter = try? Counter(serialized: record.payload) else { return nil }
      self = .counter(counter.value)
    case .set:
      guard let set = try? GrowSet(serialized: record.payload) else { return nil }
      self = .set(set.elements)
    default: return nil
    }
  }

  /// As a simulated function returns it: one letter, then the value; elements of a set by commas.
  init?(text bytes: Bytes) {
    switch bytes.first {
    case UInt8(ascii: "-"): self = .absent
    case UInt8(ascii: "v"): self = .value(bytes.dropFirst())
    case UInt8(ascii: "c"):
      guard let value = Int64(bytes.dropFirst().text) else { return nil }
      self = .counter(value)
    case UInt8(ascii: "s"):
      self = .set(bytes.dropFirst().split(separator: UInt8(ascii: ",")).map { $0 })
    default: return nil
    }
  }

  var text: Bytes {
    switch self {
    case .absent: Bytes(text: "-")
    case .value(let bytes): Bytes(text: "v") + bytes
    case .counter(let value): Bytes(text: "c\(value)")
    case .set(let elements):
      Bytes(text: "s") + Bytes(elements.joined(separator: [UInt8(ascii: ",")]))
    }
  }
}

extension History {
  func fault(
    in finding: Finding, of key: Key, by reader: Reader
  ) -> (oracle: Violation.Oracle, text: String)? {
    switch (finding, key.bytes.first) {
    case (.absent, UInt8(ascii: "c")): fault(inCounter: 0, of: key, by: reader)
    case (.absent, UInt8(ascii: "s")): fault(inSet: [], of: key, by: reader)
    case (.absent, _): fault(in: nil, of: key, by: reader)
    case (.value(let value), _): fault(in: value, of: key, by: reader)
    case (.counter(let value), _): fault(inCounter: value, of: key, by: reader)
    case (.set(let elements), _): fault(inSet: elements, of: key, by: reader)
    }
  }
}
