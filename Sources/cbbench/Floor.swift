import CFloor
import ClusterModel
import Glibc
import Platform

/// The floor's processes: this program again, with a hidden command, so that both sides of a pair
/// start alike. They end with the value.
struct RelayFloor: ~Copyable {
  let endpoint: String
  private let relay: ChildProcess
  private let worker: ChildProcess

  init(folder: String) throws {
    let program = Machine.programFolder + "/cbbench"
    let back = "ipc://\(folder)/floor.ipc"
    let front = "tcp://127.0.0.1:\(try Machine.freePort())"
    let relay = try ChildProcess.lasting(.init(program, ["floor", "relay", front, back]))
    let worker = try ChildProcess.lasting(.init(program, ["floor", "worker", back]))
    endpoint = front
    self.relay = relay
    self.worker = worker
  }

  func latencies(size: Int, calls: Int) throws -> Latencies {
    var nanoseconds = [UInt64](repeating: 0, count: calls)
    var elapsed: UInt64 = 0
    try check(floor_client(endpoint, size, 1, calls, &nanoseconds, &elapsed, 10_000))
    return Latencies(nanoseconds)
  }

  /// Calls per second with `window` in flight.
  func throughput(size: Int, window: Int, calls: Int) throws -> Double {
    var elapsed: UInt64 = 0
    try check(floor_client(endpoint, size, window, calls, nil, &elapsed, 10_000))
    return Double(calls) * 1e9 / Double(elapsed)
  }

  private func check(_ error: Int32) throws {
    guard error != 0 else { return }
    throw Failure(
      .unavailable, "the floor failed: \(String(cString: floor_error())), errno \(error)")
  }
}
