import ArgumentParser
import ClusterModel
import Glibc

/// The command line. Commands return what to print; only this file prints and exits.
@main
struct CBCtl: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cbctl",
    abstract: "Run, fill and ask a Cloudburst cluster.",
    discussion: """
      A first session:
        cbctl dev --detach
        cbctl new hello && cbctl upload hello
        cbctl call hello '"Ann"'
        cbctl dev stop

      Exit codes: 0 ok, 1 the user's function failed, 2 usage, 3 not found, 4 not allowed,
      5 unavailable or timed out, 6 conflict. Data goes to standard output, talk to standard error.
      """,
    version: PlatformVersion.text,
    subcommands: [
      Dev.self, New.self, Upload.self, Functions.self, Call.self, ResultCommand.self, KV.self,
      DAGs.self, Status.self, Storage.self, Logs.self, Doctor.self, Completions.self,
    ])

  static func main() async {
    signal(SIGPIPE, SIG_IGN)
    let words = Array(CommandLine.arguments.dropFirst())
    let wantsJSON = OutputFormat.isJSON(in: words)
    do {
      let command = try parseAsRoot(words)
      Glibc.exit(try await run(command))
    } catch let error as Failure {
      Glibc.exit(report(error, asJSON: wantsJSON))
    } catch {
      Glibc.exit(reportParsing(error, asJSON: wantsJSON))
    }
  }

  /// - Returns: the exit code.
  private static func run(_ command: ParsableCommand) async throws -> Int32 {
    switch command {
    case let command as any ClusterCommand: try await command.runPrinting()
    case let command as any LocalCommand:
      let output = try await command.runLocally()
      output.write(command.format)
      return output.exitCode
    case var command as any AsyncParsableCommand: try await command.run()
    default:
      var command = command
      try command.run()
    }
    return 0
  }

  private static func report(_ failure: Failure, asJSON: Bool) -> Int32 {
    StandardError.write(asJSON ? failure.json : failure.text)
    return failure.code.exitCode
  }

  /// Help and version requests also come as errors from the parser.
  private static func reportParsing(_ error: any Error, asJSON: Bool) -> Int32 {
    let text = fullMessage(for: error)
    guard exitCode(for: error) != .success else {
      StandardOutput.write(text + "\n")
      return 0
    }
    guard asJSON else {
      StandardError.write(text + "\n")
      return ErrorCode.usage.exitCode
    }
    return report(Failure(.usage, message(for: error)), asJSON: true)
  }
}
