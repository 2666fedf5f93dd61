import CloudburstClient
import ClusterModel
import Foundation
import Platform

/// A local cluster of this build, in memory, for one benchmark; it ends with the value.
struct BenchCluster: ~Copyable {
  let endpoint: String
  private let process: ChildProcess

  init(executors: Int) throws {
    let port = Machine.freePort
    endpoint = "tcp://127.0.0.1:\(port)"
    let environment = ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" }
    process = try ChildProcess(
      .init(
        Machine.programFolder + "/cloudburstd",
        ["dev", "--port", "\(port)", "--memory", "--executors", "\(executors)"],
        environment: environment))
  }

  borrowing func stop() {
    process.signal(SIGTERM)
  }
}
