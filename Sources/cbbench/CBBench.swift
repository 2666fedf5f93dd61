import ArgumentParser
import ClusterModel

/// Measures this build against the floor: the same topology in plain libzmq, in the same run.
@main
struct CBBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cbbench",
    abstract: "Measure latency and throughput as ratios to a floor taken in the same run.",
    discussion: """
      Build in release, and the functions it calls:
        swift build -c release && (cd tools/bench-bundle && swift build -c release)

      Examples:
        cbbench noop --pin one-core
        cbbench compose --pairs 20 --out docs/benchmarks/compose.jsonl
        cbbench all --out docs/benchmarks/all.jsonl
      """,
    version: PlatformVersion.text,
    subcommands: [
      Noop.self, Compose.self, Counter.self, Cache.self, Keys.self, Tier.self, Idle.self,
      Footprint.self,
      Replacement.self, All.self, FloorCommand.self,
    ])
}
