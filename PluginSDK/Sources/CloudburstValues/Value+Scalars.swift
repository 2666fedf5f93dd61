extension Value where Self: FixedWidthInteger & Codable {
  @inlinable public func encode(into writer: inout NativeWriter) throws(ValueError) {
    if let value = Int64(exactly: self) {
      writer.write(value)
    } else {
      writer.write(UInt64(truncatingIfNeeded: self))
    }
  }

  @inlinable public init(from reader: inout NativeReader) throws(ValueError) {
    self = try reader.readInteger(as: Self.self)
  }
}

extension Int8: Value {}
extension Int16: Value {}
extension UInt16: Value {}
extension UInt32: Value {}
extension UInt64: Value {}
extension UInt: Value {}

extension Int: Value {
  public static func encode(array: [Int], into writer: inout NativeWriter) throws(ValueError) {
    encodeBlock(array, into: &writer)
  }
  public static func decodeArray(from reader: inout NativeReader) throws(ValueError) -> [Int] {
    try decodeNumbers(from: &reader)
  }
}

extension Int64: Value {
  public static func encode(array: [Int64], into writer: inout NativeWriter) throws(ValueError) {
    encodeBlock(array, into: &writer)
  }
  public static func decodeArray(from reader: inout NativeReader) throws(ValueError) -> [Int64] {
    try decodeNumbers(from: &reader)
  }
}

extension Int32: Value {
  public static func encode(array: [Int32], into writer: inout NativeWriter) throws(ValueError) {
    encodeBlock(array, into: &writer)
  }
  public static func decodeArray(from reader: inout NativeReader) throws(ValueError) -> [Int32] {
    try decodeNumbers(from: &reader)
  }
}

extension Double: Value {
  public func encode(into writer: inout NativeWriter) throws(ValueError) {
    writer.write(self)
  }
  public init(from reader: inout NativeReader) throws(ValueError) {
    self = try reader.readDouble()
  }
  public static func encode(array: [Double], into writer: inout NativeWriter) throws(ValueError) {
    encodeBlock(array, into: &writer)
  }
  public static func decodeArray(from reader: inout NativeReader) throws(ValueError) -> [Double] {
    try decodeNumbers(from: &reader)
  }
}

/// Travels as a `Double`, which holds every `Float`; reading rounds to the nearest.
extension Float: Value {
  public func encode(into writer: inout NativeWriter) throws(ValueError) {
    writer.write(Double(self))
  }
  public init(from reader: inout NativeReader) throws(ValueError) {
    self = Float(try reader.readDouble())
  }
  public static func encode(array: [Float], into writer: inout NativeWriter) throws(ValueError) {
    encodeBlock(array, into: &writer)
  }
  public static func decodeArray(from reader: inout NativeReader) throws(ValueError) -> [Float] {
    try decodeNumbers(from: &reader)
  }
}

extension Bool: Value {
  public func encode(into writer: inout NativeWriter) throws(ValueError) {
    writer.write(self)
  }
  public init(from reader: inout NativeReader) throws(ValueError) {
    if reader.take(.true) {
      self = true
    } else if reader.take(.false) {
      self = false
    } else {
      throw reader.mismatch(expected: "Bool")
    }
  }
}

extension String: Value {
  public func encode(into writer: inout NativeWriter) throws(ValueError) {
    writer.write(self)
  }
  public init(from reader: inout NativeReader) throws(ValueError) {
    self = try reader.readString()
  }
  public init(raw: UnsafeRawBufferPointer) throws(ValueError) {
    guard let text = String(validating: raw.bindMemory(to: UInt8.self), as: UTF8.self) else {
      throw ValueError(expected: "String", found: "\(raw.count) raw bytes that are not UTF-8")
    }
    self = text
  }
}

/// `[UInt8]` is bytes, not an array of numbers; in JSON it is a base64 string.
extension UInt8: Value {
  public static func encode(array: [UInt8], into writer: inout NativeWriter) throws(ValueError) {
    array.withUnsafeBytes { writer.write(bytes: $0) }
  }

  public static func decodeArray(from reader: inout NativeReader) throws(ValueError) -> [UInt8] {
    switch try reader.peek() {
    case .bytes: return [UInt8](try reader.readBytes())
    case .string:
      let start = reader
      guard let bytes = Base64.decode(try reader.readString()) else {
        throw start.mismatch(expected: "bytes as base64")
      }
      return bytes
    default: return try decodeElements(from: &reader)
    }
  }

  public static func decodeArray(raw: UnsafeRawBufferPointer) throws(ValueError) -> [UInt8] {
    [UInt8](raw)
  }
}

extension Value {
  /// The element by element form of `decodeArray`, for types that have a faster one of their own.
  static func decodeElements(from reader: inout NativeReader) throws(ValueError) -> [Self] {
    var elements = try NativeElements(&reader)
    var array: [Self] = []
    array.reserveCapacity(min(elements.count, ValueLimits.reservedElementsMax))
    while !elements.isAtEnd {
      array.append(try elements.next(&reader) { next throws(ValueError) in try Self(from: &next) })
    }
    elements.end(&reader)
    return array
  }
}
