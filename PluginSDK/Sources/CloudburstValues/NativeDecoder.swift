/// Feeds `Codable` from the reader's next value. Valid while the bytes it was made over are borrowed.
struct NativeDecoder: Decoder {
  let reader: NativeReader
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    KeyedDecodingContainer(try KeyedDecoding<Key>(reader, codingPath))
  }
  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    try UnkeyedDecoding(reader, codingPath)
  }
  func singleValueContainer() -> any SingleValueDecodingContainer {
    SingleDecoding(reader: reader, codingPath: codingPath)
  }
}

/// Reads one value of a type that may or may not be a `Value`.
private func read<T: Decodable>(
  _ type: T.Type, _ reader: inout NativeReader, _ path: [any CodingKey]
) throws(ValueError) -> T {
  guard path.count < ValueLimits.depthMax else {
    throw ValueError(
      expected: "at most \(ValueLimits.depthMax) values inside one another", found: "more")
  }
  if let type = type as? any Value.Type, let value = try type.init(from: &reader) as? T {
    return value
  }
  let value: T
  do {
    value = try T(from: NativeDecoder(reader: reader, codingPath: path))
  } catch {
    throw ValueError(decoding: error, as: T.self)
  }
  try reader.skip()
  return value
}

private struct KeyedDecoding<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let codingPath: [any CodingKey]
  private var entries: [String: NativeReader] = [:]

  init(_ reader: NativeReader, _ codingPath: [any CodingKey]) throws(ValueError) {
    self.codingPath = codingPath
    var reader = reader
    for _ in 0..<(try reader.beginContainer(.map)) {
      let key = try reader.readKey()
      guard entries.updateValue(reader, forKey: key) == nil else {
        throw ValueError(path: ".\(key)", expected: "each key once", found: "it twice")
      }
      do throws(ValueError) {
        try reader.skip()
      } catch {
        throw error.inside(".\(key)")
      }
    }
  }

  var allKeys: [Key] { entries.keys.sorted().compactMap { Key(stringValue: $0) } }

  func contains(_ key: Key) -> Bool {
    entries[key.stringValue] != nil
  }

  func decodeNil(forKey key: Key) throws -> Bool {
    try entry(key).peek() == .null
  }

  func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
    var reader = try entry(key)
    do throws(ValueError) {
      return try read(type, &reader, codingPath + [key])
    } catch {
      throw error.inside(".\(key.stringValue)")
    }
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<Nested> {
    try nested(key).container(keyedBy: type)
  }
  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try nested(key).unkeyedContainer()
  }
  func superDecoder() throws -> any Decoder {
    try nested(NativeCodingKey.super)
  }
  func superDecoder(forKey key: Key) throws -> any Decoder {
    try nested(key)
  }

  private func nested(_ key: any CodingKey) throws(ValueError) -> NativeDecoder {
    NativeDecoder(reader: try entry(key), codingPath: codingPath + [key])
  }

  private func entry(_ key: any CodingKey) throws(ValueError) -> NativeReader {
    guard let reader = entries[key.stringValue] else {
      throw ValueError(expected: "\"\(key.stringValue)\" in the map", found: "none")
    }
    return reader
  }
}

private struct UnkeyedDecoding: UnkeyedDecodingContainer {
  let codingPath: [any CodingKey]
  private var reader: NativeReader
  private var elements: NativeElements

  init(_ reader: NativeReader, _ codingPath: [any CodingKey]) throws(ValueError) {
    var reader = reader
    elements = try NativeElements(&reader)
    self.reader = reader
    self.codingPath = codingPath
  }

  var count: Int? { elements.count }
  var currentIndex: Int { elements.index }
  var isAtEnd: Bool { elements.isAtEnd }

  mutating func decodeNil() throws -> Bool {
    guard !isAtEnd, elements.areValues, try reader.peek() == .null else { return false }
    try elements.next(&reader) { element throws(ValueError) in try element.skip() }
    return true
  }

  mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
    let path = codingPath + [NativeCodingKey(intValue: currentIndex)]
    return try elements.next(&reader) { element throws(ValueError) in
      try read(type, &element, path)
    }
  }

  mutating func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type
  ) throws -> KeyedDecodingContainer<Nested> {
    try nested().container(keyedBy: type)
  }
  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    try nested().unkeyedContainer()
  }
  mutating func superDecoder() throws -> any Decoder {
    try nested()
  }

  /// A decoder that outlives this call, so only for elements that lie in the bytes themselves.
  private mutating func nested() throws(ValueError) -> NativeDecoder {
    guard elements.areValues else {
      throw ValueError(path: "[\(currentIndex)]", expected: "a container", found: "a number")
    }
    let path = codingPath + [NativeCodingKey(intValue: currentIndex)]
    let decoder = NativeDecoder(reader: reader, codingPath: path)
    try elements.next(&reader) { element throws(ValueError) in try element.skip() }
    return decoder
  }
}

private struct SingleDecoding: SingleValueDecodingContainer {
  let reader: NativeReader
  let codingPath: [any CodingKey]

  func decodeNil() -> Bool {
    var reader = reader
    return reader.take(.null)
  }

  func decode<T: Decodable>(_ type: T.Type) throws -> T {
    var reader = reader
    return try read(type, &reader, codingPath + [NativeCodingKey(stringValue: "")])
  }
}
