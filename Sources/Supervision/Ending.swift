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
  package func cause(_ lastWords: LastWords) -> Failure {
    var failure: Failure
    switch self {
    case .exited where lastWords.ownEnd != nil:
      failure = Failure(.executorLost, "the executor ended: \(lastWords.ownEnd ?? "")")
    case .exited(let code):
      failure = Failure(
        .functionCrashed, "the function ended its process: it called exit(\(code))",
        hint: "return or throw instead of calling exit")
    case .signalled(let signal):
      if let fault = Self.ownFaults[signal] {
        failure =
          lastWords.crash.flatMap(Self.cause)
          ?? Failure(
            .functionCrashed, "the function crashed with \(fault)")
      } else {
        failure = Failure(
          .executorLost, "the executor was killed from outside with signal \(signal)")
      }
    }
    failure.detail = lastWords.backtrace
    return failure
  }

  /// What the process knew of its signal beyond its number; nil where that says nothing more.
  private static func cause(_ note: CrashNote) -> Failure? {
    if note.isStackOverflow {
      return Failure(
        .functionCrashed, "the function crashed with SIGSEGV: its stack overflowed",
        hint: "it calls itself too deeply, or keeps large values in its frames")
    }
    if note.isOutOfMemory {
      let name = ownFaults[note.signal]?.prefix { $0 != " " } ?? "a signal"
      return .memoryExceeded(
        "the function ran out of memory and ended with \(name)", limit: note.dataBytesMax)
    }
    return nil
  }
}

extension Failure {
  /// - Parameter limit: bytes.
  static func memoryExceeded(_ what: String, limit: UInt64) -> Failure {
    Failure(
      .memoryExceeded, "\(what): its limit is \(limit >> 20) MiB",
      hint: "give the call more memory, or work in smaller parts")
  }
}

/// The last lines a process wrote to its standard error: where Swift leaves its backtrace.
package struct LastWords: Sendable {
  /// Older lines are dropped beyond this many bytes.
  package static let bytesMax = 16 << 10

  private var lines: [String] = []
  private var byteCount = 0
  /// What the process said of its fatal signal; it is not among the lines.
  private(set) var crash: CrashNote?
  /// Why the process ended by its own decision, not by a function's.
  private(set) var ownEnd: Substring?
  private static let ownEndStart = "cloudburst-executor: ends: "

  package init() {}
  package init(_ line: String) { append(line) }

  package mutating func append(_ line: String) {
    if let note = CrashNote(line: line) {
      crash = note
      return
    }
    if line.hasPrefix(Self.ownEndStart) { ownEnd = line.dropFirst(Self.ownEndStart.count) }
    lines.append(line)
    byteCount += line.utf8.count + 1
    while byteCount > Self.bytesMax, lines.count > 1 {
      byteCount -= lines.removeFirst().utf8.count + 1
    }
  }

  /// From the line that announces the crash on; the last 20 lines where none does. At most
  /// `Limits.failureDetailBytesMax`.
  package var backtrace: String {
    let marks = ["Fatal error", "Program crashed", "*** Signal", "*** Program", "terminate called"]
    let start = lines.firstIndex { line in marks.contains { line.contains($0) } }
    let text = lines[(start ?? max(0, lines.count - 20))...].joined(separator: "\n")
    return String(decoding: text.utf8.suffix(Limits.failureDetailBytesMax), as: UTF8.self)
  }
}
