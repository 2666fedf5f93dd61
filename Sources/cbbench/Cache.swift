import ArgumentParser
import CloudburstClient
import ClusterModel

struct Cache: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Reads of cached keys inside a function, by its own clock.",
    discussion: """
      Example:
        cbbench cache --pin one-core --out docs/benchmarks/cache.jsonl
      """)

  /// What a function calls the time and place of one look at a large value.
  private struct Seen: Codable, Value {
    var nanoseconds: Double
    var count: Int
    var file: String
  }

  private struct ReadTimes: Codable, Value {
    var elapsed: Double
    var ran: Double
  }

  private static let keys = 100_000
  private static let reads = 100_000

  @OptionGroup var conditions: Conditions

  func run() async throws {
    try conditions.place()
    try await withCluster(conditions, executors: 1, keepsData: false) { cloud, _ in
      for first in stride(from: 0, to: Self.keys, by: 1000) {
        try await cloud.call("bench-fill", first, 1000)
        // The first read of a key brings it to the node.
        let _: ReadTimes = try await cloud.call("bench-get-each", first, 1000)
      }
      let same = try await reads("get of 64 bytes, same key") {
        try await cloud.call("bench-get-same", Self.reads)
      }
      let random = try await reads("get of 64 bytes, random of 100 000 keys") {
        try await cloud.call("bench-get-random", Self.keys, Self.reads)
      }
      try conditions.publish(same + random + [try await inPlace(cloud)])
    }
  }

  /// Elapsed, and how long the executor's thread ran: on a busy machine it has to wait between.
  private func reads(
    _ measure: String, _ read: () async throws -> ReadTimes
  ) async throws -> [Report] {
    _ = try await read()
    var ran: [Double] = []
    let runs = try await Runs(conditions.pairs) {
      let times = try await read()
      ran.append(times.ran / 1000)
      return times.elapsed / 1000
    }
    let processor = ran.suffix(runs.pairs.count).map {
      Report.Pair(ours: $0.rounded3, steal: 0)
    }
    return [(measure, runs.pairs), (measure + ", processor time", processor)].map {
      Report(
        benchmark: "cache", measure: $0, unit: "µs", conditions: conditions, pairs: $1,
        repeated: runs.repeated)
    }
  }

  /// Without a copy: the bytes lie in the cache's file in shared memory, and are there at once.
  private func inPlace(_ cloud: CloudburstClient) async throws -> Report {
    let large = EncodedValue(encoding: .raw, bytes: [UInt8](repeating: 7, count: 8 << 20))
    try await cloud.put("bench/large", encoded: large)
    let runs = try await Runs(conditions.pairs) {
      let seen: Seen = try await cloud.call("bench-in-place", "bench/large")
      guard seen.count == 8 << 20, seen.file.contains("/cloudburst-") else {
        throw Failure(.internalError, "8 MiB were copied: \(seen)")
      }
      return seen.nanoseconds / 1000
    }
    return Report(
      benchmark: "cache", measure: "look at 8 MiB in place", unit: "µs", conditions: conditions,
      pairs: runs.pairs, repeated: runs.repeated)
  }
}
