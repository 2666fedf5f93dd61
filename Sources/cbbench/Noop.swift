import ArgumentParser
import CloudburstClient

struct Noop: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "A no-op call through the scheduler, against a plain relay.",
    discussion: """
      Example:
        cbbench noop --pin one-core --out docs/benchmarks/noop.jsonl
      """)

  @OptionGroup var conditions: Conditions

  func run() async throws {
    try conditions.place()
    try await withBench(conditions) { cloud, floor in
      let calls = Calls(cloud: cloud) { try await $0.call("bench-noop") }
      var reports: [Report] = []
      for (task, name) in [(Calls.Task.onTheLoop, "on the loop"), (.ordinary, "ordinary task")] {
        reports += try await latency(calls, floor, task, name)
      }
      reports.append(try await throughput(calls, floor))
      try conditions.publish(reports)
    }
  }

  private func latency(
    _ calls: Calls, _ floor: borrowing RelayFloor, _ task: Calls.Task, _ name: String
  ) async throws -> [Report] {
    _ = try await calls.latencies(conditions.calls / 10, task)
    _ = try floor.latencies(size: 64, calls: conditions.calls / 10)
    let pairing = try await Pairing(conditions.pairs) {
      try await calls.latencies(conditions.calls, task)
    } floor: {
      try floor.latencies(size: 64, calls: conditions.calls)
    }
    return [("p50", 0.5), ("p99", 0.99)].map { label, share in
      Report(
        benchmark: "noop", measure: "\(label), \(name)", unit: "µs", baseline: "relay floor",
        conditions: conditions, pairs: pairing.pairs { $0.percentile(share).microseconds },
        repeated: pairing.repeated)
    }
  }

  private func throughput(
    _ calls: Calls, _ floor: borrowing RelayFloor
  ) async throws -> Report {
    let count = conditions.calls * 4
    let pairing = try await Pairing(conditions.pairs) {
      try await calls.throughput(count, window: conditions.window)
    } floor: {
      try floor.throughput(size: 64, window: conditions.window, calls: count)
    }
    return Report(
      benchmark: "noop", measure: "throughput, \(conditions.window) in flight", unit: "calls/s",
      baseline: "relay floor", conditions: conditions, pairs: pairing.pairs { $0 },
      repeated: pairing.repeated)
  }
}
