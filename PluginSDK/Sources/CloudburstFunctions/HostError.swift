/// Why the platform refused what a function asked of it.
///
/// Thrown by `Context`; a function that lets it through fails with the same code.
public struct HostError: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Code: String, Hashable, Sendable, CaseIterable {
    /// Used outside the function's own loop, such as in a `Task {}` of its own.
    case wrongThread = "WRONG_THREAD"
    /// Used after the function had returned.
    case staleCall = "STALE_CALL"
    case invalid = "INVALID"
    /// The key holds another kind: a counter where a value was asked for, or the like.
    case lattice = "LATTICE"
    case unavailable = "UNAVAILABLE"
    case deadline = "DEADLINE"
    case overloaded = "OVERLOADED"
    case tooLarge = "TOO_LARGE"
    case unsupported = "UNSUPPORTED"
    case `internal` = "INTERNAL"
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
  /// - Returns: `nil` for a status that is no refusal.
  init?(status: cb_status) {
    switch Int(status) {
    case 0...: return nil
    case CB_WRONG_THREAD: self = .wrongThread
    case CB_STALE_CALL: self = .staleCall
    case CB_INVALID: self = .invalid
    case CB_LATTICE: self = .lattice
    case CB_UNAVAILABLE: self = .unavailable
    case CB_DEADLINE: self = .deadline
    case CB_OVERLOADED: self = .overloaded
    case CB_TOO_LARGE: self = .tooLarge
    case CB_UNSUPPORTED: self = .unsupported
    default: self = .internal
    }
  }
}
