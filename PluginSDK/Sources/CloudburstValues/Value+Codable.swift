/// A `Codable` type is a map of its properties, in the order it encodes them.
extension Value where Self: Codable {
  public func encode(into writer: inout NativeWriter) throws(ValueError) {
    let node = EncodingNode()
    do {
      try self.encode(to: NativeEncoder(node: node, codingPath: []))
    } catch {
      throw ValueError(encoding: error, as: Self.self)
    }
    try node.write(into: &writer)
  }

  public init(from reader: inout NativeReader) throws(ValueError) {
    do {
      self = try Self(from: NativeDecoder(reader: reader, codingPath: []))
    } catch {
      throw ValueError(decoding: error, as: Self.self)
    }
    try reader.skip()
  }
}

extension ValueError {
  /// What a `Codable` type threw while it was decoded, as a value error.
  init(decoding error: any Error, as type: Any.Type) {
    switch error {
    case let error as ValueError:
      self = error
    case DecodingError.keyNotFound(let key, _):
      self.init(expected: "\(type) with \"\(key.stringValue)\"", found: "a map without")
    case DecodingError.dataCorrupted(let context):
      self.init(expected: "\(type)", found: "a value it refuses: \(context.debugDescription)")
    case DecodingError.typeMismatch(let wanted, let context),
      DecodingError.valueNotFound(let wanted, let context):
      self.init(expected: "\(wanted)", found: context.debugDescription)
    default:
      self.init(expected: "\(type)", found: "a value it refuses: \(error)")
    }
  }

  /// What a `Codable` type threw while it was encoded, as a value error.
  init(encoding error: any Error, as type: Any.Type) {
    if let error = error as? ValueError {
      self = error
    } else {
      self.init(expected: "\(type) that can be encoded", found: "\(error)")
    }
  }
}

/// A key of any coding container.
struct NativeCodingKey: CodingKey {
  let stringValue: String
  let intValue: Int?

  init(stringValue: String) {
    self.stringValue = stringValue
    intValue = nil
  }
  init(intValue: Int) {
    stringValue = "\(intValue)"
    self.intValue = intValue
  }
  static let `super` = NativeCodingKey(stringValue: "super")
}
