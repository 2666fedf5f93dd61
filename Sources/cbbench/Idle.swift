import ArgumentParser
import CloudburstClient

struct Idle: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The processor time that all processes of an idle cluster take in 30 s.",
    discussion: """
      Two executors have a bundle loaded; no client is connected. --pairs says how many times 30 s.

      Example:
        cbbench idle --pin none --pairs 1 --out docs/benchmarks/idle.jsonl
      """)

  @OptionGroup var conditions: Conditions

  func run() async throws {
    try conditions.place()
    let cluster = try BenchCluster(executors: 2)
    defer { cluster.stop() }
    let cloud = try await connect(to: cluster, conditions)
    try await warm(cloud)
    await cloud.close()
    // What the start and the client left to do is not idleness.
    try await Task.sleep(for: .seconds(2))
    let runs = try await Runs(conditions.pairs) {
      let before = Self.times(of: cluster.processes)
      try await Task.sleep(for: .seconds(30))
      // A thread that ended meanwhile is left out, one that began counts from nothing.
      let ran = Self.times(of: cluster.processes).map { thread, time in
        Double(time) - Double(before[thread] ?? 0)
      }
      return ran.reduce(0, +) / 1e6
    }
    try conditions.publish([
      Report(
        benchmark: "idle", measure: "processor time in 30 s", unit: "ms", conditions: conditions,
        pairs: runs.pairs, repeated: runs.repeated)
    ])
  }

  private static func times(of processes: [Int32]) -> [String: UInt64] {
    processes.map(ProcessFacts.processorTimes).reduce(into: [:]) {
      $0.merge($1, uniquingKeysWith: max)
    }
  }
}

/// A call on each of a few executors, so that their bundles are loaded.
func warm(_ cloud: CloudburstClient) async throws {
  try await withThrowingTaskGroup(of: Void.self) { group in
    for _ in 0..<16 { group.addTask { try await cloud.call("bench-noop") } }
    try await group.waitForAll()
  }
}
