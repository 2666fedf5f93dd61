/// The history of a run as one number, and as lines where somebody wants to read it.
struct Trace {
  private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325
  private(set) var lines: [String] = []
  private let keepsLines: Bool

  init(keepsLines: Bool) { self.keepsLines = keepsLines }

  mutating func note(at time: UInt64, _ words: String, bytes: [UInt8] = []) {
    mix(time)
    for byte in words.utf8 { mix(byte) }
    for byte in bytes { mix(byte) }
    if keepsLines { lines.append("\(Self.seconds(time)) \(words)") }
  }

  private mutating func mix(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }

  private mutating func mix(_ number: UInt64) {
    hash = (hash ^ number) &* 0x9E37_79B9_7F4A_7C15
    hash ^= hash >> 29
  }

  /// `12.345678`, in seconds.
  static func seconds(_ nanoseconds: UInt64) -> String {
    let micros = String(nanoseconds / 1000 % 1_000_000)
    let padded = String(repeating: "0", count: 6 - micros.count) + micros
    return "\(nanoseconds / 1_000_000_000).\(padded)"
  }
}
