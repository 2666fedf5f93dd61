/// Reads one JSON text (RFC 8259, strict) straight into the native format.
///
/// Integers that fit become `int64` or `uint64`, other numbers `double`; a number no `Double` can
/// hold, a key given twice and a lone surrogate are refused.
public struct JSONToNative {
  private let text: UnsafeRawBufferPointer
  private var position = 0
  private var writer: NativeWriter

  private init(_ text: UnsafeRawBufferPointer) {
    self.text = text
    writer = NativeWriter(reserving: text.count)
  }

  public static func convert(_ text: [UInt8]) throws(ValueError) -> [UInt8] {
    let outcome: Result<[UInt8], ValueError> = text.withUnsafeBytes { source in
      do throws(ValueError) {
        return .success(try convert(source))
      } catch {
        return .failure(error)
      }
    }
    return try outcome.get()
  }

  /// - Parameter text: borrowed for the call.
  public static func convert(_ text: UnsafeRawBufferPointer) throws(ValueError) -> [UInt8] {
    var parser = JSONToNative(text)
    parser.skipSpace()
    try parser.value()
    parser.skipSpace()
    guard parser.position == text.count else { throw parser.unexpected("the end of the JSON text") }
    return parser.writer.bytes
  }

  private var next: UInt8? { position < text.count ? text[position] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  private mutating func take(_ byte: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: byte) else { return false }
    position += 1
    return true
  }

  private mutating func value() throws(ValueError) {
    switch next {
    case UInt8(ascii: "{"): try object()
    case UInt8(ascii: "["): try array()
    case UInt8(ascii: "\""): writer.write(try string())
    case UInt8(ascii: "t"): try literal("true", .true)
    case UInt8(ascii: "f"): try literal("false", .false)
    case UInt8(ascii: "n"): try literal("null", .null)
    default: try number()
    }
  }

  private mutating func literal(_ word: StaticString, _ tag: NativeTag) throws(ValueError) {
    let start = position
    for index in 0..<word.utf8CodeUnitCount {
      guard next == word.utf8Start[index] else {
        position = start
        throw unexpected("a JSON value")
      }
      position += 1
    }
    writer.write(tag)
  }

  private mutating func array() throws(ValueError) {
    position += 1
    let countOffset = try writer.beginContainer(.array, count: 0)
    var count = 0
    skipSpace()
    if !take("]") {
      repeat {
        skipSpace()
        try value()
        count += 1
        skipSpace()
      } while take(",")
      guard take("]") else { throw unexpected("',' or ']'") }
    }
    writer.setCount(count, at: countOffset)
    writer.endContainer()
  }

  private mutating func object() throws(ValueError) {
    position += 1
    let countOffset = try writer.beginContainer(.map, count: 0)
    var keys: Set<String> = []
    skipSpace()
    if !take("}") {
      repeat {
        skipSpace()
        guard next == UInt8(ascii: "\"") else { throw unexpected("a key in quotes") }
        let key = try string()
        guard keys.insert(key).inserted else {
          throw ValueError(expected: "each key once", found: "\"\(key)\" twice")
        }
        writer.writeKey(key)
        skipSpace()
        guard take(":") else { throw unexpected("':'") }
        skipSpace()
        try value()
        skipSpace()
      } while take(",")
      guard take("}") else { throw unexpected("',' or '}'") }
    }
    writer.setCount(keys.count, at: countOffset)
    writer.endContainer()
  }

  private func unexpected(_ wanted: String) -> ValueError {
    guard let byte = next else {
      return ValueError(expected: wanted, found: "the end of the JSON text")
    }
    let shown =
      (0x21...0x7E).contains(byte)
      ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x" + String(byte, radix: 16)
    return ValueError(expected: wanted, found: "\(shown) at byte \(position) of the JSON text")
  }
}

extension JSONToNative {
  private mutating func number() throws(ValueError) {
    let start = position
    var isInteger = true
    _ = take("-")
    if !take("0") { try digits() }
    if take(".") {
      isInteger = false
      try digits()
    }
    if take("e") || take("E") {
      isInteger = false
      if !take("+") { _ = take("-") }
      try digits()
    }
    let literal = String(decoding: text[start..<position], as: UTF8.self)
    if isInteger, literal != "-0" {
      if let value = Int64(literal) { return writer.write(value) }
      if let value = UInt64(literal) { return writer.write(value) }
    }
    guard let value = Double(literal), value.isFinite else {
      throw ValueError(expected: "a number that Double can hold", found: "\(literal.prefix(40))")
    }
    writer.write(value)
  }

  private mutating func digits() throws(ValueError) {
    guard let first = next, isDigit(first) else { throw unexpected("a JSON value") }
    while let byte = next, isDigit(byte) { position += 1 }
  }

  private func isDigit(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
  }

  private mutating func string() throws(ValueError) -> String {
    position += 1
    var bytes: [UInt8] = []
    while true {
      let run = position
      while let byte = next, byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
        position += 1
      }
      bytes.append(contentsOf: text[run..<position])
      if take("\"") { break }
      guard take("\\") else { throw unexpected("the rest of the string") }
      try escape(into: &bytes)
    }
    guard let string = String(validating: bytes, as: UTF8.self) else {
      throw ValueError(expected: "UTF-8", found: "a JSON string that is not")
    }
    return string
  }

  private mutating func escape(into bytes: inout [UInt8]) throws(ValueError) {
    let letter = next
    position += letter == nil ? 0 : 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
      bytes.append(letter ?? 0)
    case UInt8(ascii: "b"): bytes.append(0x08)
    case UInt8(ascii: "f"): bytes.append(0x0C)
    case UInt8(ascii: "n"): bytes.append(0x0A)
    case UInt8(ascii: "r"): bytes.append(0x0D)
    case UInt8(ascii: "t"): bytes.append(0x09)
    case UInt8(ascii: "u"):
      guard let scalar = Unicode.Scalar(try codePoint()) else {
        throw ValueError(expected: "a pair of surrogates", found: "one alone")
      }
      bytes.append(contentsOf: String(Character(scalar)).utf8)
    default:
      position -= letter == nil ? 0 : 1
      throw unexpected("an escape")
    }
  }

  /// The code point of `\uXXXX`, or of two that are a pair of surrogates; one alone as it is.
  private mutating func codePoint() throws(ValueError) -> UInt32 {
    let first = try hexadecimal()
    guard (0xD800..<0xDC00).contains(first), take("\\") else { return first }
    guard take("u") else { return first }
    let second = try hexadecimal()
    guard (0xDC00..<0xE000).contains(second) else { return first }
    return 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
  }

  private mutating func hexadecimal() throws(ValueError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw unexpected("four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}
