/// Prints one native value as JSON without knowing its type.
///
/// Bytes become a base64 string, bulk arrays ordinary ones, numbers that JSON has no literal for the
/// strings "NaN", "Infinity" and "-Infinity"; typed readers take all of these back.
public struct NativeToJSON {
  private var output: [UInt8] = []

  public static func convert(_ bytes: [UInt8]) throws(ValueError) -> [UInt8] {
    let outcome: Result<[UInt8], ValueError> = bytes.withUnsafeBytes { source in
      do throws(ValueError) {
        return .success(try convert(source))
      } catch {
        return .failure(error)
      }
    }
    return try outcome.get()
  }

  /// - Parameter bytes: borrowed for the call.
  public static func convert(_ bytes: UnsafeRawBufferPointer) throws(ValueError) -> [UInt8] {
    var printer = NativeToJSON()
    var reader = NativeReader(bytes)
    try printer.value(&reader)
    try reader.requireEnd()
    return printer.output
  }

  private mutating func value(_ reader: inout NativeReader) throws(ValueError) {
    switch try reader.peek() {
    case .null:
      try reader.skip()
      append("null")
    case .true, .false: append(try Bool(from: &reader) ? "true" : "false")
    case .int64: append("\(try Int64(from: &reader))")
    case .uint64: append("\(try UInt64(from: &reader))")
    case .double: number(try reader.readDouble())
    case .string: quoted(try reader.readString())
    case .bytes:
      append("\"")
      Base64.encode(try reader.readBytes(), into: &output)
      append("\"")
    case .map: try map(&reader)
    case .array, .doubles, .floats, .int64s, .int32s: try array(&reader)
    }
  }

  private mutating func array(_ reader: inout NativeReader) throws(ValueError) {
    var elements = try NativeElements(&reader)
    append("[")
    while !elements.isAtEnd {
      if elements.index > 0 { append(",") }
      try elements.next(&reader) { element throws(ValueError) in try value(&element) }
    }
    elements.end(&reader)
    append("]")
  }

  private mutating func map(_ reader: inout NativeReader) throws(ValueError) {
    let count = try reader.beginContainer(.map)
    var keys: Set<String> = []
    append("{")
    for index in 0..<count {
      if index > 0 { append(",") }
      let key = try reader.readKey()
      guard keys.insert(key).inserted else {
        throw ValueError(path: ".\(key)", expected: "each key once", found: "it twice")
      }
      quoted(key)
      append(":")
      try value(&reader)
    }
    reader.endContainer()
    append("}")
  }

  private mutating func number(_ value: Double) {
    append(value.nonFiniteName.map { "\"\($0)\"" } ?? "\(value)")
  }

  private mutating func append(_ text: String) {
    output.append(contentsOf: text.utf8)
  }

  private mutating func quoted(_ text: String) {
    append("\"")
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): append("\\\"")
      case UInt8(ascii: "\\"): append("\\\\")
      case 0x0A: append("\\n")
      case 0x0D: append("\\r")
      case 0x09: append("\\t")
      case 0..<0x20:
        append("\\u00" + (byte < 16 ? "0" : "") + String(byte, radix: 16))
      default: output.append(byte)
      }
    }
    append("\"")
  }
}
