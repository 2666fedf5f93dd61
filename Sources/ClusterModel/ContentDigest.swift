/// The SHA-256 of a bundle's bytes: its identity and its version.
package struct ContentDigest: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// 32 bytes.
  package let bytes: Bytes

  package func hash(into hasher: inout Hasher) {
    bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
  }

  package init?(_ bytes: Bytes) {
    guard bytes.count == 32 else { return nil }
    self.bytes = Bytes(Array(bytes))
  }

  /// From 64 hexadecimal digits, of either case, and nothing else (no sign, as `UInt8` would take).
  package init?(hex: String) {
    let digits = hex.utf8.map(Self.digit)
    guard digits.count == 64, !digits.contains(nil) else { return nil }
    let nibbles = digits.compactMap(\.self)
    bytes = stride(from: 0, to: 64, by: 2).map { nibbles[$0] << 4 | nibbles[$0 + 1] }[...]
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
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
