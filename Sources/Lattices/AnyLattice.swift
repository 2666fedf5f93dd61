/// A value of any of the lattices that can be stored, by the number of its type.
///
/// What a store, a log or a map needs: bytes in, join, bytes out. Where the type is known, use it.
public enum AnyLattice: Hashable, Sendable {
  /// The numbers are on the wire; those below 100 are Anna's.
  public enum Kind: UInt8, CaseIterable, Sendable {
    case register = 1
    case set = 2
    case singleKeyCausal = 3
    case multiKeyCausal = 4
    case orderedSet = 5
    case priority = 6
    case counter = 100
    case growCounter = 101
    case maximum = 102
    case minimum = 103
    case flag = 104
    case map = 105
    case observedRemoveSet = 106
    case registerMap = 107
    case hyperLogLog = 108
  }

  case register(LastWriterWins)
  case set(GrowSet)
  case singleKeyCausal(CausalValue)
  case multiKeyCausal(CausalValue)
  case orderedSet(GrowSet)
  case priority(Priority)
  case counter(Counter)
  case growCounter(GrowCounter)
  case maximum(Maximum)
  case minimum(Minimum)
  case flag(Flag)
  case map(LatticeMap)
  case observedRemoveSet(ObservedRemoveSet)
  case registerMap(RegisterMap)
  case hyperLogLog(HyperLogLog)

  public var kind: Kind {
    switch self {
    case .register: .register
    case .set: .set
    case .singleKeyCausal: .singleKeyCausal
    case .multiKeyCausal: .multiKeyCausal
    case .orderedSet: .orderedSet
    case .priority: .priority
    case .counter: .counter
    case .growCounter: .growCounter
    case .maximum: .maximum
    case .minimum: .minimum
    case .flag: .flag
    case .map: .map
    case .observedRemoveSet: .observedRemoveSet
    case .registerMap: .registerMap
    case .hyperLogLog: .hyperLogLog
    }
  }

  /// False where the value could not be read again once it is written.
  public var isWithinLimits: Bool {
    switch self {
    case .singleKeyCausal(let value), .multiKeyCausal(let value): value.isWithinLimits
    case .map(let map): map.isWithinLimits
    default: true
    }
  }

  /// Joins two values of one kind.
  ///
  /// - Returns: whether it changed; nil for two kinds, and nothing changed then.
  @discardableResult public mutating func merge(_ other: AnyLattice) -> Bool? {
    switch (self, other) {
    case (.register(let mine), .register(let its)): join(mine, its) { .register($0) }
    case (.set(let mine), .set(let its)): join(mine, its) { .set($0) }
    case (.singleKeyCausal(let mine), .singleKeyCausal(let its)):
      join(mine, its) { .singleKeyCausal($0) }
    case (.multiKeyCausal(let mine), .multiKeyCausal(let its)):
      join(mine, its) { .multiKeyCausal($0) }
    case (.orderedSet(let mine), .orderedSet(let its)): join(mine, its) { .orderedSet($0) }
    case (.priority(let mine), .priority(let its)): join(mine, its) { .priority($0) }
    case (.counter(let mine), .counter(let its)): join(mine, its) { .counter($0) }
    case (.growCounter(let mine), .growCounter(let its)): join(mine, its) { .growCounter($0) }
    case (.maximum(let mine), .maximum(let its)): join(mine, its) { .maximum($0) }
    case (.minimum(let mine), .minimum(let its)): join(mine, its) { .minimum($0) }
    case (.flag(let mine), .flag(let its)): join(mine, its) { .flag($0) }
    case (.map(let mine), .map(let its)): join(mine, its) { .map($0) }
    case (.observedRemoveSet(let mine), .observedRemoveSet(let its)):
      join(mine, its) { .observedRemoveSet($0) }
    case (.registerMap(let mine), .registerMap(let its)): join(mine, its) { .registerMap($0) }
    case (.hyperLogLog(let mine), .hyperLogLog(let its)): join(mine, its) { .hyperLogLog($0) }
    default: nil
    }
  }

