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

  /// Of the repository around the current folder; empty where there is none.
  private static func head() -> String {
    // In a work tree of its own `.git` is a file that says where its folder is; the branches are in
    // the folder that all work trees have in common.
    let link = line(".git")
    let folder = link.hasPrefix("gitdir: ") ? String(link.dropFirst(8)) : ".git"
    let common = line(folder + "/commondir")
    let shared = common.isEmpty ? folder : common.hasPrefix("/") ? common : "\(folder)/\(common)"
    let head = line(folder + "/HEAD")
    guard head.hasPrefix("ref: ") else { return String(head.prefix(12)) }
    let branch = String(head.dropFirst(5))
    let loose = line("\(shared)/\(branch)")
    guard loose.isEmpty else { return String(loose.prefix(12)) }
    let packed = (try? String(contentsOfFile: shared + "/packed-refs", encoding: .utf8)) ?? ""
    let entry = packed.split(separator: "\n").first { $0.hasSuffix(" " + branch) }
    return String(entry?.prefix(12) ?? "")
  }

  /// The first of a file; empty where there is none.
  private static func line(_ path: String) -> String {
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return String(text.split(separator: "\n").first ?? "")
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
