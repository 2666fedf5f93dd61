import CloudburstClient
import CloudburstValues
import ClusterModel

extension Failure {
  /// The shape of every error: code, what and why, what to do next, the request.
  var text: String {
    var lines = ["error: \(code.name): \(message)"]
    if !function.isEmpty {
      lines.append("  function: \(function)\(version.isEmpty ? "" : "@\(version)")")
    }
    if !node.isEmpty { lines.append("  node:     \(node)") }
    if !hint.isEmpty { lines.append("  try:      \(hint)") }
    if retryAfter > .zero { lines.append("  again in: \(retryAfter)") }
    if let requestID { lines.append("  request:  \(requestID)") }
    if !detail.isEmpty {
      lines.append("  detail:")
      lines += detail.split(separator: "\n").map { "    \($0)" }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  var json: String {
    let error = AnyValue.object([
      "code": .string(code.name), "number": .integer(Int64(code.rawValue)),
      "message": .string(message), "function": function.nonEmpty, "version": version.nonEmpty,
      "node": node.nonEmpty, "hint": hint.nonEmpty, "detail": detail.nonEmpty,
      "requestID": requestID.map { .string($0.description) },
      "retryAfterMilliseconds": retryAfter > .zero
        ? .integer(Int64(retryAfter / .milliseconds(1))) : nil,
    ])
    return AnyValue.map(["error": error]).jsonText + "\n"
  }
}

extension String {
  fileprivate var nonEmpty: AnyValue? { isEmpty ? nil : .string(self) }
}

/// Runs `body` with the SDK's errors as the failures they carry.
func failing<Result>(_ body: () async throws -> Result) async throws -> Result {
  do {
    return try await body()
  } catch let error as CloudburstError {
    throw error.failure
  } catch is CancellationError {
    throw Failure(.cancelled, "the request was cancelled")
  } catch let error as ValueError {
    throw Failure(.badArgument, "\(error)")
  }
}
