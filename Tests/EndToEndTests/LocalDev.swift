import Foundation
import Testing

/// A local cluster as a user starts it, with a `TMPDIR` and a working folder of its own.
final class LocalDev: Sendable {
  let port: UInt16
  let scratch: Scratch
  private let options: [String]

  var endpoint: String { "tcp://127.0.0.1:\(port)" }
  var dataFolder: String { scratch.path + "/data" }

  /// - Parameter durable: keeps data in a folder that outlives restarts.
  init(durable: Bool = false, executors: Int = 2, uploading bundles: [String] = []) throws {
    scratch = try Scratch()
    port = Workbench.freePort()
    options =
      ["--port", "\(port)", "--executors", "\(executors)"]
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
    let path = "\(scratch.path)/cloudburst-\(getuid())/\(port)/run.json"
    let file =
      try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(filePath: path))) as? [String: Any]
    return try #require((file?["processID"] as? NSNumber)?.int32Value)
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
}
