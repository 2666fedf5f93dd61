import CloudburstClient
import Foundation
import Testing

/// The parts of a cluster as an operator starts them, in any order, and by mistake twice.
@Suite(.serialized, .timeLimit(.minutes(5))) struct PartsTests {
  @Test(arguments: [
    ["node0", "scheduler", "storage"], ["node0", "storage", "scheduler"],
    ["scheduler", "node0", "storage"], ["storage", "scheduler", "node0"],
  ])
  func partsStartInAnyOrder(_ order: [String]) async throws {
    let cluster = try HandMadeCluster()
    for name in order {
      // Each is there, and not only on its way, before the next one begins. A scheduler is ready
      // only with its store.
      let line = name == "scheduler" ? "bound" : "ready"
      #expect(try cluster.start(name).says(line), "\(name) does not say \(line)")
    }
    // Welcome before the scheduler has heard of the store: where it is comes later.
    let cloud = try await CloudburstClient.connect(to: cluster.endpoint)
    try await cloud.put("n", 3)
    #expect(cluster["scheduler"]?.says("ready") == true)
    _ = try await cloud.upload(path: Bundles.path(of: "arithmetic"))
    let nine: Int = try await cloud.call("square", CallArgument.reference("n"))
    #expect(nine == 9)
    await cloud.close()
  }

  @Test func theCallsOfANodeThatStaysDeadRunElsewhere() async throws {
    let cluster = try HandMadeCluster()
    for name in ["storage", "scheduler", "node0", "node1"] { try cluster.start(name) }
    #expect(cluster["scheduler"]?.says("ready") == true)
    let cloud = try await CloudburstClient.connect(to: cluster.endpoint)
    _ = try await cloud.upload(path: Bundles.path(of: "napping"))
    try await waits("both nodes are there") { try await cloud.status().executors.count == 2 }
    let naps = (0..<2).map { _ in Task { try await cloud.call("nap") as [UInt8] } }
    try await waits("both have a call") {
      try await cloud.status().executors.filter { $0.function == "nap" }.count == 2
    }
    cluster["node1"]?.kill(SIGKILL)
    for nap in naps { #expect(try await !nap.value.isEmpty) }
    let left = try await cloud.status().executors.map(\.id)
    #expect(left.count == 1 && left[0].hasPrefix("node0/"), "\(left)")
    try cluster.start("node1")
    try await waits("a new life joins") { try await cloud.status().executors.count == 2 }
    await cloud.close()
  }

  @Test func aSecondProcessOfANodesNameIsRefused() async throws {
    let dev = try LocalDev(executors: 1, nodes: 2, uploading: ["arithmetic"])
    let before = try dev.executorProcesses(of: "node0")
    let first = try #require(try dev.processID(of: "node0"))
    var command = try Daemon.commandLine(of: first)
    let folder = try #require(command.firstIndex(of: "--run-folder"))
    command[folder + 1] = dev.scratch.path + "/second"
    let second = try Daemon(command[0], Array(command.dropFirst()))
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let load = Load(cloud, callers: 2, writers: 0)
    #expect(second.exitCode() == 6)
    #expect(second.errors.contains("error: CONFLICT: "), "\(second.errors)")
    let report = await load.end()
    #expect(report.failures.isEmpty && report.retried == 0, "\(report)")
    #expect(try dev.processID(of: "node0") == first)
    #expect(try dev.executorProcesses(of: "node0") == before)
    await cloud.close()
  }

  @Test func aSecondProcessOfAnExecutorsIdIsRefused() async throws {
    let dev = try LocalDev(executors: 1, nodes: 2, uploading: ["arithmetic"])
    let before = try dev.executorProcesses(of: "node0")
    let command = try Daemon.commandLine(of: try #require(before.first))
    let second = try Daemon(command[0], Array(command.dropFirst()))
    #expect(second.exitCode() == 6)
    #expect(second.errors.contains("CONFLICT"), "\(second.errors)")
    #expect(try dev.executorProcesses(of: "node0") == before)
    #expect(try dev.cbctl("call", "square", "3").text == "9")
  }

  @Test(arguments: ["storage", "scheduler"])
  func aSecondProcessAtAnEndpointIsRefused(_ part: String) async throws {
    let cluster = try HandMadeCluster()
    for name in ["storage", "scheduler", "node0"] { try cluster.start(name) }
    let cloud = try await CloudburstClient.connect(to: cluster.endpoint)
    try await cloud.put("n", 3)
    let second = try Daemon(Workbench.programs + "/cloudburstd", cluster.arguments(of: part))
    #expect(second.exitCode() == 6)
    #expect(second.errors.contains("error: PORT_IN_USE: "), "\(second.errors)")
    #expect(try await cloud.get("n", as: Int.self) == 3)
    await cloud.close()
  }

  @Test func logsCarryTheirNode() throws {
    let dev = try LocalDev(executors: 1, nodes: 2)
    for node in ["node0", "node1"] {
      for id in try dev.executorProcesses(of: node) {
        kill(id, SIGKILL)
        #expect(dev.isOver(id))
      }
    }
    let deadline = Date(timeIntervalSinceNow: 20)
    var logs = ""
    repeat {
      logs = try dev.cbctl("logs").output
    } while !(logs.contains("node0/0") && logs.contains("node1/0")) && Date() < deadline
    #expect(logs.contains("node0/0") && logs.contains("node1/0"), "\(logs)")
  }
}

/// Asks again and again, for what nobody tells.
func waits(
  _ what: Comment, within limit: Duration = .seconds(20), until holds: () async throws -> Bool
) async throws {
  let clock = ContinuousClock()
  let deadline = clock.now + limit
  while try await !holds() {
    try #require(clock.now < deadline, what)
    await Task.yield()
  }
}
