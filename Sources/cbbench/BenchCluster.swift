import ClusterModel
import Foundation
import LocalCluster
import Platform

/// A local cluster of this build for one benchmark; it ends with the value.
struct BenchCluster: ~Copyable {
  let endpoint: String
  private let process: ChildProcess

  /// - Parameter data: the folder that keeps the data; nil is in memory.
  init(executors: Int, data: String? = nil, options: [String] = []) throws {
    let place = data.map { ["--data", $0] } ?? ["--memory"]
    let arguments = ["--executors", "\(executors)"] + place + options
    // Another program may take the port between the look and the cluster's start.
    self = try Self.started(arguments, triesLeft: 3)
  }

  private init(endpoint: String, process: consuming ChildProcess) {
    self.endpoint = endpoint
    self.process = process
  }

  private static func started(_ arguments: [String], triesLeft: Int) throws -> BenchCluster {
    let port = try Machine.freePort()
    let environment = ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" }
    let output = try Platform.Pipe()
    var command = ChildProcess.Command(
      Machine.programFolder + "/cloudburstd", ["dev", "--port", "\(port)"] + arguments,
      environment: environment)
    command.output = output.rawWriter
    command.errors = 2
    let process = try ChildProcess.lasting(command)
    let reader = output.reader()
    guard ReadyLine.wait(on: reader, deadline: MonotonicClock.now + 20_000_000_000) == .found
    else {
      guard triesLeft > 1 else {
        throw Failure(.unavailable, "the cluster to measure did not start")
      }
      return try started(arguments, triesLeft: triesLeft - 1)
    }
    return BenchCluster(endpoint: "tcp://127.0.0.1:\(port)", process: process)
  }

  /// The daemon and all that it has started, now.
  var processes: [Int32] { ProcessFacts.tree(of: process.id) }

  var executors: [Int32] {
    processes.filter { ProcessFacts.program($0).hasSuffix("/cloudburst-executor") }
  }

  /// Returns once the cluster has ended in order and left nothing behind.
  borrowing func stop() {
    guard let daemon = OtherProcess(id: process.id) else { return }
    daemon.signal(SIGTERM)
    _ = daemon.waitUntilEnded(deadline: MonotonicClock.now + 10_000_000_000)
  }
}
