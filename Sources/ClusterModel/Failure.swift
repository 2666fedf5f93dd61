/// What went wrong with a request, as it travels from where it happened to whoever asked.
package struct Failure: Error, Equatable, Sendable {
  package var code: ErrorCode
  /// One sentence: what happened and why, with names and numbers.
  package var message: String
  /// The next thing to do, often a command; empty when there is none.
  package var hint = ""
  /// The function that failed and its version, where one did.
  package var function = ""
  package var version = ""
  /// The node and executor it ran on.
  package var node = ""
  /// A backtrace or an underlying error; at most `Limits.failureDetailBytesMax`.
  package var detail = ""
  package var requestID: InvocationID?
  /// When to try again; zero when unknown.
  package var retryAfter = Duration.zero

  package init(_ code: ErrorCode, _ message: String, hint: String = "") {
    self.code = code
    self.message = message
    self.hint = hint
  }
}

extension Failure: CustomStringConvertible {
  package var description: String {
    var text = "\(code.name): \(message)"
    if !function.isEmpty { text += " [\(function)\(version.isEmpty ? "" : "@\(version)")]" }
    return text
  }
}
