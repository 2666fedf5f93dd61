import Foundation
import Testing

/// User code that crashes, leaves or never ends takes down its own executor and nothing else.
@Suite(.serialized, .timeLimit(.minutes(5))) struct MisbehaviourTests {
  @Test func aCrashIsExplainedWithItsBacktraceAndTheNextCallWorks() throws {
    let dev = try LocalDev(uploading: ["crashing"])
    let outcome = try dev.cbctl("call", "pick", "7", "-o", "json")
    #expect(outcome.status == 1, "\(outcome)")
    let object = try JSONSerialization.jsonObject(with: Data(outcome.errors.utf8)) as? [String: Any]
    let error = try #require(object?["error"] as? [String: Any])
    #expect(error["code"] as? String == "POISON")
    #expect(error["function"] as? String == "pick")
    #expect((error["version"] as? String)?.count == 12)
    #expect((error["message"] as? String)?.contains("SIGILL") == true)
    // The frame of the function itself, with its file and line.
    #expect((error["detail"] as? String)?.contains("crashing.swift:12") == true, "\(outcome)")
    #expect(try dev.cbctl("call", "pick", "1").text == "2")
  }

  @Test func anExitAndASegfaultAreToldApart() throws {
    let dev = try LocalDev(uploading: ["misbehaving"])
    let left = try dev.cbctl("call", "leave")
    #expect(left.errors.contains("exit(7)"), "\(left)")
    let crashed = try dev.cbctl("call", "segfault")
    #expect(crashed.errors.contains("SIGSEGV"), "\(crashed)")
    #expect(try dev.cbctl("call", "fine").text == "fine")
  }

  @Test func anEndlessLoopIsEndedAtItsDeadline() throws {
    let dev = try LocalDev(executors: 1, uploading: ["misbehaving"])
    let outcome = try dev.cbctl("call", "endless", "--timeout", "500ms")
    #expect(outcome.status == 5)
    #expect(outcome.errors.hasPrefix("error: DEADLINE_EXCEEDED: "), "\(outcome)")
    #expect(outcome.errors.contains("endless"))
    #expect(try dev.cbctl("call", "fine").text == "fine")
  }

  @Test func anExecutorKilledFromOutsideIsReplacedAndTheCallRetried() throws {
    let dev = try LocalDev(executors: 1, uploading: ["misbehaving"])
    let status = try dev.cbctl("status", "-o", "json")
    let object = try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any]
    let executors = try #require(object?["executors"] as? [[String: Any]])
    let id = try #require(executors.first?["processID"] as? Int)
    kill(Int32(id), SIGKILL)
    #expect(try dev.cbctl("call", "fine").text == "fine")
  }
}

/// Processes that die, and what is left of them.
@Suite(.serialized, .timeLimit(.minutes(5))) struct RestartTests {
  @Test func whatWasAcknowledgedAsDurableSurvivesAKill() throws {
    let dev = try LocalDev(durable: true, uploading: ["arithmetic", "visits"])
    #expect(try dev.cbctl("kv", "put", "n", "2", "--level", "durable").status == 0)
    #expect(try dev.cbctl("call", "visit", "\"home\"").text == "1")
    #expect(try dev.cbctl("dag", "put", "sqinc", "increment -> square").status == 0)
    try dev.killDaemon()
    try dev.start()
    #expect(try dev.cbctl("kv", "get", "n").text == "2")
    #expect(try dev.cbctl("call", "square", "ref:n").text == "4")
    #expect(try dev.cbctl("call", "visit", "\"home\"").text == "2")
    #expect(try dev.cbctl("dag", "call", "sqinc", "increment=4").text == "25")
  }

  @Test func memoryForgetsAtItsEnd() throws {
    let dev = try LocalDev()
    #expect(try dev.cbctl("kv", "put", "n", "2").status == 0)
    #expect(try dev.stop().status == 0)
    try dev.start()
    #expect(try dev.cbctl("kv", "get", "n").status == 3)
  }

  @Test func aValueIsAbsentAfterItsTime() throws {
    let dev = try LocalDev()
    #expect(try dev.cbctl("kv", "put", "n", "2", "--ttl", "700ms").status == 0)
    let watched = try dev.cbctl("kv", "watch", "n", "--count", "2", "--timeout", "5s")
    #expect(
      watched.text.split(separator: "\n").last?.contains("\"present\":false") == true, "\(watched)")
    #expect(try dev.cbctl("kv", "get", "n").status == 3)
  }

  @Test func twoClustersRunSideBySide() throws {
    let one = try LocalDev()
    let two = try LocalDev()
    #expect(try one.cbctl("kv", "put", "n", "1").status == 0)
    #expect(try two.cbctl("kv", "get", "n").status == 3)
  }

  @Test func aSecondClusterOnOnePortIsRefused() throws {
    let dev = try LocalDev()
    let outcome = try dev.cbctl("dev", "--detach", "--memory", "--port", "\(dev.port)")
    #expect(outcome.status == 6)
    #expect(outcome.errors.hasPrefix("error: PORT_IN_USE: "), "\(outcome)")
    #expect(try dev.cbctl("kv", "put", "n", "1").status == 0)
  }

  @Test func aStaleRunFileIsRecognised() throws {
    let dev = try LocalDev()
    try dev.killDaemon()
    #expect(try dev.cbctl("dev", "list").text.contains("stale"))
    #expect(try dev.stop().status == 3)
    try dev.start()
    #expect(try dev.cbctl("kv", "put", "n", "1").status == 0)
  }

  @Test func stoppingLeavesNothingBehind() throws {
    let dev = try LocalDev()
    #expect(try dev.cbctl("dev", "stop", "--all").status == 0)
    let left = try FileManager.default.contentsOfDirectory(
      atPath: dev.scratch.path + "/cloudburst-\(getuid())")
    #expect(left.isEmpty)
    let shared = try FileManager.default.contentsOfDirectory(atPath: "/dev/shm")
    #expect(!shared.contains { $0.hasPrefix("cloudburst-\(getuid())-\(dev.port)-") })
  }

  @Test func aDataFolderInUseIsRefused() throws {
    let dev = try LocalDev(durable: true)
    let outcome = try dev.cbctl(
      "dev", "--detach", "--data", dev.dataFolder, "--port", "\(Workbench.freePort())")
    #expect(outcome.status == 6)
    #expect(outcome.errors.hasPrefix("error: DATA_LOCKED: "), "\(outcome)")
  }
}
