/// The SHA-256 of a bundle's bytes: its identity and its version.
package struct ContentDigest: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// 32 bytes.
  package let bytes: Bytes

  package init?(_ bytes: Bytes) {
    guard bytes.count == 32 else { return nil }
    self.bytes = Bytes(Array(bytes))
  }

  /// From 64 hexadecimal digits.
  package init?(hex: String) {
    let digits = Array(hex.utf8)
    guard digits.count == 64 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: 64, by: 2) {
      guard let pair = UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16)
      else { return nil }
      bytes.append(pair)
    }
    self.bytes = bytes[...]
  }

  package var hex: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// The first 12 hexadecimal digits: what people see as the version.
  package var short: String { String(hex.prefix(12)) }
  package var description: String { hex }

  package static func < (left: ContentDigest, right: ContentDigest) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }
}
