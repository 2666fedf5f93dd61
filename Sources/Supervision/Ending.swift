package import ClusterModel

/// How a process of ours came to its end.
package enum Ending: Equatable, Sendable {
  case exited(Int32)
  case signalled(Int32)
}

extension Ending {
  /// The signals that a program raises against itself: a trap, a bad access, an abort.
  private static let ownFaults: [Int32: String] = [
    4: "SIGILL (a trap: a failed precondition, a forced unwrap of nil, an overflow)",
    5: "SIGTRAP", 6: "SIGABRT (abort, often a failed allocation)", 7: "SIGBUS", 8: "SIGFPE",
    11: "SIGSEGV (a bad memory access or a stack overflow)", 31: "SIGSYS",
  ]

  /// What to tell the caller of whatever ran in that executor.
  ///
  /// - Parameter backtrace: the process's last words, empty when it had none.
  package func cause(backtrace: String) -> Failure {
    var failure: Failure
    switch self {
    case .exited(let code):
      failure = Failure(
        .functionCrashed, "the function ended its process: it called exit(\(code))",
        hint: "return or throw instead of calling exit")
    case .signalled(let signal):
      if let fault = Self.ownFaults[signal] {
        failure = Failure(.functionCrashed, "the function crashed with \(fault)")
      } else {
        failure = Failure(
          .executorLost, "the executor was killed from outside with signal \(signal)")
      }
    }
    failure.detail = String(
      decoding: backtrace.utf8.suffix(Limits.failureDetailBytesMax), as: UTF8.self)
    return failure
  }
}

/// The last lines a process wrote to its standard error: where Swift leaves its backtrace.
package struct LastWords: Sendable {
  /// Older lines are dropped beyond this many bytes.
  package static let bytesMax = 16 << 10

  private var lines: [String] = []
  private var byteCount = 0

  package init() {}

  package mutating func append(_ line: String) {
    lines.append(line)
    byteCount += line.utf8.count + 1
    while byteCount > Self.bytesMax, lines.count > 1 {
      byteCount -= lines.removeFirst().utf8.count + 1
    }
  }

  /// From the line that announces the crash on; the last 20 lines where none does.
  package var backtrace: String {
    let marks = ["Fatal error", "Program crashed", "*** Signal", "*** Program", "terminate called"]
    let start = lines.firstIndex { line in marks.contains { line.contains($0) } }
    return lines[(start ?? max(0, lines.count - 20))...].joined(separator: "\n")
  }
}
