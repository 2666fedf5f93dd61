import ArgumentParser
import ClusterModel
import Foundation
import Platform

enum Pin: String, ExpressibleByArgument, CaseIterable {
  /// All processes of both sides on processor 0.
  case oneCore = "one-core"
  /// Wherever the system puts them.
  case none
}

/// What both sides of every pair have in common.
struct Conditions: ParsableArguments {
  @Option(help: "Pairs (ours, floor) to measure, interleaved.") var pairs = 10
  @Option(help: "Calls of each run.") var calls = 5000
  @Option(help: "Place all processes on one core, or let the system: one-core or none.")
  var pin: Pin = .oneCore
  @Option(help: "Calls in flight for the throughput.") var window = 64
  @Option(help: "The functions' bundle.")
  var bundle = "tools/bench-bundle/.build/release/libbench.so"
  @Option(help: "Append the results to this file, a JSON object a line.") var out: String?
  @Option(help: "What the results call this build.") var commit = Conditions.head()

  func validate() throws {
    guard pairs > 0, calls >= 100, window > 0 else {
      throw ValidationError("--pairs and --window are positive, --calls is at least 100")
    }
  }

  /// Places every thread of this process; threads and children that come later inherit it.
  func place() throws {
    guard pin == .oneCore else { return }
    for thread in try Files.names(in: "/proc/self/task").compactMap({ Int32($0) }) {
      try Processors.pin(thread: thread, to: 0)
    }
  }

  private static func head() -> String {
    let head = (try? String(contentsOfFile: ".git/HEAD", encoding: .utf8)) ?? ""
    let line = head.split(separator: "\n").first ?? ""
    guard line.hasPrefix("ref: ") else { return String(line.prefix(12)) }
    let path = ".git/" + line.dropFirst(5)
    let commit = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return String(commit.prefix(12))
  }

  func publish(_ reports: [Report]) throws {
    for report in reports { print(report.summary) }
    try append(try reports.map { try $0.line() })
  }

  /// To the file of results, where one is wanted.
  func append(_ lines: [String]) throws {
    guard let out else { return }
    let old = (try? String(contentsOfFile: out, encoding: .utf8)) ?? ""
    let new = lines.map { $0 + "\n" }.joined()
    try (old + new).write(toFile: out, atomically: true, encoding: .utf8)
  }
}
