import CloudburstClient
import Platform

/// Our side of a pair: calls through the SDK.
struct Calls: Sendable {
  let cloud: CloudburstClient
  let call: @Sendable (CloudburstClient) async throws -> Void

  /// Where the calling task runs.
  enum Task {
    case onTheLoop
    case ordinary
  }

  func latencies(_ count: Int, _ task: Task) async throws -> Latencies {
    switch task {
    case .ordinary: return try await measure(count)
    case .onTheLoop: return try await cloud.run { try await measure(count) }
    }
  }

  private nonisolated(nonsending) func measure(_ count: Int) async throws -> Latencies {
    var nanoseconds: [UInt64] = []
    nanoseconds.reserveCapacity(count)
    for _ in 0..<count {
      let before = MonotonicClock.now
      try await call(cloud)
      nanoseconds.append(MonotonicClock.now - before)
    }
    return Latencies(nanoseconds)
  }

  /// Calls per second with `window` in flight, from tasks on the SDK's loop.
  func throughput(_ count: Int, window: Int) async throws -> Double {
    let before = MonotonicClock.now
    try await cloud.run {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for index in 0..<window {
          let share = count / window + (index < count % window ? 1 : 0)
          group.addTask { for _ in 0..<share { try await call(cloud) } }
        }
        try await group.waitForAll()
      }
    }
    return Double(count) * 1e9 / Double(MonotonicClock.now - before)
  }
}
