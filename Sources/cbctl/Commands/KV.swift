import ArgumentParser
import CloudburstClient
import CloudburstValues
import ClusterModel

struct KV: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kv",
    abstract: "Read and write the key-value tier.",
    discussion: """
      Examples:
        cbctl kv put n 2
        cbctl kv get n
        cbctl kv watch n
      """,
    subcommands: [KVPut.self, KVGet.self, KVDelete.self, KVList.self, KVWatch.self])
}

struct KVPut: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "put",
    abstract: "Store a value under a key.",
    discussion: """
      The value is JSON, or @FILE or - for raw bytes.

      Examples:
        cbctl kv put n 2
        cbctl kv put greeting '"hello"' --ttl 10m
        cbctl kv put book @book.txt --level durable
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "The key: 1 to 1024 bytes of UTF-8.") var key: String
  @Argument(help: "One JSON value, @FILE or -.") var value: String
  @Option(help: "After this time the key is absent, such as 30s or 10m.") var ttl: TimeLimit?
  @Option(help: "When the write counts as done: accepted, replicated or durable.")
  var level: LevelWord?

  func check() throws { try InputWord.check(value) }

  func run(on cloud: CloudburstClient) async throws -> Output {
    let stored = try InputWord(value).storedValue()
    try await cloud.put(key, encoded: stored, level: level?.level, timeToLive: ttl?.duration)
    return Output(json: .map(["key": .string(key), "stored": .bool(true)]), text: "")
  }
}

/// `CloudburstClient.WriteLevel` as a word.
enum LevelWord: String, ExpressibleByArgument, CaseIterable {
  case accepted
  case replicated
  case durable

  var level: CloudburstClient.WriteLevel? { .init(rawValue: rawValue) }
}

struct KVGet: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "get",
    abstract: "Print the value of a key.",
    discussion: """
      A counter prints as its sum, a set as an array, raw bytes as they are. With -o json also the
      lattice type and the version.

      Examples:
        cbctl kv get n
        cbctl kv get visits/home -o json
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "The key.") var key: String

  func run(on cloud: CloudburstClient) async throws -> Output {
    guard let record = try await cloud.inspect(key) else {
      throw Failure(.keyNotFound, "there is no value under \(key)", hint: "cbctl kv ls")
    }
    var output = try Output(result: try record.encodedValue())
    output.json = .object([
      "key": .string(key), "type": .string(record.latticeName), "value": output.json,
      "generation": .integer(Int64(clamping: record.generation)),
      "stamp": .integer(Int64(clamping: record.stamp)),
      "expiresAt": record.expiresAt.map { .integer(Int64(clamping: $0)) },
    ])
    return output
  }
}

struct KVDelete: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "del",
    abstract: "Delete a key; deleting an absent one succeeds.",
    discussion: """
      Example:
        cbctl kv del n
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "The key.") var key: String

  func run(on cloud: CloudburstClient) async throws -> Output {
    try await cloud.delete(key)
    return Output(json: .map(["key": .string(key), "deleted": .bool(true)]), text: "")
  }
}

struct KVList: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls",
    abstract: "List keys.",
    discussion: """
      Example:
        cbctl kv ls visits/
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "Only keys that begin with this.") var prefix = ""
  @Option(help: "Stop after so many keys.") var max = 1000

  func run(on cloud: CloudburstClient) async throws -> Output {
    var keys = try await cloud.keys(withPrefix: prefix, max: max).sorted()
    // The platform's own keys are shown only to those who ask for them.
    if !prefix.hasPrefix("_cb") { keys.removeAll { $0.hasPrefix(ReservedKeys.prefix) } }
    return Output(json: .array(keys.map(AnyValue.string)), text: keys.joined(separator: "\n"))
  }
}

struct KVWatch: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Print a key's value now and after every change, until interrupted.",
    discussion: """
      Bursts of changes are merged into the latest state. With -o json, or into a pipe, one JSON
      object a line; --timeout ends the watch.

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
      for try await state in try cloud.watch(key, as: AnyValue.self) {
        StandardOutput.write(Self.line(key, state, asJSON: asJSON) + "\n")
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

  private static func line(_ key: String, _ state: AnyValue?, asJSON: Bool) -> String {
    guard asJSON else { return state?.plainText ?? "(absent)" }
    return AnyValue.object([
      "key": .string(key), "present": .bool(state != nil), "value": state,
    ]).jsonText
  }
}
