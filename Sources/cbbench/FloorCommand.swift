import ArgumentParser
import CFloor

/// The floor's servers, as child processes of the benchmark.
struct FloorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "floor", abstract: "Run a server of the floor.", shouldDisplay: false)

  enum Role: String, ExpressibleByArgument, CaseIterable {
    case relay
    case worker
    case echo
  }

  @Argument var role: Role
  @Argument var endpoints: [String]

  func validate() throws {
    guard endpoints.count == (role == .relay ? 2 : 1) else {
      throw ValidationError("a relay takes two endpoints, the others one")
    }
  }

  func run() throws {
    let error =
      switch role {
      case .relay: floor_relay(endpoints[0], endpoints[1])
      case .worker: floor_worker(endpoints[0])
      case .echo: floor_echo(endpoints[0])
      }
    throw ValidationError("\(String(cString: floor_error())) failed: errno \(error)")
  }
}
