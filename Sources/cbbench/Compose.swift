import ArgumentParser
import CloudburstClient

struct Compose: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "square(increment(x)) as one DAG, against a no-op call and a plain relay.",
    discussion: """
      Example:
        cbbench compose --pin one-core --out docs/benchmarks/compose.jsonl
      """)

  @OptionGroup var conditions: Conditions

  func run() async throws {
    try conditions.place()
    try await withBench(conditions) { cloud, floor in
      let dag = try await cloud.register(
        DAG("bench-compose") { "bench-increment" => "bench-square" })
      let composed = Calls(cloud: cloud) { cloud in
        let result: Int = try await cloud.call(dag, ["bench-increment": [4]])
        precondition(result == 25, "square(increment(4)) is 25")
      }
      let noop = Calls(cloud: cloud) { try await $0.call("bench-noop") }
      let count = conditions.calls
      _ = try await composed.latencies(count / 10, .onTheLoop)
      _ = try await noop.latencies(count / 10, .onTheLoop)
      let toNoop = try await Pairing(conditions.pairs) {
        try await composed.latencies(count, .onTheLoop)
      } floor: {
        try await noop.latencies(count, .onTheLoop)
      }
      let toFloor = try await Pairing(conditions.pairs) {
        try await composed.latencies(count, .onTheLoop)
      } floor: {
        try floor.latencies(size: 64, calls: count)
      }
      try conditions.publish([
        report(toNoop, baseline: "no-op call"), report(toFloor, baseline: "relay floor"),
      ])
    }
  }

  private func report(_ pairing: Pairing<Latencies>, baseline: String) -> Report {
    Report(
      benchmark: "compose", measure: "p50, on the loop", unit: "µs", baseline: baseline,
      conditions: conditions, pairs: pairing.pairs { $0.percentile(0.5).microseconds },
      repeated: pairing.repeated)
  }
}
