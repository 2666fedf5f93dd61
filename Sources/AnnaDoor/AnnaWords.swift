package import ClusterModel

/// What Anna's messages say of a key. Numbers of our own (`ErrorCode`, from 100 on) are used where
/// Anna has none: every client of hers takes an error that it does not know for an error.
package struct AnnaError: Equatable, Sendable {
  package let number: UInt32

  package static let none = AnnaError(number: 0)
  package static let keyDoesNotExist = AnnaError(number: 1)
  package static let timeout = AnnaError(number: 3)
  package static let lattice = AnnaError(number: 4)
  package static let badRequest = AnnaError(ErrorCode.badRequest)

  package init(number: UInt32) { self.number = number }

  package init(_ code: ErrorCode) {
    switch code {
    case .keyNotFound: self = .keyDoesNotExist
    case .lattice: self = .lattice
    // Nothing was wrong with the request: what her clients call this, too.
    case .unavailable, .timedOut, .overloaded, .stopping: self = .timeout
    default: number = UInt32(code.rawValue)
    }
  }
}

/// Anna's request types; any other number is answered with `BAD_REQUEST` for each key.
package enum AnnaRequestType: UInt32, Sendable {
  case get = 1
  case put = 2
}

/// Where a client has bound a PULL socket for its answers: `tcp://` and an IPv4 address in digits, as
/// all of Anna's clients write it. Names are not resolved, which would hold up every other client.
package struct AnswerAddress: Hashable, Sendable, CustomStringConvertible {
  private let host: UInt32
  private let port: UInt16

  /// - Returns: nil for anything else, and for addresses that are no single machine's.
  package init?(_ text: Bytes) {
    let scheme = Bytes(text: "tcp://")
    // Longer ones cannot be right: three digits five times over, and what is between them.
    guard text.starts(with: scheme), text.count <= scheme.count + 21 else { return nil }
    let parts = text.dropFirst(scheme.count).split(
      separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    guard parts.count == 2, let port = Self.number(parts[1], max: 65_535), port > 0 else {
      return nil
    }
    let octets = parts[0].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
      .compactMap { Self.number($0, max: 255) }
    guard octets.count == 4, parts[0].count(where: { $0 == UInt8(ascii: ".") }) == 3,
      (1...223).contains(octets[0])
    else { return nil }
    host = octets.reduce(0) { $0 << 8 | $1 }
    self.port = UInt16(port)
  }

  private static func number(_ digits: Bytes, max: UInt32) -> UInt32? {
    guard (1...5).contains(digits.count) else { return nil }
    var value: UInt32 = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      value = value * 10 + UInt32(digit - UInt8(ascii: "0"))
    }
    return value <= max ? value : nil
  }

  /// The endpoint to dial.
  package var description: String {
    let octets = [24, 16, 8, 0].map { "\(host >> UInt32($0) & 255)" }.joined(separator: ".")
    return "tcp://\(octets):\(port)"
  }
}
