/// A byte string of which the write with the lowest priority survives.
///
/// Equal priorities are decided by the value's bytes: the larger ones stay. `value` may be a slice of
/// a received message and then keeps that message alive.
public struct Priority: Lattice, Hashable {
  /// Never NaN, and zero has one sign, so that equal priorities have equal bytes.
  public let priority: Double
  public let value: ArraySlice<UInt8>

  /// - Returns: nil for a priority that is not a number: nothing could be compared with it.
  public init?(priority: Double, value: ArraySlice<UInt8>) {
    guard !priority.isNaN else { return nil }
    self.priority = priority == 0 ? 0 : priority
    self.value = value
  }

  /// Order of the writes: the lower priority is later, then the larger value bytes.
  @inlinable public func isSuperseded(by other: Priority) -> Bool {
    if priority != other.priority { return other.priority < priority }
    return compareBytes(value, other.value) < 0
  }

  @inlinable @discardableResult
  public mutating func merge(_ other: Priority) -> Bool {
    guard isSuperseded(by: other) else { return false }
    self = other
    return true
  }
}

/// Payload: `PriorityValue { double priority = 1; bytes value = 2 }`.
extension Priority {
  public init(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) {
    var priority = 0.0
    var value: ArraySlice<UInt8> = []
    var reader = ProtobufReader(bytes, of: .priority)
    while let field = try reader.nextField() {
      switch field {
      case .fixed64(1, let bits): priority = Double(bitPattern: bits)
      case .bytes(2, let bytes): value = bytes
      default: continue
      }
    }
    guard let read = Priority(priority: priority, value: value) else {
      throw reader.failure(.notANumber)
    }
    self = read
  }

  public func serialized() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(9 + 11 + value.count)
    if priority != 0 {
      bytes.append(ProtobufTag.fixed1)
      bytes.appendLittleEndian(priority.bitPattern)
    }
    if !value.isEmpty { bytes.appendField(2, value) }
    return bytes
  }
}
