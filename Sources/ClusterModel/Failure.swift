/// What went wrong with a request, as it travels from where it happened to whoever asked.
///
/// One reference wide: it is a part of every result and of many inputs and effects, nearly all of
/// which carry none, and what they are moved and copied for should not be its nine fields.
package struct Failure: Error, Equatable, Sendable {
  private var facts: Facts

  package init(_ code: ErrorCode, _ message: String, hint: String = "") {
    facts = Facts(Fields(code: code, message: message, hint: hint))
  }

  private struct Fields: Equatable, Sendable {
    var code: ErrorCode
    var message: String
    var hint: String = ""
    var function: String = ""
    var version: String = ""
    var node: String = ""
    var detail: String = ""
    var requestID: InvocationID?
    var retryAfter: Duration = .zero
  }

  private final class Facts: Sendable {
    let fields: Fields
    init(_ fields: Fields) { self.fields = fields }
  }

  private var fields: Fields {
    get { facts.fields }
    set { facts = Facts(newValue) }
  }

  package static func == (left: Failure, right: Failure) -> Bool { left.fields == right.fields }
}

extension Failure {
  package var code: ErrorCode {
    get { fields.code }
    set { fields.code = newValue }
  }

  /// One sentence: what happened and why, with names and numbers.
  package var message: String {
    get { fields.message }
    set { fields.message = newValue }
  }

  /// The next thing to do, often a command; empty when there is none.
  package var hint: String {
    get { fields.hint }
    set { fields.hint = newValue }
  }

  /// The function that failed and its version, where one did.
  package var function: String {
    get { fields.function }
    set { fields.function = newValue }
  }

  package var version: String {
    get { fields.version }
    set { fields.version = newValue }
  }

  /// The node and executor it ran on.
  package var node: String {
    get { fields.node }
    set { fields.node = newValue }
  }

  /// A backtrace or an underlying error; at most `Limits.failureDetailBytesMax`.
  package var detail: String {
    get { fields.detail }
    set { fields.detail = newValue }
  }

  package var requestID: InvocationID? {
    get { fields.requestID }
    set { fields.requestID = newValue }
  }

  /// When to try again; zero when unknown.
  package var retryAfter: Duration {
    get { fields.retryAfter }
    set { fields.retryAfter = newValue }
  }
}

extension Failure: CustomStringConvertible {
  package var description: String {
    var text = "\(code.name): \(message)"
    if !function.isEmpty { text += " [\(function)\(version.isEmpty ? "" : "@\(version)")]" }
    return text
  }
}
