import CloudburstClient
import ClusterModel
import WireProtocol

extension Keys {
  /// Keys whose records are on the disk only, against keys in memory: a shard with room for a quarter
  /// of its records.
  func cold() async throws -> [Report] {
    var reports: [Report] = []
    try await withShard(keepsData: true, options: ["--memory-budget", "16"]) { cloud, store in
      let keys = ColdKeys(cloud: cloud, store: store)
      try keys.fill()
      for (name, type, level) in [
        ("PUT to a cold key, p50", KeyRequestType.put, WriteLevel.accepted),
        ("durable PUT to a cold key, p50", .put, .durable),
        ("GET of a cold key, p50", .get, .accepted),
      ] {
        let hot = KeyLoad(type, keys: ColdKeys.hot, level: level)
        let count = level == .durable ? conditions.calls / 4 : conditions.calls
        let pairing = try await Pairing(conditions.pairs) {
          try await keys.next(count, type, level).latencies(count, at: store)
        } floor: {
          try hot.latencies(count, at: store)
        }
        reports.append(
          report(
            name, "µs", against: "a hot one", pairing.pairs { $0.percentile(0.5).microseconds },
            repeated: pairing.repeated))
      }
      reports.append(try await besideColdReads(keys, store, rate: 2000))
    }
    return reports
  }

  /// The same pace of reads in memory, beside as many of records on the disk and of others in memory.
  private func besideColdReads(
    _ keys: ColdKeys, _ store: KeyLoad.Target, rate: Double
  ) async throws -> Report {
    let span = min(seconds, 3)
    let hot = KeyLoad(.get, keys: ColdKeys.hot)
    let pairing = try await Pairing(min(conditions.pairs, 5)) {
      let cold = try await keys.next(Int(rate * span), .get, .accepted)
      async let others = offTheTasks { try cold.paced(rate, seconds: span, at: store) }
      let latencies = try await offTheTasks { try hot.paced(rate, seconds: span, at: store) }
      _ = try await others
      return latencies
    } floor: {
      async let others = offTheTasks { try hot.paced(rate, seconds: span, at: store) }
      let latencies = try await offTheTasks { try hot.paced(rate, seconds: span, at: store) }
      _ = try await others
      return latencies
    }
    return report(
      "GET of a hot key beside GETs of cold ones, p99", "µs", against: "beside GETs of hot ones",
      pairing.pairs { $0.percentile(0.99).microseconds }, repeated: pairing.repeated)
  }
}

/// Many keys, each of which is used once after the fill: whoever asks for one finds it on the disk.
private final class ColdKeys {
  static let hot = 1000
  private static let count = 200_000
  private let cloud: CloudburstClient
  private let store: KeyLoad.Target
  private var used = 0

  init(cloud: CloudburstClient, store: KeyLoad.Target) {
    self.cloud = cloud
    self.store = store
  }

  /// What was written first is demoted first; the hot ones come last.
  func fill() throws {
    let part = 20_000
    for first in stride(from: Self.hot, to: Self.hot + Self.count, by: part) {
      let load = KeyLoad(.put, keys: part, level: .durable, from: first)
      _ = try load.throughput(part, .init(window: 512), at: store)
    }
    _ = try KeyLoad(.put, keys: Self.hot, level: .durable)
      .throughput(Self.hot, .init(window: 64), at: store)
  }

  /// The next keys, of which the last one is looked at first.
  func next(_ count: Int, _ type: KeyRequestType, _ level: WriteLevel) async throws -> KeyLoad {
    let first = Self.hot + used
    used += count
    guard used <= Self.count * 3 / 4 else {
      throw Failure(.internalError, "no cold keys are left: ask for fewer --calls or --pairs")
    }
    for number in [first, first + count - 1] {
      let key = KeyLoad.key(number, byteCount: 16).description
      guard try await cloud.explain(key)?.tier == .disk else {
        throw Failure(.internalError, "\(key) is in memory, though it was to be cold")
      }
    }
    return KeyLoad(type, keys: count, level: level, from: first)
  }
}
