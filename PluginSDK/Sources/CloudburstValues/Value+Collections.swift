extension Optional: Value where Wrapped: Value {
  public static var valueTypeName: String { Wrapped.valueTypeName + "?" }

  public func encode(into writer: inout NativeWriter) throws(ValueError) {
    if let self {
      try self.encode(into: &writer)
    } else {
      writer.write(.null)
    }
  }

  public init(from reader: inout NativeReader) throws(ValueError) {
    self = reader.take(.null) ? nil : try Wrapped(from: &reader)
  }

  public init(raw: UnsafeRawBufferPointer) throws(ValueError) {
    self = try Wrapped(raw: raw)
  }
}

extension Array: Value where Element: Value {
  public static var valueTypeName: String { "[\(Element.valueTypeName)]" }

  public func encode(into writer: inout NativeWriter) throws(ValueError) {
    try Element.encode(array: self, into: &writer)
  }

  public init(from reader: inout NativeReader) throws(ValueError) {
    self = try Element.decodeArray(from: &reader)
  }

  public init(raw: UnsafeRawBufferPointer) throws(ValueError) {
    self = try Element.decodeArray(raw: raw)
  }
}

/// An array in ascending order of the elements' native bytes: equal sets have equal bytes.
extension Set: Value where Element: Value {
  public static var valueTypeName: String { "Set<\(Element.valueTypeName)>" }

  public func encode(into writer: inout NativeWriter) throws(ValueError) {
    var keyed: [(bytes: [UInt8], element: Element)] = []
    keyed.reserveCapacity(count)
    for element in self {
      keyed.append((try EncodedValue(element).bytes, element))
    }
    keyed.sort { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    try writer.beginContainer(.array, count: count)
    for (_, element) in keyed { try element.encode(into: &writer) }
    writer.endContainer()
  }

  public init(from reader: inout NativeReader) throws(ValueError) {
    self = Set(try Element.decodeElements(from: &reader))
  }
}

/// A map in ascending order of the keys' bytes: equal dictionaries have equal bytes.
extension Dictionary: CloudburstValues.Value
where Key == String, Value: CloudburstValues.Value {
  public static var valueTypeName: String { "[String: \(Value.valueTypeName)]" }

  public func encode(into writer: inout NativeWriter) throws(ValueError) {
    let ordered = self.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    try writer.beginContainer(.map, count: count)
    for (key, value) in ordered {
      writer.writeKey(key)
      do throws(ValueError) {
        try value.encode(into: &writer)
      } catch {
        throw error.inside(".\(key)")
      }
    }
    writer.endContainer()
  }

  public init(from reader: inout NativeReader) throws(ValueError) {
    self.init()
    let count = try reader.beginContainer(.map)
    reserveCapacity(Swift.min(count, ValueLimits.reservedElementsMax))
    for _ in 0..<count {
      let key = try reader.readKey()
      do throws(ValueError) {
        guard updateValue(try Value(from: &reader), forKey: key) == nil else {
          throw ValueError(expected: "each key once", found: "it twice")
        }
      } catch {
        throw error.inside(".\(key)")
      }
    }
    reader.endContainer()
  }
}
