import CloudburstClient
import CloudburstValues
import ClusterModel
import Platform
import WireProtocol

extension Keys {
  /// What a reader meets at half of what the shard can do.
  func pauses(_ load: KeyLoad, _ store: KeyLoad.Target) throws -> [Report] {
    let full = try load.throughput(conditions.calls * 20, .init(window: 64), at: store)
    let latencies = try load.paced(full / 2, seconds: seconds, at: store)
    return [("p99.9", 0.999), ("longest", 1.0)].map { name, share in
      report(
        "GET at half of the throughput, \(name)", "ms",
        [.init(ours: (latencies.percentile(share).microseconds / 1000).rounded3, steal: 0)],
        repeated: 0)
    }
  }

  /// The same pace without and with a client that writes 50 MB values one after the other.
  func besideLargeWrites(
    _ cloud: CloudburstClient, _ load: KeyLoad, _ store: KeyLoad.Target, rate: Double
  ) async throws -> Report {
    let span = min(seconds, 5)
    let large = EncodedValue(encoding: .raw, bytes: [UInt8](repeating: 7, count: 50_000_000))
    let pairing = try await Pairing(min(conditions.pairs, 5)) {
      let writer = Task {
        while !Task.isCancelled {
          try await cloud.put("bench/large", encoded: large, level: .accepted)
        }
      }
      defer { writer.cancel() }
      let latencies = try await offTheTasks {
        try load.paced(rate, seconds: span, at: store)
      }
      writer.cancel()
      // The other side is measured without what this one began.
      _ = await writer.result
      return latencies
    } floor: {
      try await offTheTasks { try load.paced(rate, seconds: span, at: store) }
    }
    return report(
      "GET beside writes of 50 MB, p99", "µs", against: "the same alone",
      pairing.pairs { $0.percentile(0.99).microseconds }, repeated: pairing.repeated)
  }

  /// What the daemon's memory grows by for a million keys, beyond their bytes.
  func memory() async throws -> Report {
    let (count, keyBytes, valueBytes) = (1_000_000, 16, 64)
    let cluster = try BenchCluster(executors: 1)
    defer { cluster.stop() }
    let cloud = try await connect(to: cluster, conditions)
    let endpoint = try await cloud.status().processes.first { $0.role == "storage" }?.endpoint
    guard let endpoint, let daemon = cluster.processes.first else {
      throw Failure(.internalError, "the cluster names no store")
    }
    let store = KeyLoad.Target(endpoint: endpoint, isStore: true)
    let part = 50_000
    func fill(_ parts: Range<Int>, into prefix: Int) throws {
      for number in parts {
        let load = KeyLoad(
          .put, keys: part, keyBytes: keyBytes, valueBytes: valueBytes, keysPerRequest: 50,
          from: prefix + number * part)
        _ = try load.throughput(part / 50, .init(window: 8), at: store)
      }
    }
    // What sending and receiving take for good is there before it is counted.
    try fill(0..<1, into: 10_000_000)
    let before = ProcessFacts.proportionalMemory(daemon)
    try fill(0..<count / part, into: 0)
    let grown = (ProcessFacts.proportionalMemory(daemon) - before) * 1_048_576
    await cloud.close()
    let overhead = grown / Double(count) - Double(keyBytes + valueBytes)
    return report(
      "memory a key beyond its bytes, 1 M keys of 16 + 64 B", "B",
      [.init(ours: overhead.rounded3, steal: 0)], repeated: 0)
  }
}

/// A blocking client keeps no thread from the tasks that write.
func offTheTasks<Found: Sendable>(
  _ work: @escaping @Sendable () throws -> Found
) async throws -> Found {
  try await withCheckedThrowingContinuation { done in
    do {
      // It ends by itself; nobody waits for the thread, only for what it found.
      _ = try LoopThread(name: "bench-load") { done.resume(with: Result { try work() }) }
    } catch {
      done.resume(throwing: error)
    }
  }
}
