/// Every way the platform says no. The number travels, the name is what people see; numbers are
/// never reused. `docs/errors.md` explains each, and a test holds that page and this list together.
package enum ErrorCode: UInt16, CaseIterable, Sendable {
  case functionFailed = 100
  case functionCrashed = 101
  case poison = 102
  case setUpFailed = 103
  case resultTooLarge = 104
  case memoryExceeded = 105

  case badArgument = 200
  case badRequest = 201
  case keyInvalid = 202
  case valueTooLarge = 203
  case badDAG = 204
  case bundleInvalid = 205
  case nameInvalid = 206
  case usage = 207
  case levelUnsupported = 208

  case functionNotFound = 300
  case dagNotFound = 301
  case keyNotFound = 302
  case resultNotFound = 303
  case fileNotFound = 304
  case clusterNotFound = 305

  case keyReserved = 400
  case notAllowed = 401

  case unavailable = 500
  case timedOut = 501
  case deadlineExceeded = 502
  case overloaded = 503
  case cancelled = 504
  case executorLost = 505
  case storageFailed = 506
  case stopping = 507
  case protocolVersion = 508
  case clockSkew = 509
  case internalError = 510
  case wrongOwner = 511
  case fenced = 512

  case lattice = 600
  case conflict = 601
  case portInUse = 602
  case dataLocked = 603
  case dataFormat = 604

  /// What the command line exits with.
  package var exitCode: Int32 {
    Int32(rawValue / 100)
  }

  /// Whether the same request may succeed later without anybody changing it.
  package var isRetryable: Bool {
    switch self {
    case .unavailable, .timedOut, .overloaded, .executorLost, .stopping, .wrongOwner: true
    default: false
    }
  }

  /// The name in capitals, as printed and as in `docs/errors.md`: `functionNotFound` is
  /// `FUNCTION_NOT_FOUND`.
  package var name: String {
    var name = ""
    var previousIsUpper = true
    for character in "\(self)" {
      if character.isUppercase && !previousIsUpper { name.append("_") }
      previousIsUpper = character.isUppercase
      name.append(character.uppercased())
    }
    return name
  }

  package init?(name: String) {
    guard let code = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = code
  }
}
