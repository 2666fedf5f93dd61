import ArgumentParser
import CloudburstClient
import CloudburstValues
import ClusterModel
import Lattices
import WireProtocol

/// A type of value as a word: the names that `kv get -o json` prints.
enum LatticeWord: String, ExpressibleByArgument, CaseIterable {
  case lww
  case set
  case orderedSet = "ordered-set"
  case orSet = "or-set"
  case counter
  case growCounter = "grow-counter"
  case max
  case min
  case flag
  case priority
  case lwwMap = "lww-map"
  case map
  case hyperloglog
  case causal
  case causalMulti = "causal-multi"

  static var list: String { allCases.map(\.rawValue).joined(separator: ", ") }

  /// What the value on the command line is to be, for errors.
  var expectation: String {
    switch self {
    case .lww, .priority, .causal, .causalMulti: "one JSON value, @FILE or -"
    case .set, .orSet, .hyperloglog: "a JSON array of elements to add, or one element"
    case .orderedSet: "a JSON array of texts to add, or one text"
    case .counter: "an integer to add, negative to subtract"
    case .growCounter: "a positive integer to add"
    case .max, .min: "a number"
    case .flag: "true or false"
    case .lwwMap: "a JSON object of fields to put; null removes a field"
    case .map: #"a JSON object of fields, each {"TYPE": VALUE}"#
    }
  }
}

/// A change of a key as the store merges it.
struct KVDelta {
  var value: AnyLattice
  var encoding = ValueEncoding.native
  /// Whether it may be sent again after a lost connection.
  var isIdempotent = true
}

/// Builds changes from words.
struct DeltaBuilder {
  let cloud: CloudburstClient
  let key: String
  var priority: Double?

  func delta(_ type: LatticeWord, _ stored: EncodedValue) throws -> KVDelta {
    switch type {
    case .set: return try set(stored) { .set($0) }
    case .orderedSet: return try orderedSet(stored)
    case .orSet: return try removableSet(stored)
    case .counter: return try counter(stored, growing: false)
    case .growCounter: return try counter(stored, growing: true)
    case .max: return KVDelta(value: .maximum(Maximum(try number(stored, .max))))
    case .min: return KVDelta(value: .minimum(Minimum(try number(stored, .min))))
    case .flag:
      return KVDelta(value: .flag(Flag(isRaised: try decode(stored, as: Bool.self, .flag))))
    case .priority:
      guard let priority, let value = Priority(priority: priority, value: stored.bytes[...]) else {
        throw Failure(
          .usage, "a priority value needs its priority",
          hint: "cbctl kv put \(key) VALUE --type priority --priority 1")
      }
      return KVDelta(value: .priority(value), encoding: stored.encoding)
    case .lwwMap: return try registerMap(stored)
    case .map: return try map(stored)
    case .hyperloglog:
      var estimate = HyperLogLog()
      for element in try elements(stored) { estimate.merge(HyperLogLog(ofElement: element.bytes)) }
      return KVDelta(value: .hyperLogLog(estimate))
    case .lww:
      let register = LastWriterWins(
        stamp: 0, value: stored.bytes[...], encoding: stored.encoding.rawValue)
      return KVDelta(value: .register(register), isIdempotent: false)
    case .causal, .causalMulti:
      throw Failure(.usage, "a causal value cannot be a field of a map")
    }
  }

  private func set(_ stored: EncodedValue, _ wrap: (GrowSet) -> AnyLattice) throws -> KVDelta {
    let elements = try elements(stored)
    return KVDelta(
      value: wrap(GrowSet(elements.map { $0.bytes[...] })),
      encoding: elements.map(\.encoding).max { $0.rawValue < $1.rawValue } ?? .raw)
  }

  private func orderedSet(_ stored: EncodedValue) throws -> KVDelta {
    let texts = try elements(stored).map { element in
      element.encoding == .raw
        ? element.bytes[...]
        : ArraySlice(try decode(element, as: String.self, .orderedSet).utf8)
    }
    return KVDelta(value: .orderedSet(GrowSet(texts)), encoding: .raw)
  }

  private func removableSet(_ stored: EncodedValue) throws -> KVDelta {
    var delta = ObservedRemoveSet()
    for element in try elements(stored) {
      delta.merge(
        .adding(
          element.bytes[...], encoding: element.encoding.rawValue, as: try cloud.nextDot(for: key)))
    }
    return KVDelta(value: .observedRemoveSet(delta))
  }

  private func counter(_ stored: EncodedValue, growing: Bool) throws -> KVDelta {
    let amount = try decode(stored, as: Int64.self, growing ? .growCounter : .counter)
    guard amount >= 0 || !growing else { throw unfit(.growCounter, "\(amount)") }
    let actor = AnyLattice.ownersActor
    if growing {
      let counter = GrowCounter([(actor: actor, added: amount.magnitude)])
      return KVDelta(value: .growCounter(counter), isIdempotent: false)
    }
    let entry = Counter.Entry(
      actor: actor, added: amount > 0 ? amount.magnitude : 0,
      subtracted: amount < 0 ? amount.magnitude : 0)
    return KVDelta(value: .counter(Counter([entry])), isIdempotent: false)
  }

  private func number(_ stored: EncodedValue, _ type: LatticeWord) throws -> Number {
    if let integer = try? stored.decode(as: Int64.self) { return Number(integer) }
    guard let number = Number(try decode(stored, as: Double.self, type)) else {
      throw unfit(type, "NaN")
    }
    return number
  }

  private func registerMap(_ stored: EncodedValue) throws -> KVDelta {
    let fields = try decode(stored, as: [String: AnyValue].self, .lwwMap)
    let map = RegisterMap(
      try fields.map { name, value in
        let encoded = value == .null ? nil : try EncodedValue(value)
        return RegisterMap.Field(
          name: ArraySlice(name.utf8), stamp: 0, value: encoded.map { $0.bytes[...] },
          encoding: encoded?.encoding.rawValue ?? 0)
      })
    return KVDelta(value: .registerMap(map), isIdempotent: false)
  }

  private func map(_ stored: EncodedValue) throws -> KVDelta {
    let fields = try decode(stored, as: [String: [String: AnyValue]].self, .map)
    var isIdempotent = true
    let map = LatticeMap(
      try fields.map { name, typed in
        guard typed.count == 1, let (word, value) = typed.first,
          let type = LatticeWord(rawValue: word)
        else { throw unfit(.map, "a field \(name) without one of: \(LatticeWord.list)") }
        let delta = try delta(type, try EncodedValue(value))
        isIdempotent = isIdempotent && delta.isIdempotent
        return LatticeMap.Field(
          name: ArraySlice(name.utf8), value: delta.value, encoding: delta.encoding.rawValue)
      })
    return KVDelta(value: .map(map), isIdempotent: isIdempotent)
  }

  /// The elements of a JSON array, or the value itself.
  private func elements(_ stored: EncodedValue) throws -> [EncodedValue] {
    guard stored.encoding == .native,
      case .array(let values) = try stored.decode(as: AnyValue.self)
    else { return [stored] }
    return try values.map { try EncodedValue($0) }
  }

  private func decode<V: Value>(
    _ stored: EncodedValue, as type: V.Type, _ word: LatticeWord
  ) throws -> V {
    do throws(ValueError) {
      return try stored.decode(as: type)
    } catch {
      throw unfit(word, error.found)
    }
  }

  private func unfit(_ type: LatticeWord, _ found: String) -> Failure {
    Failure(
      .badArgument, "the value for a \(type.rawValue) is \(type.expectation); this is \(found)")
  }
}
