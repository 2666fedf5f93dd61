package import CloudburstValues
import ClusterModel
package import Lattices

extension AnyLattice {
  /// The value as one who knows nothing of lattices reads it: numbers of counters, maxima, minima and
  /// estimates, arrays of sets and of concurrent versions, maps of maps.
  ///
  /// - Parameter encoding: of the user's bytes, as the envelope has it.
  package func reading(encoding: UInt8) -> AnyValue {
    func array(_ set: GrowSet) -> AnyValue {
      .array(set.elements.map { EncodedValue(element: $0, wireEncoding: encoding).anyValue })
    }
    switch self {
    case .register(let value):
      return EncodedValue(element: value.value, wireEncoding: value.encoding).anyValue
    case .set(let set), .orderedSet(let set): return array(set)
    case .singleKeyCausal(let value), .multiKeyCausal(let value): return array(value.values)
    case .priority(let value):
      return EncodedValue(element: value.value, wireEncoding: encoding).anyValue
    case .counter(let counter): return .integer(counter.value)
    case .growCounter(let counter): return .integer(counter.value)
    case .maximum(let maximum): return maximum.value.reading
    case .minimum(let minimum): return minimum.value.reading
    case .flag(let flag): return .bool(flag.isRaised)
    case .map(let map): return .map(map.reading)
    case .observedRemoveSet(let set):
      return .array(
        set.elements.map {
          EncodedValue(element: $0.value, wireEncoding: $0.encoding).anyValue
        })
    case .registerMap(let map):
      return .map(map.reading.mapValues(\.anyValue))
    case .hyperLogLog(let estimate): return .integer(Int64(clamping: estimate.estimate))
    }
  }
}

extension Number {
  package var reading: AnyValue {
    switch form {
    case .integer(let value): .integer(value)
    case .real(let value): .double(value)
    }
  }
}

extension RegisterMap {
  /// The fields that are there.
  package var reading: [String: EncodedValue] {
    var read: [String: EncodedValue] = [:]
    for field in fields {
      guard let value = field.value else { continue }
      read[String(decoding: field.name, as: UTF8.self)] = EncodedValue(
        element: value, wireEncoding: field.encoding)
    }
    return read
  }
}

extension LatticeMap {
  /// A name that two writers gave two kinds appears with each kind behind it.
  package var reading: [String: AnyValue] {
    var read: [String: AnyValue] = [:]
    for field in fields {
      var name = String(decoding: field.name, as: UTF8.self)
      if self[field.name].count > 1 { name += " (\(field.value.kind))" }
      read[name] = field.value.reading(encoding: field.encoding)
    }
    return read
  }
}
