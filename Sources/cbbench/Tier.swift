import ArgumentParser
import CloudburstClient
import ClusterModel
import Foundation
import Platform
import WireProtocol

/// Contention: the same keys written at three nodes at once, each of which takes every write.
struct Tier: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Writes at three storage nodes that hold the same keys, some keys hotter than others.",
    discussion: """
      Every node holds all keys and takes every write; they tell each other. How many writes a second, with \
      the keys drawn by Zipf's law against all alike; and how long after the last write all copies are equal.

      Example:
        cbbench tier --pin none --pairs 5
      """)

  @OptionGroup var conditions: Conditions

  static let keys = 10_000
  static let nodes = 3

  func run() async throws {
    try conditions.place()
    let cluster = try BenchCluster(
      executors: 1, options: ["--storage-nodes", "\(Self.nodes)", "--copies", "\(Self.nodes)"])
    defer { cluster.stop() }
    let cloud = try await connect(to: cluster, conditions)
    let stores = try await cloud.status().processes.filter { $0.role == "storage" }
      .compactMap(\.endpoint).map { KeyLoad.Target(endpoint: $0, isStore: true) }
    guard stores.count == Self.nodes else {
      throw Failure(.internalError, "\(stores.count) storage nodes, not \(Self.nodes)")
    }
    let uniform = Contention(exponent: 0, at: stores)
    _ = try await uniform.run(conditions.calls)
    for exponent in [1.0, 2.0] {
      let zipf = Contention(exponent: exponent, at: stores)
      var settled: [Report.Pair] = []
      let pairing = try await Pairing(conditions.pairs) {
        let rate = try await zipf.run(conditions.calls * 20)
        settled.append(.init(ours: try zipf.timeUntilEqual().rounded3, steal: 0))
        return rate
      } floor: {
        try await uniform.run(conditions.calls * 20)
      }
      try conditions.publish([
        Report(
          benchmark: "tier", measure: "PUTs at 3 nodes, Zipf \(exponent)", unit: "requests/s",
          baseline: "uniform", conditions: conditions, pairs: pairing.pairs { $0 },
          repeated: pairing.repeated),
        Report(
          benchmark: "tier", measure: "copies equal after the last PUT, Zipf \(exponent)",
          unit: "ms", conditions: conditions, pairs: settled),
      ])
    }
    await cloud.close()
  }
}

/// Writers at several nodes at once, which draw their keys by one law.
private struct Contention: Sendable {
  let stores: [KeyLoad.Target]
  let loads: [KeyLoad]
  /// The hottest keys, and some of the others.
  let readers: KeyLoad

  /// - Parameter exponent: of Zipf's law; 0: all keys alike.
  init(exponent: Double, at stores: [KeyLoad.Target]) {
    var cumulative: [Double] = []
    for rank in 1...Tier.keys {
      cumulative.append((cumulative.last ?? 0) + 1 / pow(Double(rank), exponent))
    }
    self.stores = stores
    loads = stores.indices.map { index in
      var random = SplitMix64(seed: UInt64(index + 1))
      let numbers = (0..<16_000).map { _ in
        let point = Double.random(in: 0..<cumulative[Tier.keys - 1], using: &random)
        return cumulative.partitioningIndex { $0 > point }
      }
      return KeyLoad(.put, numbers: numbers)
    }
    let few = Array(0..<60) + stride(from: 100, to: Tier.keys, by: 1000)
    readers = KeyLoad(.get, numbers: few, keysPerRequest: few.count)
  }

  /// - Returns: writes a second, at all nodes together.
  func run(_ count: Int) async throws -> Double {
    let begun = MonotonicClock.now
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (load, store) in zip(loads, stores) {
        group.addTask {
          try await offTheTasks {
            _ = try load.throughput(count, .init(window: 64), at: store)
          }
        }
      }
      try await group.waitForAll()
    }
    return Double(count * stores.count) * 1e9 / Double(MonotonicClock.now - begun)
  }

  /// Milliseconds until every node gives every key the same version.
  func timeUntilEqual() throws -> Double {
    let begun = MonotonicClock.now
    while true {
      let answers = try stores.map { try readers.ask($0).tuples.map(\.version) }
      let elapsed = Double(MonotonicClock.now - begun) / 1e6
      if Set(answers).count == 1 { return elapsed }
      guard elapsed < 30_000 else {
        throw Failure(.internalError, "the copies are not equal 30 s after the last write")
      }
    }
  }
}

extension [Double] {
  /// The first index from which on the test holds.
  fileprivate func partitioningIndex(where isAfter: (Double) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if isAfter(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
