import ArgumentParser
import CloudburstClient
import ClusterModel
import Glibc
import Platform

struct Replacement: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "How soon the replacement of a killed executor answers a call.",
    discussion: """
      A cluster of one executor, killed with SIGKILL while a call of hello waits. The time begins when \
      the agent has reaped it (its process id is free, looked at every 50 µs), and ends when the \
      caller has the answer; it holds the start of the process, the loading of the bundle, and the \
      call.

      Example:
        cbbench replacement --pin none --out docs/benchmarks/replacement.jsonl
      """)

  @OptionGroup var conditions: Conditions
  @Option(help: "The bundle that is called.")
  var hello = "Examples/hello/.build/release/libhello.so"

  func run() async throws {
    try conditions.place()
    let cluster = try BenchCluster(executors: 1)
    defer { cluster.stop() }
    let cloud = try await CloudburstClient.connect(to: cluster.endpoint)
    _ = try await cloud.upload(path: hello)
    let _: String = try await cloud.call("hello", "you")
    let runs = try await Runs(conditions.pairs * 3) {
      guard let executor = cluster.executors.first else {
        throw Failure(.unavailable, "there is no executor to kill")
      }
      return try await answered(by: cloud, afterTheDeathOf: executor)
    }
    await cloud.close()
    try conditions.publish([
      Report(
        benchmark: "replacement", measure: "reaped until hello is answered, p50", unit: "ms",
        conditions: conditions, pairs: runs.pairs, repeated: runs.repeated)
    ])
  }

  /// - Returns: milliseconds from the reaping to the answer.
  private func answered(
    by cloud: CloudburstClient, afterTheDeathOf executor: Int32
  ) async throws -> Double {
    kill(executor, SIGKILL)
    async let reapedAt = Self.reaping(of: executor)
    let _: String = try await cloud.call("hello", "you")
    let answeredAt = MonotonicClock.now
    let reaped = try await reapedAt
    // A call that overtook the death was answered by the one that died.
    guard answeredAt > reaped else {
      throw Failure(.internalError, "the call was answered before the executor was reaped")
    }
    return Double(answeredAt - reaped) / 1e6
  }

  @concurrent private static func reaping(of process: Int32) async throws -> UInt64 {
    let deadline = MonotonicClock.now + 5_000_000_000
    while !ProcessFacts.isGone(process) {
      guard MonotonicClock.now < deadline else {
        throw Failure(.timedOut, "process \(process) was not reaped")
      }
      try await Task.sleep(for: .microseconds(50))
    }
    return MonotonicClock.now
  }
}
