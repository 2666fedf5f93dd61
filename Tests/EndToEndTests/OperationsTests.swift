import Foundation
import Testing

/// What an operator asks: is it available, what can it lose, what is it doing, what lacks.
@Suite(.serialized, .timeLimit(.minutes(5))) struct StatusTests {
  private func status(_ dev: LocalDev) throws -> [String: Any] {
    let outcome = try dev.cbctl("status", "-o", "json")
    try #require(outcome.status == 0, "\(outcome)")
    return try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  @Test func itSaysWhatTheClusterCanLose() throws {
    let memory = try LocalDev(executors: 3)
    let forgetful = try #require(try status(memory)["redundancy"] as? [String: Any])
    #expect(forgetful["executorsThatMayFail"] as? Int == 2)
    #expect(forgetful["durable"] as? Bool == false)
    #expect(try memory.cbctl("status").text.contains("2 of 3 executors"))
    let kept = try LocalDev(durable: true, executors: 1)
    let durable = try #require(try status(kept)["redundancy"] as? [String: Any])
    #expect(durable["executorsThatMayFail"] as? Int == 0)
    #expect(durable["durable"] as? Bool == true)
    #expect(try kept.cbctl("status").text.contains("a restart of everything"))
  }

  @Test func itShowsWhichFunctionRunsWhereAndSinceWhen() async throws {
    let dev = try LocalDev(executors: 2, uploading: ["misbehaving"])
    let call = try dev.launch("call", "endless", "--timeout", "60s")
    var busy: [String: Any]?
    while busy == nil {
      let executors = try #require(try status(dev)["executors"] as? [[String: Any]])
      busy = executors.first { ($0["runningMilliseconds"] as? Int ?? 0) > 0 }
    }
    #expect(busy?["function"] as? String == "endless")
    #expect(busy?["node"] as? String == "node0")
    let rows = try dev.cbctl("status").text.split(separator: "\n").filter { $0.contains("pid") }
    // The node's line is first, then the busy executor.
    #expect(rows.dropFirst().first?.contains("endless for") == true, "\(rows)")
    _ = call.end(by: SIGKILL)
  }

  @Test func itCountsCallsAndRestarts() throws {
    let dev = try LocalDev(uploading: ["crashing"])
    for _ in 0..<3 { #expect(try dev.cbctl("call", "pick", "1").status == 0) }
    #expect(try dev.cbctl("call", "pick", "7").status == 1)
    let status = try status(dev)
    let calls = try #require(status["calls"] as? [String: Any])
    #expect(calls["done"] as? Int == 3)
    #expect(calls["failed"] as? Int == 1)
    #expect((calls["perSecond"] as? Double ?? 0) > 0)
    #expect((status["executorRestarts"] as? Int ?? 0) > 0)
    #expect((status["troubles"] as? [Any])?.isEmpty == true)
  }
}

@Suite(.serialized, .timeLimit(.minutes(5))) struct StatusOfNodesTests {
  @Test func executorsAreGroupedByTheirNode() throws {
    let dev = try LocalDev(executors: 2, nodes: 2)
    let lines = try dev.cbctl("status").text.split(separator: "\n").map(String.init)
    for node in ["node0", "node1"] {
      let head = try #require(lines.firstIndex { $0.hasPrefix(node + "  2 executors") }, "\(lines)")
      #expect(lines[head + 2].hasPrefix("  \(node)/0"), "\(lines)")
      #expect(lines[head + 3].hasPrefix("  \(node)/1"), "\(lines)")
    }
    #expect(lines.contains { $0.hasPrefix("survives") && $0.contains("1 of 2 nodes") }, "\(lines)")
  }

  @Test func aStoppedStoreIsTheFirstThingShown() throws {
    let dev = try LocalDev(nodes: 2)
    let id = try #require(try dev.processID(of: "storage0"))
    kill(id, SIGSTOP)
    defer { kill(id, SIGCONT) }
    let outcome = try dev.cbctl("status")
    #expect(outcome.output.hasPrefix("error  storage: "), "\(outcome)")
    #expect(outcome.output.contains("try: "), "\(outcome)")
  }

  @Test func theLogsOfAllNodesAreFollowedTogether() throws {
    let dev = try LocalDev(executors: 1, nodes: 2, uploading: ["crashing"])
    let log = try dev.launch("logs", "-f", "--function", "chat")
    let chats = try (0..<8).map { try dev.launch("call", "chat", "\"\($0)\"") }
    for number in 0..<8 {
      #expect(log.prints("chat says \(number)"), "\(log.text)")
    }
    _ = chats
    for number in 0..<8 {
      #expect(log.text.components(separatedBy: "chat says \(number)").count == 2, "\(log.text)")
    }
    #expect(log.end(by: SIGINT) == 0)
  }
}

@Suite(.serialized, .timeLimit(.minutes(5))) struct FollowTests {
  @Test func linesComeAsTheyAreWrittenAndAnInterruptEndsCleanly() throws {
    let dev = try LocalDev(uploading: ["crashing"])
    #expect(try dev.cbctl("call", "chat", "\"before\"").status == 0)
    let log = try dev.launch("logs", "-f")
    #expect(log.prints("chat says before"))
    #expect(try dev.cbctl("call", "chat", "\"after\"").status == 0)
    #expect(log.prints("chat says after"), "\(log.text)")
    #expect(log.text.components(separatedBy: "chat says before").count == 2, "\(log.text)")
    #expect(log.end(by: SIGINT) == 0)
  }

  @Test func filtersHoldWhileFollowing() throws {
    let dev = try LocalDev(uploading: ["crashing"])
    let log = try dev.launch("logs", "-f", "--function", "chat", "-o", "json")
    for word in ["one", "two"] {
      #expect(try dev.cbctl("call", "chat", "\"\(word)\"").status == 0)
      #expect(log.prints("chat says \(word)"), "\(log.text)")
    }
    #expect(!log.text.contains("printed"))
    for line in log.text.split(separator: "\n") {
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      #expect(object?["function"] as? String == "chat")
      #expect((object?["requestID"] as? String)?.count == 32)
      #expect((object?["source"] as? String)?.hasPrefix("node0/") == true)
    }
    _ = log.end(by: SIGINT)
  }

  @Test func followingGoesOnAfterARestartOfTheCluster() throws {
    let dev = try LocalDev(durable: true, uploading: ["crashing"])
    #expect(try dev.cbctl("call", "chat", "\"before\"").status == 0)
    let log = try dev.launch("logs", "-f")
    #expect(log.prints("chat says before"))
    try dev.killDaemon()
    try dev.start()
    #expect(try dev.cbctl("call", "chat", "\"after\"").status == 0)
    #expect(log.prints("chat says after"), "\(log.text)")
    _ = log.end(by: SIGINT)
  }
}

@Suite(.serialized, .timeLimit(.minutes(5))) struct DoctorTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func doctor(_ arguments: [String], _ environment: [String: String] = [:]) throws -> (
    outcome: Outcome, checks: [String: [String: Any]]
  ) {
    let outcome = try run(
      Workbench.programs + "/cbctl", ["doctor", "-o", "json"] + arguments, in: scratch.path,
      environment: ["TMPDIR": scratch.path].merging(environment) { $1 })
    let object =
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    let list = try #require(object?["checks"] as? [[String: Any]], "\(outcome)")
    let pairs = list.map { ($0["name"] as? String ?? "", $0) }
    return (outcome, Dictionary(pairs) { first, _ in first })
  }

  @Test func aMachineThatRunsTheTestsLacksNothing() throws {
    let (outcome, checks) = try doctor(["--port", "\(Workbench.freePort())"])
    #expect(outcome.status == 0, "\(outcome)")
    #expect(!checks.values.contains { $0["state"] as? String == "missing" }, "\(outcome)")
    for name in ["programs", "libraries", "swift", "shared memory", "kernel", "port"] {
      #expect(checks[name]?["state"] as? String == "ok", "\(name): \(outcome)")
    }
  }

  @Test func aPortInUseIsMissing() throws {
    let dev = try LocalDev()
    // Another user's view: the run folder of this cluster is not looked at.
    let (outcome, checks) = try doctor(["--port", "\(dev.port)"])
    #expect(outcome.status == 5)
    #expect(checks["port"]?["state"] as? String == "missing", "\(outcome)")
    #expect((checks["port"]?["hint"] as? String)?.contains("--port") == true)
  }

  @Test func aDataFolderInUseNamesItsProcess() throws {
    let dev = try LocalDev(durable: true)
    let (outcome, checks) = try doctor([
      "--port", "\(Workbench.freePort())", "--data", dev.dataFolder,
    ])
    #expect(outcome.status == 5)
    let id = try dev.processID()
    #expect((checks["data folder"]?["found"] as? String)?.contains("\(id)") == true, "\(outcome)")
  }

  @Test func sharedMemoryThatIsNotThereIsMissing() throws {
    let (outcome, checks) = try doctor(
      ["--port", "\(Workbench.freePort())"], ["CLOUDBURST_SHM": "/no/such/folder"])
    #expect(outcome.status == 5)
    #expect(checks["shared memory"]?["state"] as? String == "missing", "\(outcome)")
  }

  @Test func cbctlAloneSaysThatItsSiblingsAreMissing() throws {
    let copy = scratch.path + "/cbctl"
    try FileManager.default.copyItem(atPath: Workbench.programs + "/cbctl", toPath: copy)
    let outcome = try run(
      copy, ["doctor", "--port", "\(Workbench.freePort())"], in: scratch.path,
      environment: ["TMPDIR": scratch.path])
    #expect(outcome.status == 5)
    #expect(outcome.output.hasPrefix("missing  programs"), "\(outcome)")
    #expect(outcome.output.contains("cloudburstd"))
  }
}
