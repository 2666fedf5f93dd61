import ArgumentParser
import CloudburstClient
import ClusterModel
import Foundation
import Platform

struct Footprint: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The memory of a local cluster and of an executor, and how fast they are there.",
    discussion: """
      Example:
        cbbench footprint --pin none --out docs/benchmarks/footprint.jsonl
      """)

  @OptionGroup var conditions: Conditions
  @Option(help: "The bundle whose executor is weighed.")
  var hello = "Examples/hello/.build/release/libhello.so"

  func run() async throws {
    try conditions.place()
    var reports = try await memory()
    reports.append(try await time("cbctl --help", to: helpText))
    reports.append(try await time("cbctl dev, until ready", to: startAndStop))
    try conditions.publish(reports)
  }

  private func memory() async throws -> [Report] {
    let cluster = try BenchCluster(executors: 2)
    defer { cluster.stop() }
    let all = cluster.processes.map(ProcessFacts.proportionalMemory).reduce(0, +)
    let cloud = try await CloudburstClient.connect(to: cluster.endpoint)
    _ = try await cloud.upload(path: hello)
    for _ in 0..<10 { let _: String = try await cloud.call("hello", "you") }
    await cloud.close()
    // Both are weighed; the one that served the calls has the bundle.
    let executor = cluster.executors.map(ProcessFacts.proportionalMemory).max() ?? 0
    return [("PSS of all processes", all), ("PSS of an executor with hello", executor)].map {
      Report(
        benchmark: "footprint", measure: $0, unit: "MiB", conditions: conditions,
        pairs: [.init(ours: $1.rounded3, steal: 0)])
    }
  }

  private func time(
    _ measure: String, to run: () throws -> UInt64
  ) async throws -> Report {
    _ = try run()
    let runs = try await Runs(conditions.pairs) { Double(try run()) / 1e6 }
    return Report(
      benchmark: "start", measure: measure, unit: "ms", conditions: conditions, pairs: runs.pairs,
      repeated: runs.repeated)
  }

  private func helpText() throws -> UInt64 { try nanoseconds(of: ["--help"]) }

  /// `cbctl dev --detach` returns when calls can run.
  private func startAndStop() throws -> UInt64 {
    let port = "\(try Machine.freePort())"
    let taken = try nanoseconds(of: ["dev", "--detach", "--memory", "--port", port])
    _ = try nanoseconds(of: ["dev", "stop", "--endpoint", "tcp://127.0.0.1:\(port)"])
    return taken
  }

  private func nanoseconds(of arguments: [String]) throws -> UInt64 {
    let environment = ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" }
    let before = MonotonicClock.now
    var process = try ChildProcess.lasting(
      .init(Machine.programFolder + "/cbctl", arguments, environment: environment))
    let status = try process.waitUntilEnded()
    let taken = MonotonicClock.now - before
    guard case .exited(0) = status else {
      throw Failure(.unavailable, "cbctl \(arguments.joined(separator: " ")) failed: \(status)")
    }
    return taken
  }
}
