import ClusterModel
import Foundation
import Platform
import Testing
import WireProtocol

@testable import ExecutorRuntime

@Suite struct ExecutorProgramTests {
  @Test func theSupervisorsCommandLineIsUnderstood() throws {
    let command = try ExecutorCommand(arguments: [
      "--node", "node0", "--number", "3", "--incarnation", "zz", "--agent", "10",
      "--cluster", "ff",
      "--scheduler", "ipc:///s", "--cache", "ipc:///c", "--supervisor", "ipc:///v",
      "--slots", "/t",
    ])
    var expected = ExecutorConfiguration(
      identity: ExecutorID(
        node: NodeID("node0"), number: 3, incarnation: Incarnation(35 * 36 + 35)),
      cluster: ClusterID(255), scheduler: "ipc:///s", cache: "ipc:///c", supervisor: "ipc:///v",
      slots: "/t")
    expected.agent = Incarnation(36)
    #expect(command == .run(expected))
  }

  @Test(arguments: [
    (["--probe"], "--probe needs a value"),
    (["run"], "'run' is no option"),
    (["--probe", "x", "--probe", "y"], "--probe is given twice"),
    (["--probe", "x", "--colour", "y"], "--colour is no option here"),
    (["--node", "n", "--number", "x"], "--number x is no number to base 10"),
    ([], "--node is missing"),
  ])
  func wrongCommandLinesSayWhatIsWrong(arguments: [String], message: String) {
    #expect(throws: Failure(.usage, message, hint: "cloudburst-executor --help")) {
      try ExecutorCommand(arguments: arguments)
    }
  }

  @Test func aProbeDescribesTheBundle() throws {
    let record = try probe(TestBundle.path)
    #expect(record.failure == nil)
    #expect(record.name == "test")
    #expect(record.functions.map(\.name).contains("echo"))
    let later = record.functions.first { $0.name == "later" }
    #expect(later?.isAsync == true)
    #expect(later?.parameterCount == 1)
  }

  @Test func aProbeOfAnotherFileSaysWhyItIsRefused() throws {
    let failure = try probe(#filePath).failure
    #expect(failure?.code == .bundleInvalid)
  }

  /// Runs the program as a supervisor would.
  private func probe(_ path: String) throws -> BundleRecord {
    let program = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent().appending(path: "cloudburst-executor")
    let answer = "/tmp/cb-answer-\(getpid())-\(String(RandomBytes.word(), radix: 36))"
    defer { try? FileManager.default.removeItem(atPath: answer) }
    var child = try ChildProcess(
      ChildProcess.Command(program.path, ["--probe", path, "--answer", answer]))
    #expect(try child.waitUntilEnded() == .exited(0))
    return try BundleRecord.decode(try Files.contents(of: answer)[...])
  }
}
