import ArgumentParser
import CloudburstClient

struct Counter: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "A function that adds 1 to a counter, against a no-op call and a durable PUT.",
    discussion: """
      The baseline of the latency is a no-op call and 1.3 x a durable PUT through the SDK, measured in
      the same pair.

      Example:
        cbbench counter --pin one-core --out docs/benchmarks/counter.jsonl
      """)

  @OptionGroup var conditions: Conditions

  func run() async throws {
    try conditions.place()
    var reports: [Report] = []
    try await withCluster(conditions, keepsData: true) { cloud, _ in
      reports.append(try await latency(cloud))
      reports.append(try await throughput(cloud, "durable"))
    }
    try await withCluster(conditions, keepsData: false) { cloud, _ in
      reports.append(try await throughput(cloud, "in memory"))
    }
    try conditions.publish(reports)
  }

  private func latency(_ cloud: CloudburstClient) async throws -> Report {
    let count = Calls(cloud: cloud) { try await $0.call("bench-count", "bench/counter") }
    let noop = Calls(cloud: cloud) { try await $0.call("bench-noop") }
    let put = Calls(cloud: cloud) { try await $0.put("bench/put", 1, level: .durable) }
    for calls in [count, noop, put] { _ = try await calls.latencies(200, .onTheLoop) }
    let pairing = try await Pairing(conditions.pairs) {
      try await count.latencies(conditions.calls, .onTheLoop).percentile(0.5).microseconds
    } floor: {
      let call = try await noop.latencies(conditions.calls, .onTheLoop).percentile(0.5)
      let write = try await put.latencies(conditions.calls, .onTheLoop).percentile(0.5)
      return call.microseconds + 1.3 * write.microseconds
    }
    return Report(
      benchmark: "counter", measure: "p50, durable", unit: "µs",
      baseline: "no-op call + 1.3 x durable PUT", conditions: conditions,
      pairs: pairing.pairs { $0 }, repeated: pairing.repeated)
  }

  private func throughput(_ cloud: CloudburstClient, _ level: String) async throws -> Report {
    let count = Calls(cloud: cloud) { try await $0.call("bench-count", "bench/counter") }
    _ = try await count.throughput(2000, window: conditions.window)
    let runs = try await Runs(conditions.pairs) {
      try await count.throughput(conditions.calls * 4, window: conditions.window)
    }
    return Report(
      benchmark: "counter", measure: "throughput, \(level), \(conditions.window) in flight",
      unit: "calls/s", conditions: conditions, pairs: runs.pairs, repeated: runs.repeated)
  }
}
