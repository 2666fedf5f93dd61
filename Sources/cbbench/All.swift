import ArgumentParser
import ClusterModel
import Foundation
import Platform

struct All: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "all",
    abstract: "Every benchmark, and a table of figures, bars and verdicts.",
    discussion: """
      Latencies run placed as --pin says; memory, idleness and starts wherever the system puts them.

      Example:
        cbbench all --pin one-core --out docs/benchmarks/all.jsonl
      """)

  @OptionGroup var conditions: Conditions
  @Flag(help: "Exit with 1 when a bar is missed.") var strict = false

  private static let placed = ["noop", "compose", "counter", "cache"]
  private static let unplaced = ["idle", "footprint", "replacement"]

  func run() async throws {
    let file = NSTemporaryDirectory() + "cbbench-all-\(currentProcessID()).jsonl"
    defer { try? FileManager.default.removeItem(atPath: file) }
    for name in Self.placed { try await run(name, placed: conditions.pin, into: file) }
    for name in Self.unplaced { try await run(name, placed: .none, into: file) }
    let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
    let reports = try lines.map {
      try JSONDecoder().decode(Report.self, from: Data($0.utf8))
    }
    print(Self.table(of: reports))
    try conditions.append(lines.map(String.init))
    if strict, reports.contains(where: { $0.isMet == false }) { throw ExitCode(1) }
  }

  /// As a process of its own: a benchmark places itself, and starts from nothing.
  private func run(_ name: String, placed pin: Pin, into file: String) async throws {
    var arguments = [
      name, "--pin", pin.rawValue, "--calls", "\(conditions.calls)",
      "--window", "\(conditions.window)", "--bundle", conditions.bundle, "--out", file,
      "--commit", conditions.commit,
    ]
    arguments += ["--pairs", "\(name == "idle" ? 1 : conditions.pairs)"]
    let environment = ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" }
    var command = ChildProcess.Command(
      Machine.programFolder + "/cbbench", arguments, environment: environment)
    command.errors = 2
    print("\(name) …")
    var process = try ChildProcess.lasting(command)
    let status = try process.waitUntilEnded()
    guard case .exited(0) = status else {
      throw Failure(.internalError, "the benchmark \(name) failed: \(status)")
    }
  }

  private static func table(of reports: [Report]) -> String {
    let rows = reports.map { report in
      "| \(report.benchmark) | \(report.measure) | \(report.medianOurs.plain) \(report.unit) | "
        + (report.medianRatio.map { "\($0.plain) x \(report.baseline)" } ?? "")
        + " | \(report.barText) | \(report.isMet.map { $0 ? "met" : "**missed**" } ?? "–") |"
    }
    let head = ["| work | measure | ours | ratio | bar | verdict |", "|---|---|---|---|---|---|"]
    return (head + rows).joined(separator: "\n")
  }
}
