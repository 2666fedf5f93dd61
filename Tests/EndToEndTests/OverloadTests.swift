import CloudburstClient
import Testing

/// Long calls beside short ones.
@Suite(.serialized, .timeLimit(.minutes(5))) struct OverloadTests {
  /// Short calls are given to executors ahead of time. The one that a long call finds there, or that
  /// come to stand behind it, are taken back within milliseconds.
  @Test func aLongCallDelaysNoShortOne() async throws {
    let dev = try LocalDev(executors: 2, uploading: ["arithmetic", "misbehaving"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    // So that the cluster knows how short they are.
    for _ in 0..<20 { let _: Int = try await cloud.call("square", 2) }
    let limit = Duration.seconds(10)
    let long = Task { () throws -> CloudburstError.Code? in
      do {
        let _: [UInt8] = try await cloud.call("blocked", options: CallOptions(timeLimit: limit))
        return nil
      } catch let error as CloudburstError {
        return error.code
      }
    }
    let began = ContinuousClock.now
    let times = try await withThrowingTaskGroup(of: [Duration].self) { group in
      for _ in 0..<8 { group.addTask { try await latencies(of: 25, on: cloud) } }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(times.count == 200)
    #expect(began.duration(to: .now) < limit, "the long call ran beside all of them")
    let slowest = times.max() ?? .zero
    #expect(slowest < .milliseconds(50), "the slowest of 200 took \(slowest)")
    #expect(try await long.value == .deadlineExceeded)
    await cloud.close()
  }

  private func latencies(of count: Int, on cloud: CloudburstClient) async throws -> [Duration] {
    var times: [Duration] = []
    for number in 0..<count {
      let start = ContinuousClock.now
      let _: Int = try await cloud.call("square", number)
      times.append(start.duration(to: .now))
    }
    return times
  }
}
