import ClusterModel
import Foundation
import LocalCluster
import Platform

/// A local cluster of this build, in memory, for one benchmark; it ends with the value.
struct BenchCluster: ~Copyable {
  let endpoint: String
  private let process: ChildProcess

  init(executors: Int) throws {
    let port = Machine.freePort
    endpoint = "tcp://127.0.0.1:\(port)"
    let environment = ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" }
    let output = try Platform.Pipe()
    var command = ChildProcess.Command(
      Machine.programFolder + "/cloudburstd",
      ["dev", "--port", "\(port)", "--memory", "--executors", "\(executors)"],
      environment: environment)
    command.output = output.rawWriter
    command.errors = 2
    let process = try ChildProcess(command)
    let reader = output.reader()
    guard ReadyLine.wait(on: reader, deadline: MonotonicClock.now + 20_000_000_000) == .found
    else { throw Failure(.unavailable, "the cluster to measure did not start") }
    self.process = process
  }

  /// Returns once the cluster has ended in order and left nothing behind.
  borrowing func stop() {
    guard let daemon = OtherProcess(id: process.id) else { return }
    daemon.signal(SIGTERM)
    _ = daemon.waitUntilEnded(deadline: MonotonicClock.now + 10_000_000_000)
  }
}
