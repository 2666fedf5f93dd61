import ArgumentParser
import CloudburstClient
import CloudburstValues
import ClusterModel

struct KVWatch: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Print a key's value now and after every change, until interrupted.",
    discussion: """
      The store tells of every change; bursts are merged into the latest state, and the last one is never
      missed, also when the cluster restarts meanwhile. With -o json, or into a pipe, one JSON object
      a line; --timeout ends the watch.

      Examples:
        cbctl kv watch n
        cbctl kv watch n --count 1 -o json
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "The key.") var key: String
  @Option(help: "End after so many states.") var count: Int?

  func run(on cloud: CloudburstClient) async throws -> Output {
    let asJSON = cluster.output == .json || !StandardOutput.isTerminal
    let (key, count) = (key, count)
    try await withTimeLimit(cluster.timeout?.duration) {
      var seen = 0
      for try await state in try cloud.watchRecords(key) {
        guard StandardOutput.isTaking(try Self.line(key, state, asJSON: asJSON) + "\n") else {
          return
        }
        seen += 1
        if let count, seen >= count { return }
      }
    }
    return Output(json: .null, text: "")
  }

  func runPrinting() async throws {
    try await failing {
      let cloud = try await cluster.connect()
      _ = try await run(on: cloud)
      await cloud.close()
    }
  }

  private static func line(
    _ key: String, _ state: StoredRecord?, asJSON: Bool
  ) throws -> String {
    guard asJSON else {
      guard let state else { return "(absent)" }
      let output = try Output(result: state.encodedValue())
      return output.raw.map { String(decoding: $0, as: UTF8.self) } ?? output.text
    }
    guard let state, case .map(var fields) = state.json else {
      return AnyValue.object(["key": .string(key), "present": .bool(false)]).jsonText
    }
    fields["present"] = .bool(true)
    return AnyValue.map(fields).jsonText
  }
}
