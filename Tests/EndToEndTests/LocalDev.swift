import Foundation
import Testing

/// A local cluster as a user starts it, with a `TMPDIR` and a working folder of its own.
final class LocalDev: Sendable {
  let port: UInt16
  let scratch: Scratch
  private let options: [String]

  var endpoint: String { "tcp://127.0.0.1:\(port)" }
  var dataFolder: String { scratch.path + "/data" }

  /// - Parameters:
  ///   - durable: keeps data in a folder that outlives restarts.
  ///   - executors: on each node.
  ///   - nodes: from two on, storage, scheduler and each node are processes of their own.
  init(
    durable: Bool = false, executors: Int = 2, nodes: Int = 1, uploading bundles: [String] = []
  ) throws {
    scratch = try Scratch()
    port = Workbench.freePort()
    options =
      ["--port", "\(port)", "--executors", "\(executors)", "--nodes", "\(nodes)"]
      + (durable ? ["--data", scratch.path + "/data"] : ["--memory"])
    try start()
    for bundle in bundles { try upload(bundle) }
  }

  deinit { _ = try? stop() }

  func start() throws {
    let outcome = try cbctl(["dev", "--detach"] + options)
    try #require(outcome.status == 0, "\(outcome)")
  }

  @discardableResult func stop() throws -> Outcome { try cbctl("dev", "stop") }

  /// The daemon's process id, from the run file.
  func processID() throws -> Int32 {
    try #require((runFile()["processID"] as? NSNumber)?.int32Value)
  }

  /// The process id of `storage`, `scheduler` or a node (`node0`) of a cluster of several nodes;
  /// nil while it is down.
  func processID(of part: String) throws -> Int32? {
    let parts = try #require(try runFile()["parts"] as? [[String: Any]])
    let found = try #require(parts.first { $0["name"] as? String == part })
    let id = try #require((found["processID"] as? NSNumber)?.int32Value)
    return id == 0 ? nil : id
  }

  /// Executors that the cluster knows, by node: their process ids.
  func executorProcesses(of node: String) throws -> [Int32] {
    let status = try cbctl("status", "-o", "json")
    let object = try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any]
    let executors = try #require(object?["executors"] as? [[String: Any]], "\(status)")
    return executors.filter { ($0["id"] as? String)?.hasPrefix(node + "/") == true }
      .compactMap { ($0["processID"] as? NSNumber)?.int32Value }
  }

  private func runFile() throws -> [String: Any] {
    let path = "\(scratch.path)/cloudburst-\(getuid())/\(port)/run.json"
    let object = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: path)))
    return try #require(object as? [String: Any])
  }

  /// Kills the daemon as a crash would, and waits for its end.
  func killDaemon() throws {
    let id = try processID()
    kill(id, SIGKILL)
    while kill(id, 0) == 0 { sched_yield() }
  }

  func upload(_ bundle: String) throws {
    let outcome = try cbctl("upload", try Bundles.path(of: bundle))
    try #require(outcome.status == 0, "\(outcome)")
  }

  func cbctl(_ arguments: String...) throws -> Outcome { try cbctl(arguments) }

  func cbctl(_ arguments: [String], input: Data? = nil) throws -> Outcome {
    try run(
      Workbench.programs + "/cbctl", arguments, in: scratch.path,
      environment: ["TMPDIR": scratch.path, "CLOUDBURST_ENDPOINT": endpoint], input: input)
  }

  /// A command that goes on while the test does.
  func launch(_ arguments: String...) throws -> LiveProcess {
    try LiveProcess(
      Workbench.programs + "/cbctl", arguments,
      environment: ["TMPDIR": scratch.path, "CLOUDBURST_ENDPOINT": endpoint])
  }
}