  private mutating func join<Value: Lattice>(
    _ mine: Value, _ its: Value, _ wrap: (Value) -> AnyLattice
  ) -> Bool {
    var joined = mine
    guard joined.merge(its) else { return false }
    self = wrap(joined)
    return true
  }
}

extension AnyLattice {
  public init(serialized bytes: ArraySlice<UInt8>, as kind: Kind) throws(LatticeError) {
    try self.init(serialized: bytes, as: kind, depth: 0)
  }

  /// - Parameter depth: maps around this value.
  init(
    serialized bytes: ArraySlice<UInt8>, as kind: Kind, depth: Int
  ) throws(LatticeError) {
    self =
      switch kind {
      case .register: .register(try LastWriterWins(serialized: bytes))
      case .set: .set(try GrowSet(serialized: bytes))
      case .singleKeyCausal: .singleKeyCausal(try CausalValue(serialized: bytes, as: .singleKey))
      case .multiKeyCausal: .multiKeyCausal(try CausalValue(serialized: bytes, as: .multiKey))
      case .orderedSet: .orderedSet(try GrowSet(serialized: bytes))
      case .priority: .priority(try Priority(serialized: bytes))
      case .counter: .counter(try Counter(serialized: bytes))
      case .growCounter: .growCounter(try GrowCounter(serialized: bytes))
      case .maximum: .maximum(try Maximum(serialized: bytes))
      case .minimum: .minimum(try Minimum(serialized: bytes))
      case .flag: .flag(try Flag(serialized: bytes))
      case .map: .map(try LatticeMap(serialized: bytes, depth: depth))
      case .observedRemoveSet: .observedRemoveSet(try ObservedRemoveSet(serialized: bytes))
      case .registerMap: .registerMap(try RegisterMap(serialized: bytes))
      case .hyperLogLog: .hyperLogLog(try HyperLogLog(serialized: bytes))
      }
  }

  /// The one form in which every replica writes the value.
  public func serialized() -> [UInt8] {
    switch self {
    case .register(let value): value.serialized()
    case .set(let value), .orderedSet(let value): value.serialized()
    case .singleKeyCausal(let value): value.serialized(as: .singleKey)
    case .multiKeyCausal(let value): value.serialized(as: .multiKey)
    case .priority(let value): value.serialized()
    case .counter(let value): value.serialized()
    case .growCounter(let value): value.serialized()
    case .maximum(let value): value.serialized()
    case .minimum(let value): value.serialized()
    case .flag(let value): value.serialized()
    case .map(let value): value.serialized()
    case .observedRemoveSet(let value): value.serialized()
    case .registerMap(let value): value.serialized()
    case .hyperLogLog(let value): value.serialized()
    }
  }
}

/// Payload, inside a map: `RegisterValue { fixed64 stamp = 1; bytes value = 2; uint32 encoding = 3 }`. A
/// record of its own has stamp and encoding in its envelope.
extension LastWriterWins {
  public init(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) {
    self.init(stamp: 0, value: [])
    var reader = ProtobufReader(bytes, of: .register)
    while let field = try reader.nextField() {
      switch field {
      case .fixed64(1, let number): stamp = number
      case .bytes(2, let bytes): value = bytes
      case .varint(3, let number):
        guard number <= UInt64(UInt8.max) else { throw reader.failure(.outOfRange) }
        encoding = UInt8(number)
      default: continue
      }
    }
  }

  public func serialized() -> [UInt8] {
    var bytes: [UInt8] = []
    if stamp != 0 {
      bytes.append(ProtobufTag.fixed1)
      bytes.appendLittleEndian(stamp)
    }
    if !value.isEmpty { bytes.appendField(2, value) }
    if encoding != 0 { bytes.appendNumber(ProtobufTag.varint3, UInt64(encoding)) }
    return bytes
  }
}
