/// What functions take and return and keys hold.
///
/// Numbers, `Bool`, `String`, `[UInt8]`, optionals, arrays, sets and dictionaries with string keys
/// are values. A `Codable` type of yours becomes one by saying so and nothing else:
/// `struct Point: Codable, Value { var x, y: Double }`.
public protocol Value: Sendable, SendableMetatype {
  /// How signatures and error messages call the type: "Int", "[Double]", "Point?".
  static var valueTypeName: String { get }

  func encode(into writer: inout NativeWriter) throws(ValueError)
  init(from reader: inout NativeReader) throws(ValueError)

  /// From bytes tagged `raw`; only text and bytes can be. - Parameter raw: borrowed for the call.
  init(raw: UnsafeRawBufferPointer) throws(ValueError)

  /// How arrays of the type are written; number types write one block.
  static func encode(array: [Self], into writer: inout NativeWriter) throws(ValueError)
  static func decodeArray(from reader: inout NativeReader) throws(ValueError) -> [Self]
  /// As above for `raw` bytes: what makes `[UInt8]` the one array that takes them.
  static func decodeArray(raw: UnsafeRawBufferPointer) throws(ValueError) -> [Self]
}

extension Value {
  public static var valueTypeName: String { "\(Self.self)" }

  public init(raw: UnsafeRawBufferPointer) throws(ValueError) {
    throw ValueError(expected: Self.valueTypeName, found: "\(raw.count) raw bytes")
  }

  public static func encode(
    array: [Self], into writer: inout NativeWriter
  ) throws(ValueError) {
    try writer.beginContainer(.array, count: array.count)
    for (index, element) in array.enumerated() {
      do throws(ValueError) {
        try element.encode(into: &writer)
      } catch {
        throw error.inside("[\(index)]")
      }
    }
    writer.endContainer()
  }

  public static func decodeArray(
    from reader: inout NativeReader
  ) throws(ValueError) -> [Self] {
    try decodeElements(from: &reader)
  }

  public static func decodeArray(raw: UnsafeRawBufferPointer) throws(ValueError) -> [Self] {
    throw ValueError(expected: "[\(valueTypeName)]", found: "\(raw.count) raw bytes")
  }
}

extension BulkElement where Self: Value {
  static func encodeBlock(_ array: [Self], into writer: inout NativeWriter) {
    writer.write(bulk: array)
  }

  static func decodeNumbers(from reader: inout NativeReader) throws(ValueError) -> [Self] {
    guard try reader.peek() == bulkTag else { return try decodeElements(from: &reader) }
    let block = try reader.readBulk(of: Self.self)
    let count = block.count / MemoryLayout<Self>.size
    return [Self](unsafeUninitializedCapacity: count) {
      UnsafeMutableRawBufferPointer($0).copyMemory(from: block)
      $1 = count
    }
  }
}
