/// How a value's bytes are to be read.
public enum ValueEncoding: UInt8, Hashable, Sendable, CaseIterable {
  /// Bytes as they are; readable as `String` (UTF-8) and `[UInt8]`.
  case raw = 0
  /// One JSON text, RFC 8259, UTF-8.
  case json = 1
  /// docs/native-format.md.
  case native = 2
}

/// A value as it travels and is stored: bytes and what they are.
public struct EncodedValue: Hashable, Sendable {
  public var encoding: ValueEncoding
  public var bytes: [UInt8]

  public init(encoding: ValueEncoding, bytes: [UInt8]) {
    self.encoding = encoding
    self.bytes = bytes
  }

  /// Encodes natively.
  public init(_ value: some Value) throws(ValueError) {
    var writer = NativeWriter()
    try value.encode(into: &writer)
    self.init(encoding: .native, bytes: writer.bytes)
  }

  /// Decodes from any of the three encodings.
  public func decode<V: Value>(as type: V.Type = V.self) throws(ValueError) -> V {
    let outcome: Result<V, ValueError> = bytes.withUnsafeBytes { source in
      do throws(ValueError) {
        return .success(try V(encoding: encoding, bytes: source))
      } catch {
        return .failure(error)
      }
    }
    return try outcome.get()
  }

  /// The same value in another encoding, without knowing its type.
  ///
  /// Raw bytes become native bytes, and base64 text in JSON. Only text and bytes become raw: what
  /// `String` or `[UInt8]` holds, nothing around it.
  public func converted(to target: ValueEncoding) throws(ValueError) -> EncodedValue {
    switch (encoding, target) {
    case (.raw, .raw), (.native, .native), (.json, .json):
      return self
    case (.raw, .native), (.raw, .json):
      return try EncodedValue(bytes).converted(to: target)
    case (.json, .native):
      return EncodedValue(encoding: .native, bytes: try JSONToNative.convert(bytes))
    case (.native, .json):
      return EncodedValue(encoding: .json, bytes: try NativeToJSON.convert(bytes))
    case (.json, .raw):
      return try converted(to: .native).converted(to: .raw)
    case (.native, .raw):
      if bytes.first == NativeTag.string.rawValue {
        return EncodedValue(encoding: .raw, bytes: Array(try decode(as: String.self).utf8))
      }
      return EncodedValue(encoding: .raw, bytes: try decode(as: [UInt8].self))
    }
  }
}

extension Value {
  /// Decodes from any of the three encodings. - Parameter bytes: borrowed for the call.
  @inlinable public init(encoding: ValueEncoding, bytes: UnsafeRawBufferPointer) throws(ValueError)
  {
    switch encoding {
    case .native:
      var reader = NativeReader(bytes)
      self = try Self(from: &reader)
      try reader.requireEnd()
    case .json:
      self = try EncodedValue(encoding: .native, bytes: JSONToNative.convert(bytes)).decode()
    case .raw:
      self = try Self(raw: bytes)
    }
  }
}
