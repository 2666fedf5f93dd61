/// A compute or storage node's name: `[a-z0-9-]`, unique in its cluster.
package struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let name: String
  package init(_ name: String) { self.name = name }
  package var description: String { name }
  package static func < (left: NodeID, right: NodeID) -> Bool { left.name < right.name }
}

/// One life of a process. Drawn at start and never reused, so that what a dead process still has
/// on the way can be told from what its successor sends.
package struct Incarnation: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let number: UInt64
  package init(_ number: UInt64) { self.number = number }
  package var description: String { String(number, radix: 36) }
  package static func < (left: Incarnation, right: Incarnation) -> Bool {
    left.number < right.number
  }

  /// Milliseconds since the epoch in the upper 44 bits, chance in the lower 20: later lives compare
  /// greater, and two processes started in one millisecond differ.
  package static func drawn(
    atMilliseconds now: UInt64, using random: inout some RandomNumberGenerator
  ) -> Incarnation {
    Incarnation(now << 20 | UInt64.random(in: 0..<(1 << 20), using: &random))
  }
}

/// One cluster's identity; a hello from another cluster is refused.
package struct ClusterID: Hashable, Sendable, CustomStringConvertible {
  package let number: UInt64
  package init(_ number: UInt64) { self.number = number }
  package var description: String { String(number, radix: 16) }
}

/// An executor process in one of its lives.
package struct ExecutorID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let node: NodeID
  package let number: UInt32
  package let incarnation: Incarnation

  package init(node: NodeID, number: UInt32, incarnation: Incarnation) {
    self.node = node
    self.number = number
    self.incarnation = incarnation
  }

  /// What an executor's process dials with: `NODE/NUMBER#INCARNATION@PROCESS`. The process is in it
  /// so that a second one that claims the id cannot take over the connections of the first.
  package func routingID(processID: UInt32) -> PeerID { PeerID("\(self)@\(processID)") }

  /// `NODE/NUMBER#INCARNATION`.
  package var description: String { "\(node)/\(number)#\(incarnation)" }

  package init?(_ text: String) {
    guard let slash = text.lastIndex(of: "/"), let hash = text.lastIndex(of: "#"), slash < hash,
      let number = UInt32(text[text.index(after: slash)..<hash]),
      let life = UInt64(text[text.index(after: hash)...], radix: 36)
    else { return nil }
    self.init(
      node: NodeID(String(text[..<slash])), number: number, incarnation: Incarnation(life))
  }

  package static func < (left: ExecutorID, right: ExecutorID) -> Bool {
    (left.node, left.number, left.incarnation) < (right.node, right.number, right.incarnation)
  }
}

/// One call, from the caller's request to its result, over all its attempts: 128 bits.
///
/// Its text, 32 hexadecimal digits, is the request id in errors and logs, and the id of a future.
package struct InvocationID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let high: UInt64
  package let low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  package static func drawn(using random: inout some RandomNumberGenerator) -> InvocationID {
    InvocationID(high: random.next(), low: random.next())
  }

  package static let none = InvocationID(high: 0, low: 0)

  package init?(_ text: String) {
    // Digits alone: `UInt64` would take a sign, and one call would have two texts.
    guard text.utf8.count == 32, text.allSatisfy(\.isHexDigit),
      let high = UInt64(text.prefix(16), radix: 16),
      let low = UInt64(text.suffix(16), radix: 16)
    else { return nil }
    self.init(high: high, low: low)
  }

  package var description: String { Self.hex(high) + Self.hex(low) }

  package static func < (left: InvocationID, right: InvocationID) -> Bool {
    (left.high, left.low) < (right.high, right.low)
  }

  private static func hex(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

/// The far end of a connection as its ROUTER names it: the ZeroMQ routing id, at most 255 bytes.
package struct PeerID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let bytes: Bytes
  package init(_ bytes: Bytes) { self.bytes = bytes }
  package init(_ text: String) { bytes = Bytes(text: text) }

  /// All bytes at once: one by one, as for any collection, costs several times as much.
  package func hash(into hasher: inout Hasher) {
    bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
  }

  package static func < (left: PeerID, right: PeerID) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }

  package var description: String {
    bytes.allSatisfy { $0 > 0x20 && $0 < 0x7f }
      ? bytes.text : bytes.map { String($0, radix: 16) }.joined(separator: ".")
  }
}
