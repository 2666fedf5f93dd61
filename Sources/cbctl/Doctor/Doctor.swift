import ArgumentParser
import CloudburstValues
import ClusterModel

struct Doctor: LocalCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what this machine lacks to run a cluster and to build functions.",
    discussion: """
      Asks no cluster and changes nothing. Ends with 5 when something that is needed is missing;
      warnings only say what would be better.

      Examples:
        cbctl doctor
        cbctl doctor --port 7800 --data /var/lib/mine -o json
      """)

  @Option(help: "The port that a cluster is to listen on.") var port: UInt16 = 7700
  @Option(help: "The folder that is to keep the data.") var data = ".cloudburst"
  @OptionGroup var local: LocalOptions

  var format: OutputFormat { local.output }

  func runLocally() async throws -> Output {
    let checks =
      [Programs.siblings()] + Programs.libraries() + [Programs.headers(), Programs.toolchain()]
      + [
        Machine.sharedMemory(), Machine.descriptors(), Machine.kernel(), Machine.clock(),
        Machine.runFolder(port: port), Machine.data(data, port: port), Machine.port(port),
      ]
    let isReady = !checks.contains { $0.state == .missing }
    var output = Output(
      json: .map([
        "schema": .integer(1), "ready": .bool(isReady), "version": .string(PlatformVersion.text),
        "checks": .array(checks.map(\.json)),
      ]), text: checks.map(\.text).joined(separator: "\n"))
    if !isReady { output.exitCode = ErrorCode.unavailable.exitCode }
    output.notes =
      isReady ? [] : ["something that is needed is missing: see the lines that begin with missing"]
    return output
  }
}

/// One thing looked at.
struct Check {
  enum State: String {
    case ok
    /// It works, but not as well as it could.
    case warning
    /// Without it no cluster starts.
    case missing
  }

  let name: String
  var state: State
  /// What was found, and where it matters what was expected.
  var found: String
  /// How to get what lacks.
  var hint = ""

  var text: String {
    let words = [state.rawValue, name].map { word in
      word + String(repeating: " ", count: max(0, 14 - word.count))
    }
    let line = words[0].prefix(9) + words[1] + found
    return hint.isEmpty
      ? String(line) : line + "\n" + String(repeating: " ", count: 9) + "try: " + hint
  }

  var json: AnyValue {
    .object([
      "name": .string(name), "state": .string(state.rawValue), "found": .string(found),
      "hint": hint.isEmpty ? nil : .string(hint),
    ])
  }
}
