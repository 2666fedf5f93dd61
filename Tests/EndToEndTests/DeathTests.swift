import CloudburstClient
import Foundation
import Testing

/// Parts of a cluster that are killed under load, and come back.
@Suite(.serialized, .timeLimit(.minutes(5))) struct DeathTests {
  @Test func aKilledStoreComesBackWithAllThatWasDurable() async throws {
    let dev = try LocalDev(durable: true, nodes: 2, uploading: ["arithmetic"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let other = try await CloudburstClient.connect(to: dev.endpoint)
    try await cloud.put("n", 2)
    // In the caches of both nodes, if the calls are spread as they should be.
    try await dev.callEverywhere(other, expecting: 4)
    let load = Load(cloud)
    await load.passes(200)
    try dev.killPart("storage0")
    await load.passes(500)
    let report = await load.end()
    #expect(report.failures.isEmpty, "\(report)")
    for (key, value) in report.acknowledged {
      let stored = try await cloud.get(key, as: Int.self)
      #expect(stored ?? -1 >= value, "\(key) is \(String(describing: stored)), not \(value)")
    }
    // The caches hear of changes again: this client's session knows nothing of the write.
    try await cloud.put("n", 3)
    try await dev.callEverywhere(other, expecting: 9)
    await cloud.close()
    await other.close()
  }

  @Test func visitsThroughTheStoresDeathCountOnce() async throws {
    let dev = try LocalDev(durable: true, nodes: 2, uploading: ["visits"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<400 { group.addTask { try await cloud.call("visit", "home") } }
      for _ in 0..<50 { try await group.next() }
      try dev.killPart("storage0")
      // Their results wait for the store, and are not lost with it: nobody has to ask again.
      try await group.waitForAll()
    }
    #expect(try await cloud.counter("visits/home").value() == 400)
    await cloud.close()
  }

  @Test func visitsAcknowledgedByANodeThatDiesAreThere() async throws {
    let dev = try LocalDev(durable: true, nodes: 2, uploading: ["visits"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<400 { group.addTask { try await cloud.call("visit", "home") } }
      for _ in 0..<50 { try await group.next() }
      try dev.killPart("node0")
      try await group.waitForAll()
    }
    // A visit that was counted and not yet answered is made again: at least once.
    #expect(try await cloud.counter("visits/home").value() >= 400)
    await cloud.close()
  }

  @Test func aKilledSchedulerIsReplacedUnderItsClientsAndExecutors() async throws {
    let dev = try LocalDev(durable: true, nodes: 2, uploading: ["arithmetic", "napping"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let executors = try dev.executorProcesses(of: "node0") + dev.executorProcesses(of: "node1")
    var futures: [Future<[UInt8]>] = []
    for _ in 0..<8 { futures.append(try await cloud.submit("nap")) }
    let load = Load(cloud)
    await load.passes(50)
    try dev.killPart("scheduler")
    await load.passes(500)
    let report = await load.end()
    #expect(report.failures.isEmpty, "\(report)")
    for future in futures { #expect(try await !future.value().isEmpty) }
    let now = try dev.executorProcesses(of: "node0") + dev.executorProcesses(of: "node1")
    #expect(Set(now) == Set(executors), "no executor had a reason to end")
    await cloud.close()
  }

  @Test func aKilledNodesCallsRunOnTheOtherAndItsSuccessorJoins() async throws {
    let dev = try LocalDev(nodes: 2, uploading: ["arithmetic", "napping"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let dead = try dev.executorProcesses(of: "node1").map(Int.init)
    let naps = (0..<4).map { _ in Task { try await cloud.call("nap") as [UInt8] } }
    try await waits("every executor has a call") {
      try await cloud.status().executors.filter { $0.function == "nap" }.count == 4
    }
    let load = Load(cloud, callers: 2)
    let life = try dev.processID(of: "node1")
    try dev.killPart("node1")
    await load.passes(100)
    for nap in naps {
      let process = Int(String(decoding: try await nap.value, as: UTF8.self))
      #expect(!dead.contains(process ?? 0), "an executor that was killed has answered")
    }
    for id in dead { #expect(dev.isOver(Int32(id)), "an executor outlived its node's agent") }
    try await waits("the node's successor joins") {
      let executors = try await cloud.status().executors.filter { $0.id.hasPrefix("node1/") }
      return executors.count == 2 && executors.allSatisfy { !dead.contains($0.processID) }
        && executors.contains { $0.calls > 0 }
    }
    #expect(try dev.processID(of: "node1") != life)
    let report = await load.end()
    #expect(report.failures.isEmpty && report.retried == 0, "\(report)")
    let shared = try dev.sharedMemoryFolders().flatMap {
      try FileManager.default.contentsOfDirectory(atPath: "/dev/shm/\($0)")
    }
    #expect(shared.count == 2, "one cache a node: \(shared)")
    await cloud.close()
  }

  @Test func aKilledExecutorsCallRunsAgain() async throws {
    let dev = try LocalDev(executors: 1, nodes: 2, uploading: ["napping"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let nap = Task { try await cloud.call("nap") as [UInt8] }
    var victim: Int?
    try await waits("the call runs") {
      victim = try await cloud.status().executors.first { $0.function == "nap" }?.processID
      return victim != nil
    }
    kill(Int32(try #require(victim)), SIGKILL)
    let process = Int(String(decoding: try await nap.value, as: UTF8.self))
    #expect(process != victim)
    try await waits("the executor is replaced") {
      let executors = try await cloud.status().executors
      return executors.count == 2 && !executors.contains { $0.processID == victim }
    }
    await cloud.close()
  }
}

extension LocalDev {
  /// Kills a part as a crash would.
  func killPart(_ part: String) throws {
    let id = try #require(try processID(of: part))
    #expect(kill(id, SIGKILL) == 0)
  }

  /// Calls `square(ref:n)` until every executor gives this answer.
  func callEverywhere(_ cloud: CloudburstClient, expecting answer: Int) async throws {
    try await waits("every executor answers \(answer)") {
      let before = try await cloud.callsByExecutor()
      let answers = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<64 {
          group.addTask { try await cloud.call("square", CallArgument.reference("n")) }
        }
        return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
      }
      let after = try await cloud.callsByExecutor()
      return answers == [answer] && after.allSatisfy { $0.value > before[$0.key] ?? 0 }
    }
  }
}

extension CloudburstClient {
  fileprivate func callsByExecutor() async throws -> [String: UInt64] {
    try await status().executors.reduce(into: [:]) { $0[$1.id] = $1.calls }
  }
}
