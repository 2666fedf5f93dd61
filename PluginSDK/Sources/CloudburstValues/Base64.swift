/// Base64 with padding, RFC 4648 section 4: how JSON carries bytes.
enum Base64 {
  private static let alphabet = [UInt8](
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let invalid: UInt8 = 0xFF
  private static let values: [UInt8] = {
    var table = [UInt8](repeating: invalid, count: 256)
    for (value, letter) in alphabet.enumerated() { table[Int(letter)] = UInt8(value) }
    return table
  }()

  static func encode(_ bytes: UnsafeRawBufferPointer, into text: inout [UInt8]) {
    text.reserveCapacity(text.count + (bytes.count + 2) / 3 * 4)
    var index = 0
    while index < bytes.count {
      let taken = min(3, bytes.count - index)
      var group: UInt32 = 0
      for position in 0..<3 {
        group = group << 8 | (position < taken ? UInt32(bytes[index + position]) : 0)
      }
      for position in 0..<4 {
        let letter = alphabet[Int(group >> (18 - 6 * UInt32(position)) & 63)]
        text.append(position <= taken ? letter : UInt8(ascii: "="))
      }
      index += 3
    }
  }

  /// - Returns: `nil` for anything but whole, canonical base64.
  static func decode(_ text: String) -> [UInt8]? {
    var letters = Array(text.utf8)
    guard letters.count.isMultiple(of: 4) else { return nil }
    var padding = 0
    while padding < 2, letters.last == UInt8(ascii: "=") {
      letters.removeLast()
      padding += 1
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(letters.count * 3 / 4)
    var (bits, width): (UInt32, UInt32) = (0, 0)
    for letter in letters {
      let value = values[Int(letter)]
      guard value != invalid else { return nil }
      bits = bits << 6 | UInt32(value)
      width += 6
      guard width >= 8 else { continue }
      width -= 8
      bytes.append(UInt8(truncatingIfNeeded: bits >> width))
      bits &= (1 << width) - 1
    }
    return bits == 0 && width < 6 ? bytes : nil
  }
}
