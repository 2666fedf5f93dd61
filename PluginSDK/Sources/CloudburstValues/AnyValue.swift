/// A value of any shape, for code that must look at values without knowing their type.
public enum AnyValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int64)
  /// Only above `Int64.max`: smaller ones are `integer`.
  case unsigned(UInt64)
  case double(Double)
  case string(String)
  case bytes([UInt8])
  case array([AnyValue])
  case map([String: AnyValue])
}

extension AnyValue: Value {
  public static var valueTypeName: String { "Any" }

  public func encode(into writer: inout NativeWriter) throws(ValueError) {
    switch self {
    case .null: writer.write(.null)
    case .bool(let value): writer.write(value)
    case .integer(let value): writer.write(value)
    case .unsigned(let value): writer.write(value)
    case .double(let value): writer.write(value)
    case .string(let value): writer.write(value)
    case .bytes(let value): try value.encode(into: &writer)
    case .array(let value): try value.encode(into: &writer)
    case .map(let value): try value.encode(into: &writer)
    }
  }

  public init(from reader: inout NativeReader) throws(ValueError) {
    switch try reader.peek() {
    case .null:
      try reader.skip()
      self = .null
    case .true, .false: self = .bool(try Bool(from: &reader))
    case .int64: self = .integer(try Int64(from: &reader))
    case .uint64:
      let value = try UInt64(from: &reader)
      self = Int64(exactly: value).map(AnyValue.integer) ?? .unsigned(value)
    case .double: self = .double(try Double(from: &reader))
    case .string: self = .string(try String(from: &reader))
    case .bytes: self = .bytes(try [UInt8](from: &reader))
    case .map: self = .map(try [String: AnyValue](from: &reader))
    case .array, .doubles, .floats, .int64s, .int32s: self = .array(try [AnyValue](from: &reader))
    }
  }

  public init(raw: UnsafeRawBufferPointer) throws(ValueError) {
    self = .bytes([UInt8](raw))
  }
}
