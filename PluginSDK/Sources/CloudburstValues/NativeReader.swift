/// Reads values in the native format from borrowed bytes; total over arbitrary input.
///
/// A failed read leaves the reader where it was or further on, never past the end.
public struct NativeReader {
  @usableFromInline let source: UnsafeRawBufferPointer
  @usableFromInline var position: Int
  @usableFromInline var depth: Int

  /// - Parameter source: borrowed; it must outlive the reader and all that is read in place.
  @inlinable public init(_ source: UnsafeRawBufferPointer) {
    self.source = source
    position = 0
    depth = 0
  }

  @inlinable public var remaining: Int { source.count - position }

  /// The next value's tag, which stays unread.
  @inlinable public func peek() throws(ValueError) -> NativeTag {
    guard position < source.count else { throw ended(reading: "a value") }
    guard let tag = NativeTag(rawValue: source[position]) else {
      throw ValueError(expected: "a value", found: "unknown tag \(source[position])")
    }
    return tag
  }

  /// Reads the next value's tag if it is this one.
  @inlinable public mutating func take(_ tag: NativeTag) -> Bool {
    guard position < source.count, source[position] == tag.rawValue else { return false }
    position += 1
    return true
  }

  /// An `int64`, `uint64` or integral `double`, in any integer type that can hold it.
  @inlinable public mutating func readInteger<I: FixedWidthInteger>(
    as type: I.Type = I.self
  ) throws(ValueError) -> I {
    let start = self
    let value: I?
    switch try peek() {
    case .int64: value = I(exactly: try readBits(Int64.self))
    case .uint64: value = I(exactly: try readBits(UInt64.self))
    case .double: value = I(exactly: try readBits(Double.self))
    default: value = nil
    }
    guard let value else { throw start.mismatch(expected: "\(I.self)") }
    return value
  }

  /// Any number; an integer only if a `Double` holds it exactly. Also the strings "NaN",
  /// "Infinity" and "-Infinity", which is how JSON carries these.
  public mutating func readDouble() throws(ValueError) -> Double {
    let start = self
    let value: Double?
    switch try peek() {
    case .double: value = try readBits(Double.self)
    case .int64: value = Double(exactly: try readBits(Int64.self))
    case .uint64: value = Double(exactly: try readBits(UInt64.self))
    case .string: value = Double(nonFiniteName: try readString())
    default: value = nil
    }
    guard let value else { throw start.mismatch(expected: "Double") }
    return value
  }

  public mutating func readString() throws(ValueError) -> String {
    guard take(.string) else { throw mismatch(expected: "String") }
    return try readKey()
  }

  /// A map's key: a string without its tag.
  public mutating func readKey() throws(ValueError) -> String {
    let block = try readCounted()
    guard let text = String(validating: block.bindMemory(to: UInt8.self), as: UTF8.self) else {
      throw ValueError(expected: "UTF-8", found: "\(block.count) bytes that are not")
    }
    return text
  }

  /// - Returns: the bytes in place.
  public mutating func readBytes() throws(ValueError) -> UnsafeRawBufferPointer {
    guard take(.bytes) else { throw mismatch(expected: "bytes") }
    return try readCounted()
  }

  /// A bulk array of exactly this element type.
  ///
  /// - Returns: the elements' bytes in place, at a multiple of 8 from the value's start.
  public mutating func readBulk<Element: BulkElement>(
    of type: Element.Type
  ) throws(ValueError) -> UnsafeRawBufferPointer {
    guard take(Element.bulkTag) else { throw mismatch(expected: "[\(Element.self)]") }
    return try readBulkBlock(width: MemoryLayout<Element>.size)
  }

  /// Starts an array or a map; `endContainer` follows its last element.
  ///
  /// - Returns: the count, which the input is long enough for.
  public mutating func beginContainer(_ tag: NativeTag) throws(ValueError) -> Int {
    guard take(tag) else { throw mismatch(expected: tag == .map ? "a map" : "an array") }
    guard depth < ValueLimits.depthMax else {
      throw ValueError(
        expected: "at most \(ValueLimits.depthMax) values inside one another", found: "more")
    }
    depth += 1
    let count = Int(try readRaw(UInt32.self))
    guard count * (tag == .map ? 5 : 1) <= remaining else {
      throw ValueError(
        expected: "\(count) elements", found: "\(remaining) bytes, too few for them")
    }
    return count
  }

  public mutating func endContainer() {
    depth -= 1
  }

