/// A number that is compared by its value, whatever it was written as: an integer where it is one of
/// 64 bits, else a real, never NaN. Equal numbers have equal bytes.
public struct Number: Hashable, Sendable, Comparable {
  public enum Form: Hashable, Sendable {
    case integer(Int64)
    /// With a fraction, beyond `Int64`, or infinite.
    case real(Double)
  }

  public let form: Form

  public init(_ value: Int64) { form = .integer(value) }

  /// - Returns: nil for NaN.
  public init?(_ value: Double) {
    guard !value.isNaN else { return nil }
    form = Int64(exactly: value).map { .integer($0) } ?? .real(value)
  }

  public static func < (left: Number, right: Number) -> Bool {
    switch (left.form, right.form) {
    case (.integer(let left), .integer(let right)): left < right
    case (.real(let left), .real(let right)): left < right
    case (.integer(let left), .real(let right)): !isBelow(right, left)
    case (.real(let left), .integer(let right)): isBelow(left, right)
    }
  }

  /// A real is never equal to an integer here.
  private static func isBelow(_ real: Double, _ integer: Int64) -> Bool {
    if real >= 0x1p63 { return false }
    if real < -0x1p63 { return true }
    return Int64(real.rounded(.down)) < integer
  }
}

/// The largest number that was written.
public struct Maximum: Lattice, Hashable {
  public private(set) var value: Number

  @inlinable public init(_ value: Number) { self.init(value: value) }
  @usableFromInline init(value: Number) { self.value = value }

  @discardableResult public mutating func merge(_ other: Maximum) -> Bool {
    guard value < other.value else { return false }
    value = other.value
    return true
  }
}

/// The smallest number that was written.
public struct Minimum: Lattice, Hashable {
  public private(set) var value: Number

  @inlinable public init(_ value: Number) { self.init(value: value) }
  @usableFromInline init(value: Number) { self.value = value }

  @discardableResult public mutating func merge(_ other: Minimum) -> Bool {
    guard other.value < value else { return false }
    value = other.value
    return true
  }
}

/// A flag that, once raised, stays raised.
public struct Flag: Lattice, Hashable {
  public private(set) var isRaised: Bool

  public init(isRaised: Bool = false) { self.isRaised = isRaised }

  @discardableResult public mutating func merge(_ other: Flag) -> Bool {
    guard other.isRaised, !isRaised else { return false }
    isRaised = true
    return true
  }
}

/// Payload: `NumberValue { oneof form { sint64 integer = 1; double real = 2; } }`, the form always there.
extension Number {
  init(serialized bytes: ArraySlice<UInt8>, of payload: LatticeError.Payload) throws(LatticeError) {
    var number: Number?
    var reader = ProtobufReader(bytes, of: payload)
    while let field = try reader.nextField() {
      switch field {
      case .varint(1, let value):
        number = Number(Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1))
      case .fixed64(2, let bits):
        guard let real = Number(Double(bitPattern: bits)) else {
          throw reader.failure(.notANumber)
        }
        number = real
      default: continue
      }
    }
    guard let number else { throw reader.failure(.incomplete) }
    self = number
  }

  func serialized() -> [UInt8] {
    var bytes: [UInt8] = []
    switch form {
    case .integer(let value):
      bytes.append(ProtobufTag.varint1)
      bytes.appendVarint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
    case .real(let value):
      bytes.append(ProtobufTag.fixed2)
      bytes.appendLittleEndian(value.bitPattern)
    }
    return bytes
  }
}

extension Maximum {
  public init(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) {
    self.init(try Number(serialized: bytes, of: .maximum))
  }

  public func serialized() -> [UInt8] { value.serialized() }
}

extension Minimum {
  public init(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) {
    self.init(try Number(serialized: bytes, of: .minimum))
  }

  public func serialized() -> [UInt8] { value.serialized() }
}

/// Payload: `FlagValue { bool raised = 1 }`.
extension Flag {
  public init(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) {
    self.init()
    var reader = ProtobufReader(bytes, of: .flag)
    while let field = try reader.nextField() {
      if case .varint(1, let value) = field { isRaised = value != 0 }
    }
  }

  public func serialized() -> [UInt8] { isRaised ? [ProtobufTag.varint1, 1] : [] }
}
