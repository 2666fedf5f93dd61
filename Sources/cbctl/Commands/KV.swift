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
        cbctl kv put visits 1 --type counter
        cbctl kv watch n
        cbctl kv export > backup.jsonl
      """,
    subcommands: [
      KVPut.self, KVGet.self, KVDelete.self, KVList.self, KVWatch.self, KVExplain.self,
      KVExport.self, KVImport.self,
    ])
}

struct KVDelete: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "del",
    abstract: "Delete keys, or take an element or a field away; what is absent is no error.",
    discussion: """
      Examples:
        cbctl kv del n
        cbctl kv del n m --level durable
        cbctl kv del cart --element '"book"'
        cbctl kv del profile --field age
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "The keys.") var keys: [String]
  @Option(help: "Only this element of an or-set: one JSON value.") var element: String?
  @Option(help: "Only this field of an lww-map.") var field: String?
  @Option(help: "When the deletion counts as done: accepted, replicated or durable.")
  var level: LevelWord?

  func check() throws {
    if let element { try InputWord.check(element) }
    guard element == nil && field == nil || keys.count == 1 else {
      throw Failure(.usage, "an element or a field is taken away from one key, not \(keys.count)")
    }
    guard element == nil || field == nil else {
      throw Failure(.usage, "--element goes with an or-set, --field with an lww-map: not both")
    }
  }

  func run(on cloud: CloudburstClient) async throws -> Output {
    if let element {
      let value = try InputWord(element).storedValue().decode(as: AnyValue.self)
      let isGone = try await cloud.removableSet(keys[0]).remove(value, level: level?.level)
      return Output(json: .map(["key": .string(keys[0]), "removed": .bool(isGone)]), text: "")
    }
    if let field {
      try await cloud.fields(keys[0]).remove(field, level: level?.level)
      return Output(json: .map(["key": .string(keys[0]), "removed": .bool(true)]), text: "")
    }
    for outcome in try await cloud.delete(keys, level: level?.level) { try outcome.get() }
    let deleted = keys.map { AnyValue.map(["key": .string($0), "deleted": .bool(true)]) }
    return Output(json: deleted.count == 1 ? deleted[0] : .array(deleted), text: "")
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