  /// Passes over the next value, checking its form.
  public mutating func skip() throws(ValueError) {
    switch try peek() {
    case .null, .false, .true: position += 1
    case .int64, .uint64, .double: _ = try readBits(UInt64.self)
    case .string: _ = try readString()
    case .bytes: _ = try readBytes()
    case .array:
      for _ in 0..<(try beginContainer(.array)) { try skip() }
      endContainer()
    case .map:
      for _ in 0..<(try beginContainer(.map)) {
        _ = try readKey()
        try skip()
      }
      endContainer()
    case .doubles, .int64s, .floats, .int32s:
      _ = try readBulkBlock(width: takeBulkWidth())
    }
  }

  /// Refuses input that goes on after the value.
  @inlinable public func requireEnd() throws(ValueError) {
    guard remaining == 0 else {
      throw ValueError(expected: "the end of the value", found: "\(remaining) more bytes")
    }
  }
}

extension NativeReader {
  mutating func takeBulkWidth() throws(ValueError) -> Int {
    guard let width = try peek().elementWidth else { throw mismatch(expected: "a bulk array") }
    position += 1
    return width
  }

  /// The elements of a bulk array whose tag was read.
  mutating func readBulkBlock(width: Int) throws(ValueError) -> UnsafeRawBufferPointer {
    let count = Int(try readRaw(UInt32.self))
    let padding = -position & 7
    for _ in 0..<padding {
      guard try readRaw(UInt8.self) == 0 else {
        throw ValueError(expected: "zero bytes before the elements", found: "others")
      }
    }
    return try readBlock(count * width)
  }

  /// Bytes that follow a tag, which is passed over.
  @inlinable mutating func readBits<T: BitwiseCopyable>(_ type: T.Type) throws(ValueError) -> T {
    position += 1
    return try readRaw(type)
  }

  @inlinable mutating func readRaw<T: BitwiseCopyable>(_ type: T.Type) throws(ValueError) -> T {
    guard remaining >= MemoryLayout<T>.size else { throw ended(reading: "\(T.self)") }
    defer { position += MemoryLayout<T>.size }
    return source.loadUnaligned(fromByteOffset: position, as: T.self)
  }

  private mutating func readCounted() throws(ValueError) -> UnsafeRawBufferPointer {
    try readBlock(Int(try readRaw(UInt32.self)))
  }

  private mutating func readBlock(_ count: Int) throws(ValueError) -> UnsafeRawBufferPointer {
    guard count <= remaining else {
      throw ValueError(expected: "\(count) bytes", found: "\(remaining) to the end")
    }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: source[position..<(position + count)])
  }

  @usableFromInline func ended(reading what: String) -> ValueError {
    ValueError(expected: what, found: "the end of the bytes")
  }

  /// The error for a next value that is not what was wanted; the same as where the bytes are broken.
  public func mismatch(expected: String) -> ValueError {
    ValueError(expected: expected, found: describeNext())
  }

  /// The next value in a few words, such as `string "abc"`.
  func describeNext() -> String {
    var copy = self
    do throws(ValueError) {
      switch try copy.peek() {
      case .null: return "null"
      case .false: return "false"
      case .true: return "true"
      case .int64: return "\(try copy.readBits(Int64.self))"
      case .uint64: return "\(try copy.readBits(UInt64.self))"
      case .double: return "\(try copy.readBits(Double.self))"
      case .string: return "string " + Self.quoted(try copy.readString())
      case .bytes: return "\(try copy.readBytes().count) bytes"
      case .array: return "an array of \(try copy.beginContainer(.array))"
      case .map: return "a map of \(try copy.beginContainer(.map))"
      case .doubles, .floats, .int64s, .int32s:
        let width = try copy.takeBulkWidth()
        return "a numeric array of \(try copy.readBulkBlock(width: width).count / width)"
      }
    } catch {
      return error.found
    }
  }

  private static func quoted(_ text: String) -> String {
    let shown = text.prefix(40)
    return shown.endIndex == text.endIndex ? "\"\(shown)\"" : "\"\(shown)…\""
  }
}

extension Double {
  init?(nonFiniteName name: String) {
    switch name {
    case "NaN": self = .nan
    case "Infinity": self = .infinity
    case "-Infinity": self = -.infinity
    default: return nil
    }
  }

  /// What JSON calls this number, which it has no literal for; `nil` for finite ones.
  var nonFiniteName: String? {
    if isNaN { return "NaN" }
    return isInfinite ? (self < 0 ? "-Infinity" : "Infinity") : nil
  }
}
