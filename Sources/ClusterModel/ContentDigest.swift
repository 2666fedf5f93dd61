/// The SHA-256 of a bundle's bytes: its identity and its version.
package struct ContentDigest: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The bytes from the first on, eight to a word, big-endian: words compare as their bytes do.
  private let first: UInt64
  private let second: UInt64
  private let third: UInt64
  private let fourth: UInt64

  /// 32 bytes.
  package init?(_ bytes: Bytes) {
    guard bytes.count == 32 else { return nil }
    (first, second, third, fourth) = bytes.withUnsafeBytes { bytes in
      func word(_ index: Int) -> UInt64 {
        UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
      }
      return (word(0), word(1), word(2), word(3))
    }
  }

  package var bytes: Bytes {
    Array(unsafeUninitializedCapacity: 32) { buffer, count in
      let raw = UnsafeMutableRawBufferPointer(buffer)
      for (index, word) in [first, second, third, fourth].enumerated() {
        raw.storeBytes(of: word.bigEndian, toByteOffset: 8 * index, as: UInt64.self)
      }
      count = 32
    }[...]
  }

  /// The first 16 bytes: enough to tell versions apart where nothing depends on it.
  package var prefix: (high: UInt64, low: UInt64) { (first, second) }

  /// From 64 hexadecimal digits, of either case, and nothing else (no sign, as `UInt8` would take).
  package init?(hex: String) {
    let digits = hex.utf8.map(Self.digit)
    guard digits.count == 64, !digits.contains(nil) else { return nil }
    let nibbles = digits.compactMap(\.self)
    let bytes = stride(from: 0, to: 64, by: 2).map { nibbles[$0] << 4 | nibbles[$0 + 1] }
    self.init(bytes[...])
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
    (left.first, left.second, left.third, left.fourth)
      < (right.first, right.second, right.third, right.fourth)
  }
}
