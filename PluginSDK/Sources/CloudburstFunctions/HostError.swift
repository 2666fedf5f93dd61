/// Why the platform refused what a function asked of it.
///
/// Thrown by `Context`; a function that lets it through fails with the same code.
public struct HostError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Raw values are the names of docs/errors.md, where one is there.
  public enum Code: String, Hashable, Sendable, CaseIterable {
    /// Used outside the function's own loop, such as in a `Task {}` of its own.
    case wrongThread = "WRONG_THREAD"
    /// Used after the function had returned.
    case staleCall = "STALE_CALL"
    case invalid = "BAD_REQUEST"
    case keyInvalid = "KEY_INVALID"
    /// The key is one of the platform's own.
    case keyReserved = "KEY_RESERVED"
    /// The key holds another kind: a counter where a value was asked for, or the like.
    case lattice = "LATTICE"
    case unavailable = "UNAVAILABLE"
    case deadline = "DEADLINE_EXCEEDED"
    case cancelled = "CANCELLED"
    case overloaded = "OVERLOADED"
    case tooLarge = "VALUE_TOO_LARGE"
    /// The host is older than what was asked of it.
    case unsupported = "UNSUPPORTED"
    case `internal` = "INTERNAL_ERROR"
  }

  public var code: Code
  /// What was being done: `get "visits"`.
  public var operation: String
  public var detail: String

  public init(code: Code, operation: String, detail: String = "") {
    self.code = code
    self.operation = operation
    self.detail = detail
  }

  public var description: String {
    detail.isEmpty ? "\(operation): \(code.rawValue)" : "\(operation): \(code.rawValue): \(detail)"
  }
}

extension HostError.Code {
  private static let statuses: [(HostError.Code, Int)] = [
    (.wrongThread, CB_WRONG_THREAD), (.staleCall, CB_STALE_CALL), (.invalid, CB_INVALID),
    (.keyInvalid, CB_KEY_INVALID), (.keyReserved, CB_KEY_RESERVED), (.lattice, CB_LATTICE),
    (.unavailable, CB_UNAVAILABLE), (.deadline, CB_DEADLINE), (.cancelled, CB_CANCELLED),
    (.overloaded, CB_OVERLOADED), (.tooLarge, CB_TOO_LARGE), (.unsupported, CB_UNSUPPORTED),
    (.internal, CB_INTERNAL),
  ]

  /// - Returns: `nil` for a status that is no refusal.
  init?(status: cb_status) {
    guard status < 0 else { return nil }
    self = Self.statuses.first { $0.1 == Int(status) }?.0 ?? .internal
  }

  package var status: cb_status {
    cb_status(Self.statuses.first { $0.0 == self }?.1 ?? CB_INTERNAL)
  }

  /// What a function fails with that let this through: misuse of the context is its own failure.
  var failureCode: String {
    switch self {
    case .wrongThread, .staleCall, .unsupported: CB_CODE_FUNCTION_FAILED
    default: rawValue
    }
  }
}
