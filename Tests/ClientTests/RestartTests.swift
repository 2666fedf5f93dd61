import CloudburstClient
import ClusterModel
import Testing
import WireProtocol

/// The client while the cluster goes away and comes back.
@Suite(.timeLimit(.minutes(1))) struct RestartTests {
  @Test func laterCallsFindARestartedCluster() async throws {
    let first = try FakeCluster()
    let cloud = try await CloudburstClient.connect(to: first.endpoint)
    let one: Int = try await cloud.call("square", 1)
    #expect(one == 1)
    first.stop()
    let second = try FakeCluster(at: first.endpoint, incarnation: 2)
    try await eventually { try await cloud.put("n", 3) }
    let nine: Int = try await cloud.call("square", .reference("n"))
    #expect(nine == 9)
    await cloud.close()
    second.stop()
  }

  @Test func aCallUnderWayFailsAsUnavailable() async throws {
    let first = try FakeCluster()
    let cloud = try await CloudburstClient.connect(to: first.endpoint)
    let task = Task { try await cloud.call("nothing") }
    _ = await first.first { $0 == .call("nothing") }
    first.stop()
    let error = await #expect(throws: CloudburstError.self) { try await task.value }
    #expect(error?.code == .unavailable)
    #expect(error?.isRetryable == true)
    await cloud.close()
  }

  @Test func whatIsAskedWhileTheClusterIsAwayWaitsForIt() async throws {
    let first = try FakeCluster()
    let cloud = try await CloudburstClient.connect(to: first.endpoint)
    first.stop()
    async let square: Int = cloud.call("square", 4)
    let second = try FakeCluster(at: first.endpoint, incarnation: 2)
    // Sent before the client had noticed, the call fails; sent after, it finds the new cluster.
    do {
      #expect(try await square == 16)
    } catch let error as CloudburstError {
      #expect(error.code == .unavailable)
    }
    await cloud.close()
    second.stop()
  }

  @Test func aWatchGoesOnAfterARestart() async throws {
    let first = try FakeCluster()
    let cloud = try await CloudburstClient.connect(to: first.endpoint)
    var states = try cloud.watch("k", as: Int.self).makeAsyncIterator()
    #expect(try await states.next() == .some(.none))
    try await cloud.put("k", 1)
    #expect(try await states.next() == 1)
    first.stop()
    let second = try FakeCluster(at: first.endpoint, incarnation: 2)
    second.post(.put("k", try EncodedValue(2)))
    // The restarted cluster has lost the key, and may say so before it is written again.
    var state = try await states.next()
    if state == .some(.none) { state = try await states.next() }
    #expect(state == 2)
    await cloud.close()
    #expect(try await states.next() == nil)
    second.stop()
  }

  @Test func aGetUnderWayIsAskedAgain() async throws {
    let first = try FakeCluster()
    let cloud = try await CloudburstClient.connect(to: first.endpoint)
    first.stop()
    async let value = cloud.get("k", as: Int.self)
    let second = try FakeCluster(at: first.endpoint, incarnation: 2)
    #expect(try await value == nil)
    await cloud.close()
    second.stop()
  }

  @Test func aClusterThatDoesNotAnswerTheHelloIsUnavailable() async throws {
    let cluster = try FakeCluster(answersHello: false)
    var configuration = ClientConfiguration()
    configuration.connectTimeLimit = .milliseconds(200)
    let error = await #expect(throws: CloudburstError.self) {
      _ = try await CloudburstClient.connect(to: cluster.endpoint, configuration: configuration)
    }
    #expect(error?.code == .unavailable)
    cluster.stop()
  }

  /// Repeats what was sent before the client could know that the connection is gone.
  private func eventually(_ body: () async throws -> Void) async throws {
    while true {
      do {
        return try await body()
      } catch let error as CloudburstError where error.code == .unavailable {
        continue
      }
    }
  }
}
