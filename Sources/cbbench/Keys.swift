import ArgumentParser
import CloudburstClient
import CloudburstValues
import ClusterModel
import WireProtocol

struct Keys: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kv",
    abstract: "Reads and writes of keys at one shard, against a plain echo and Redis.",
    discussion: """
      The raw client and the floor's are the same code, in C, and send the same frames: a write's, which
      is as long as a read's answer. Redis is Debian's, with redis-benchmark.

      Example:
        cbbench kv --pin none --out docs/benchmarks/kv.jsonl
      """)

  @OptionGroup var conditions: Conditions
  @Option(help: "Seconds of the run at half of the throughput.") var seconds = 60.0

  @Flag(help: "Only the rows about keys that are on the disk only.") var onlyCold = false

  static let valueBytes = 256

  func run() async throws {
    try conditions.place()
    if onlyCold { return try conditions.publish(try await cold()) }
    // Published one by one: what fails late takes nothing with it.
    try await withShard(keepsData: false) { cloud, store in
      try conditions.publish(try await latency(cloud, store))
      try conditions.publish(try await throughput(store))
      if Redis.isInstalled {
        try conditions.publish(try await batches(store))
      } else {
        print("redis-server and redis-benchmark are not installed: batches are not compared")
      }
    }
    try await withShard(keepsData: true) { _, store in
      try conditions.publish([try await durable(store)])
    }
    try conditions.publish([try await memory()])
    try conditions.publish(try await cold())
    try await withShard(keepsData: false) { cloud, store in
      let load = KeyLoad(.get)
      try conditions.publish(try pauses(load, store))
      try conditions.publish([try await besideLargeWrites(cloud, load, store, rate: 5000)])
    }
  }

  /// A cluster with no more around the shard than has to be, and where the shard listens.
  func withShard(
    keepsData: Bool, options: [String] = [],
    _ body: (CloudburstClient, KeyLoad.Target) async throws -> Void
  ) async throws {
    try await withCluster(
      conditions, executors: 1, keepsData: keepsData, options: options
    ) { cloud, _ in
      let processes = try await cloud.status().processes
      guard let endpoint = processes.first(where: { $0.role == "storage" })?.endpoint else {
        throw Failure(.internalError, "the cluster names no store")
      }
      let store = KeyLoad.Target(endpoint: endpoint, isStore: true)
      _ = try KeyLoad(.put).throughput(16_000, .init(window: 64), at: store)
      try await body(cloud, store)
    }
  }

  func report(
    _ measure: String, _ unit: String, against baseline: String = "", _ pairs: [Report.Pair],
    repeated: Int
  ) -> Report {
    Report(
      benchmark: "kv", measure: measure, unit: unit, baseline: baseline, conditions: conditions,
      pairs: pairs, repeated: repeated)
  }

  // One outstanding request.
  private func latency(
    _ cloud: CloudburstClient, _ store: KeyLoad.Target
  ) async throws -> [Report] {
    let floor = try EchoFloor()
    let echo = KeyLoad(.put)
    let value = EncodedValue(
      encoding: .raw, bytes: [UInt8](repeating: 7, count: Self.valueBytes))
    let key = KeyLoad.key(0, byteCount: 16).description
    let get = Calls(cloud: cloud) { _ = try await $0.inspect(key) }
    let put = Calls(cloud: cloud) { try await $0.put(key, encoded: value, level: .accepted) }
    let sides: [(String, () async throws -> Latencies)] = [
      ("GET, raw client", { try KeyLoad(.get).latencies(conditions.calls, at: store) }),
      ("PUT, raw client", { try KeyLoad(.put).latencies(conditions.calls, at: store) }),
      ("GET, SDK on its loop", { try await get.latencies(conditions.calls, .onTheLoop) }),
      ("PUT, SDK on its loop", { try await put.latencies(conditions.calls, .onTheLoop) }),
    ]
    var reports: [Report] = []
    for (name, ours) in sides {
      _ = try await ours()
      let pairing = try await Pairing(conditions.pairs, ours: ours) {
        try echo.latencies(conditions.calls, at: floor.target)
      }
      reports.append(
        report(
          "\(name), p50", "µs", against: "echo floor",
          pairing.pairs { $0.percentile(0.5).microseconds }, repeated: pairing.repeated))
    }
    return reports
  }

  private func throughput(_ store: KeyLoad.Target) async throws -> [Report] {
    let floor = try EchoFloor()
    let echo = KeyLoad(.put)
    let count = conditions.calls * 20
    var reports: [Report] = []
    for depth in [KeyLoad.Depth(window: 64), .init(window: 512, connections: 8)] {
      for type in [KeyRequestType.get, .put] {
        let load = KeyLoad(type)
        let pairing = try await Pairing(conditions.pairs) {
          try load.throughput(count, depth, at: store)
        } floor: {
          try echo.throughput(count, depth, at: floor.target)
        }
        let name = type == .get ? "GET" : "PUT"
        reports.append(
          report(
            "\(name), \(depth.window) in flight, \(depth.connections) connections", "requests/s",
            against: "echo floor", pairing.pairs { $0 }, repeated: pairing.repeated))
      }
    }
    return reports
  }

  private func batches(_ store: KeyLoad.Target) async throws -> [Report] {
    let redis = try Redis()
    let count = conditions.calls * 40
    _ = try redis.throughput("set", pipeline: 16, connections: 50, count: count)
    var reports: [Report] = []
    for (type, test) in [(KeyRequestType.get, "get"), (.put, "set")] {
      let load = KeyLoad(type, keysPerRequest: 16)
      let pairing = try await Pairing(conditions.pairs) {
        16 * (try load.throughput(count / 16, .init(window: 64, connections: 8), at: store))
      } floor: {
        try redis.throughput(test, pipeline: 16, connections: 50, count: count)
      }
      reports.append(
        report(
          "\(test.uppercased()) in batches of 16 keys", "keys/s", against: "Redis pipelined by 16",
          pairing.pairs { $0 }, repeated: pairing.repeated))
    }
    return reports
  }

  private func durable(_ store: KeyLoad.Target) async throws -> Report {
    let load = KeyLoad(.put, level: .durable)
    let depth = KeyLoad.Depth(window: 1000, connections: 8)
    let count = conditions.calls * 10
    _ = try load.throughput(count, depth, at: store)
    let runs = try await Runs(conditions.pairs) { try load.throughput(count, depth, at: store) }
    return report(
      "durable PUT, 1000 in flight", "requests/s", runs.pairs, repeated: runs.repeated)
  }
}
