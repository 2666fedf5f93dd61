package import ClusterModel

/// Why the cluster, or the way to it, said no.
///
/// Cancelling a task is the one other way for a request to end: that throws `CancellationError`.
public struct CloudburstError: Error, Sendable, CustomStringConvertible {
  package let failure: Failure

  package init(_ failure: Failure) { self.failure = failure }

  /// What kind of no; `docs/errors.md` explains each.
  public var code: Code { Code(failure.code) }
  /// One sentence: what happened and why, with names and numbers.
  public var message: String { failure.message }
  /// The next thing to do, often a command; nil where there is none.
  public var hint: String? { failure.hint.nilIfEmpty }
  /// The function that failed, where one did.
  public var function: String? { failure.function.nilIfEmpty }
  /// The failed function's version.
  public var version: String? { failure.version.nilIfEmpty }
  /// The node and executor it ran on.
  public var node: String? { failure.node.nilIfEmpty }
  /// A backtrace, or an underlying error's text; at most 16 KiB.
  public var detail: String? { failure.detail.nilIfEmpty }
  /// Finds the request in the cluster's logs: 32 hexadecimal digits.
  public var requestID: String? { failure.requestID?.description }
  /// Whether the same request may succeed later without anybody changing it. For a call that may
  /// have run (`unavailable`, `timedOut`) it says nothing about effects happening twice.
  public var isRetryable: Bool { code.isRetryable }
  /// When to try again; nil when unknown.
  public var retryAfter: Duration? { failure.retryAfter > .zero ? failure.retryAfter : nil }

  /// `CODE: message [function@version on node]`, and where there are such, lines that begin with
  /// `hint: ` and `request: `. The detail is not in it.
  public var description: String {
    var text = "\(code): \(message)"
    if let function {
      text += " [\(function)\(version.map { "@\($0)" } ?? "")\(node.map { " on \($0)" } ?? "")]"
    }
    if let hint { text += "\nhint: \(hint)" }
    if let requestID { text += "\nrequest: \(requestID)" }
    return text
  }
}

extension CloudburstError {
  /// An error code: a name in capitals, as in `docs/errors.md`, and a number that never changes.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    package let code: ErrorCode
    package init(_ code: ErrorCode) { self.code = code }

    /// Such as `FUNCTION_NOT_FOUND`.
    public var name: String { code.name }
    public var number: Int { Int(code.rawValue) }
    /// What a command line tool exits with.
    public var exitCode: Int32 { code.exitCode }
    public var isRetryable: Bool { code.isRetryable }
    public var description: String { name }

    public static let functionFailed = Code(.functionFailed)
    public static let functionCrashed = Code(.functionCrashed)
    public static let poison = Code(.poison)
    public static let setUpFailed = Code(.setUpFailed)
    public static let resultTooLarge = Code(.resultTooLarge)
    public static let memoryExceeded = Code(.memoryExceeded)
    public static let badArgument = Code(.badArgument)
    public static let badRequest = Code(.badRequest)
    public static let keyInvalid = Code(.keyInvalid)
    public static let valueTooLarge = Code(.valueTooLarge)
    public static let badDAG = Code(.badDAG)
    public static let bundleInvalid = Code(.bundleInvalid)
    public static let nameInvalid = Code(.nameInvalid)
    public static let usage = Code(.usage)
    public static let levelUnsupported = Code(.levelUnsupported)
    public static let functionNotFound = Code(.functionNotFound)
    public static let dagNotFound = Code(.dagNotFound)
    public static let keyNotFound = Code(.keyNotFound)
    public static let resultNotFound = Code(.resultNotFound)
    public static let fileNotFound = Code(.fileNotFound)
    public static let clusterNotFound = Code(.clusterNotFound)
    public static let keyReserved = Code(.keyReserved)
    public static let notAllowed = Code(.notAllowed)
    public static let unavailable = Code(.unavailable)
    public static let timedOut = Code(.timedOut)
    public static let deadlineExceeded = Code(.deadlineExceeded)
    public static let overloaded = Code(.overloaded)
    public static let cancelled = Code(.cancelled)
    public static let executorLost = Code(.executorLost)
    public static let storageFailed = Code(.storageFailed)
    public static let stopping = Code(.stopping)
    public static let protocolVersion = Code(.protocolVersion)
    public static let clockSkew = Code(.clockSkew)
    public static let internalError = Code(.internalError)
    public static let wrongOwner = Code(.wrongOwner)
    public static let fenced = Code(.fenced)
    public static let lattice = Code(.lattice)
    public static let conflict = Code(.conflict)
    public static let portInUse = Code(.portInUse)
    public static let dataLocked = Code(.dataLocked)
    public static let dataFormat = Code(.dataFormat)

    /// Every code above, by number.
    public static let all: [Code] = [
      .functionFailed, .functionCrashed, .poison, .setUpFailed, .resultTooLarge,
      .memoryExceeded, .badArgument, .badRequest, .keyInvalid, .valueTooLarge, .badDAG,
      .bundleInvalid,
      .nameInvalid, .usage, .levelUnsupported,
      .functionNotFound, .dagNotFound, .keyNotFound, .resultNotFound, .fileNotFound,
      .clusterNotFound,
      .keyReserved, .notAllowed,
      .unavailable, .timedOut, .deadlineExceeded, .overloaded, .cancelled, .executorLost,
      .storageFailed, .stopping, .protocolVersion, .clockSkew, .internalError,
      .wrongOwner, .fenced,
      .lattice, .conflict, .portInUse, .dataLocked, .dataFormat,
    ]
  }
}

extension CloudburstError {
  init(_ code: ErrorCode, _ message: String, hint: String = "") {
    self.init(Failure(code, message, hint: hint))
  }
}

extension String {
  var nilIfEmpty: String? { isEmpty ? nil : self }
}
