import ClusterModel
import Platform

/// A ROUTER in plain libzmq that answers each message with itself: this program again, with a hidden
/// command, so that both sides of a pair start alike. It ends with the value.
struct EchoFloor: ~Copyable {
  let target: KeyLoad.Target
  private let process: ChildProcess

  init() throws {
    let endpoint = "tcp://127.0.0.1:\(try Machine.freePort())"
    process = try ChildProcess.lasting(
      .init(Machine.programFolder + "/cbbench", ["floor", "echo", endpoint]))
    target = KeyLoad.Target(endpoint: endpoint, isStore: false)
  }
}
