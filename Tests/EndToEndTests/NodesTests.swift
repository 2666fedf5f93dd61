import CloudburstClient
import Foundation
import Testing

/// Clusters whose parts are processes of their own.
@Suite(.serialized, .timeLimit(.minutes(5))) struct NodesTests {
  @Test func everyPartIsAProcessAndBothNodesTakeCalls() async throws {
    let dev = try LocalDev(executors: 1, nodes: 2, uploading: ["arithmetic"])
    let ids = try ["storage0", "scheduler", "node0", "node1"].map { try dev.processID(of: $0) }
    #expect(Set(ids.compactMap(\.self)).count == 4, "\(ids)")
    let status = try dev.cbctl("status", "-o", "json")
    for id in ids.compactMap(\.self) { #expect(status.output.contains("\"processID\":\(id)")) }
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await cloud.put("n", 3)
    try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<200 {
        group.addTask { try await cloud.call("square", CallArgument.reference("n")) }
      }
      for try await squared in group { #expect(squared == 9) }
    }
    let calls = try await cloud.status().executors.map(\.calls)
    #expect(calls.count == 2 && calls.allSatisfy { $0 > 0 }, "\(calls)")
    await cloud.close()
  }

  @Test func theEndLeavesNeitherProcessesNorFiles() throws {
    let dev = try LocalDev(nodes: 2)
    let parts = try ["storage0", "scheduler", "node0", "node1"].compactMap {
      try dev.processID(of: $0)
    }
    let executors = try dev.executorProcesses(of: "node0") + dev.executorProcesses(of: "node1")
    #expect(try dev.stop().status == 0)
    #expect((parts + executors).allSatisfy { kill($0, 0) != 0 }, "\(parts) \(executors)")
    #expect(try dev.leftovers().isEmpty)
  }

  @Test func everythingDiesWithTheDevProcessAndTheNextStartCleansUp() throws {
    let dev = try LocalDev(nodes: 2)
    let parts = try ["storage0", "scheduler", "node0", "node1"].compactMap {
      try dev.processID(of: $0)
    }
    let executors = try dev.executorProcesses(of: "node0") + dev.executorProcesses(of: "node1")
    try dev.killDaemon()
    for id in parts + executors { #expect(dev.isOver(id), "\(id)") }
    try dev.start()
    #expect(try dev.cbctl("kv", "put", "n", "1").status == 0)
    #expect(try dev.sharedMemoryFolders().count == 1)
    #expect(try dev.stop().status == 0)
    #expect(try dev.leftovers().isEmpty)
  }

  @Test func aStartThatFailsSaysWhyAndLeavesNothing() throws {
    let dev = try LocalDev(durable: true, nodes: 2)
    let port = Workbench.freePort()
    let outcome = try dev.cbctl(
      "dev", "--detach", "--nodes", "2", "--data", dev.dataFolder, "--port", "\(port)")
    #expect(outcome.status == 6)
    #expect(outcome.errors.hasPrefix("error: DATA_LOCKED: "), "\(outcome)")
    let taken = try dev.cbctl("dev", "--detach", "--nodes", "2", "--port", "\(dev.port)")
    #expect(taken.errors.hasPrefix("error: PORT_IN_USE: "), "\(taken)")
    #expect(try dev.stop().status == 0)
    #expect(try dev.leftovers().isEmpty)
  }
}

extension LocalDev {
  /// Names in shared memory that belong to a cluster at this port.
  func sharedMemoryFolders() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/dev/shm")
      .filter { $0.hasPrefix("cloudburst-\(getuid())-\(port)-") }
  }

  /// What clusters that are over have left.
  func leftovers() throws -> [String] {
    let runFolders = try FileManager.default.contentsOfDirectory(
      atPath: "\(scratch.path)/cloudburst-\(getuid())")
    return try runFolders + sharedMemoryFolders()
  }

  /// Waits for the end of a process that is not ours, which may still be a zombie.
  func isOver(_ id: Int32, within limit: TimeInterval = 10) -> Bool {
    let deadline = Date(timeIntervalSinceNow: limit)
    while Date() < deadline {
      guard let facts = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8) else {
        return true
      }
      if facts.split(separator: ")").last?.hasPrefix(" Z") == true { return true }
      sched_yield()
    }
    return false
  }
}
