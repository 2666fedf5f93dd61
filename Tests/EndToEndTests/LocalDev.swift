import Foundation
import Testing

/// A local cluster as a user starts it, with a `TMPDIR` and a working folder of its own.
final class LocalDev: Sendable {
  let port: UInt16
  let scratch: Scratch
  private let options: [String]
  private let environment: [String: String]
  private let descriptors: Int?

  var endpoint: String { "tcp://127.0.0.1:\(port)" }
  let dataFolder: String

  /// - Parameters:
  ///   - durable: keeps data in a folder that outlives restarts.
  ///   - executors: on each node.
  ///   - nodes: from two on, storage, scheduler and each node are processes of their own.
  ///   - data: instead of a folder that goes with this value.
  ///   - descriptors: that the daemon may open.
  ///   - options: further ones of `cbctl dev`.
  init(
    durable: Bool = false, executors: Int = 2, nodes: Int = 1, uploading bundles: [String] = [],
    data: String? = nil, environment: [String: String] = [:], descriptors: Int? = nil,
    options more: [String] = []
  ) throws {
    scratch = try Scratch()
    dataFolder = data ?? scratch.path + "/data"
    self.environment = environment
    self.descriptors = descriptors
    port = Workbench.freePort()
    options =
      ["--port", "\(port)", "--executors", "\(executors)", "--nodes", "\(nodes)"]
      + (durable ? ["--data", dataFolder] : ["--memory"]) + more
    try start()
    for bundle in bundles { try upload(bundle) }
  }

  deinit { _ = try? stop() }

  func start() throws {
    let outcome = try tryToStart()
    try #require(outcome.status == 0, "\(outcome)")
  }

  func tryToStart() throws -> Outcome {
    let arguments = ["dev", "--detach"] + options
    guard let descriptors else { return try cbctl(arguments) }
    return try run(
      "/bin/sh",
      ["-c", "ulimit -n \(descriptors); exec \"$0\" \"$@\"", Workbench.programs + "/cbctl"]
        + arguments, in: scratch.path, environment: variables)
  }

  private var variables: [String: String] {
    environment.merging(["TMPDIR": scratch.path, "CLOUDBURST_ENDPOINT": endpoint]) { $1 }
  }

  /// What the daemon has written so far.
  func daemonLog() throws -> String {
    try String(
      contentsOfFile: "\(scratch.path)/cloudburst-\(getuid())/\(port)/cloudburstd.log",
      encoding: .utf8)
  }

  @discardableResult func stop() throws -> Outcome { try cbctl("dev", "stop") }

  /// The daemon's process id, from the run file.
  func processID() throws -> Int32 {
    try #require((runFile()["processID"] as? NSNumber)?.int32Value)
  }

  /// The process id of `scheduler`, `storage0` or a node (`node0`) of a cluster of several nodes;
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
      Workbench.programs + "/cbctl", arguments, in: scratch.path, environment: variables,
      input: input)
  }

  /// A command that goes on while the test does.
  func launch(_ arguments: String...) throws -> LiveProcess {
    try LiveProcess(
      Workbench.programs + "/cbctl", arguments,
      environment: variables)
  }
}
