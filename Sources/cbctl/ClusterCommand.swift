import ArgumentParser
import CloudburstClient
import ClusterModel
import Glibc

/// The options of every command that talks to a cluster.
struct ClusterOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The cluster to talk to. Default: $CLOUDBURST_ENDPOINT, or tcp://127.0.0.1:7700.",
      valueName: "endpoint"))
  var endpoint: String?

  @Option(name: [.customShort("o"), .long], help: "How to print: text or json.")
  var output: OutputFormat = .text

  @Option(help: "How long to wait in all, such as 500ms, 30s or 2m.")
  var timeout: TimeLimit?

  var resolvedEndpoint: String {
    if let endpoint { return endpoint }
    let environment = getenv("CLOUDBURST_ENDPOINT").map { String(cString: $0) } ?? ""
    return environment.isEmpty ? CloudburstClient.defaultEndpoint : environment
  }

  /// - Parameter longRunning: `--timeout` then ends the command, not its single requests.
  func connect(longRunning: Bool = false) async throws -> CloudburstClient {
    var configuration = ClientConfiguration()
    configuration.name = "cbctl"
    if let limit = timeout?.duration {
      configuration.connectTimeLimit = min(limit, configuration.connectTimeLimit)
    }
    if let limit = timeout?.duration, !longRunning {
      configuration.callTimeLimit = limit
      configuration.requestTimeLimit = limit
    }
    return try await CloudburstClient.connect(
      to: resolvedEndpoint, configuration: configuration)
  }
}

/// `500ms`, `30s`, `2m`, or seconds without a unit.
struct TimeLimit: ExpressibleByArgument {
  let duration: Duration

  init?(argument: String) {
    let digits = argument.prefix { $0.isNumber || $0 == "." }
    guard let number = Double(digits), number > 0, number.isFinite else { return nil }
    let seconds: Double? =
      switch argument.dropFirst(digits.count) {
      case "ms": number / 1000
      case "s", "": number
      case "m": number * 60
      case "h": number * 3600
      default: nil
      }
    guard let seconds, seconds >= 0.001, seconds <= 86_400 * 365 else { return nil }
    duration = .seconds(seconds)
  }
}

/// A command that asks a cluster; it returns what to print.
protocol ClusterCommand: AsyncParsableCommand {
  var cluster: ClusterOptions { get }
  /// What can be said to be wrong without asking anybody.
  func check() throws
  func run(on cloud: CloudburstClient) async throws -> Output
}

extension ClusterCommand {
  func check() throws {}

  func runPrinting() async throws {
    let output = try await failing {
      try check()
      let cloud = try await cluster.connect()
      let output = try await run(on: cloud)
      await cloud.close()
      return output
    }
    output.write(cluster.output)
  }

  mutating func run() async throws { try await runPrinting() }
}

/// The options of commands that need no cluster: the same words are taken everywhere.
struct LocalOptions: ParsableArguments {
  @Option(name: [.customShort("o"), .long], help: "How to print: text or json.")
  var output: OutputFormat = .text

  @Option(help: "How long it may take, where it waits for anything, such as 500ms or 30s.")
  var timeout: TimeLimit?
}

/// A command that needs no cluster.
protocol LocalCommand: AsyncParsableCommand {
  var format: OutputFormat { get }
  func runLocally() async throws -> Output
}

extension LocalCommand {
  mutating func run() async throws { try await failing(runLocally).write(format) }
}
