import ArgumentParser
import CloudburstClient
import CloudburstValues
import ClusterModel

struct KVPut: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "put",
    abstract: "Store a value under a key, or merge a change into it.",
    discussion: """
      The value is JSON, or @FILE or - for raw bytes; with --raw it is text as it stands. A type
      other than lww merges: a counter adds, a set takes elements, a map takes fields. A key keeps
      its type until it is deleted.

      Examples:
        cbctl kv put n 2
        cbctl kv put greeting hello --raw
        cbctl kv put book @book.txt --level durable --ttl 10m
        cbctl kv put visits 1 --type counter
        cbctl kv put tags '["a", "b"]' --type set
        cbctl kv put slowest 12.5 --type max
        cbctl kv put job '"rebuild"' --type priority --priority 2
        cbctl kv put profile '{"name": "Ann", "age": null}' --type lww-map
        cbctl kv put page '{"visits": {"counter": 1}, "tags": {"set": ["new"]}}' --type map
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "The key: 1 to 1024 bytes of UTF-8.") var key: String
  @Argument(help: "One JSON value, @FILE or -.") var value: String
  @Option(help: ArgumentHelp("What the key holds: \(LatticeWord.list).", valueName: "type"))
  var type: LatticeWord = .lww
  @Flag(help: "Take the value as text, not as JSON.") var raw = false
  @Option(parsing: .unconditional, help: "Of a priority value: the lowest stays.")
  var priority: Double?
  @Flag(help: "Of a causal value: put it beside what is there, as one who has read nothing.")
  var beside = false
  @Option(help: "After this time the key is absent, such as 30s or 10m. Only of type lww.")
  var ttl: TimeLimit?
  @Option(help: "When the write counts as done: accepted, replicated or durable.")
  var level: LevelWord?

  func check() throws {
    if !raw { try InputWord.check(value) }
    if ttl != nil && type != .lww {
      throw Failure(.usage, "--ttl goes with values of type lww, not \(type.rawValue)")
    }
    if priority != nil && type != .priority {
      throw Failure(.usage, "--priority goes with --type priority")
    }
  }

  func run(on cloud: CloudburstClient) async throws -> Output {
    let stored =
      raw && value != "-" && !value.hasPrefix("@")
      ? EncodedValue(encoding: .raw, bytes: Array(value.utf8))
      : try InputWord(value).storedValue()
    switch type {
    case .lww:
      try await cloud.put(key, encoded: stored, level: level?.level, timeToLive: ttl?.duration)
    case .causal, .causalMulti:
      let causal = cloud.causal(key, withDependencies: type == .causalMulti)
      try await causal.put(encoded: stored, besideOthers: beside, level: level?.level)
    default:
      let builder = DeltaBuilder(cloud: cloud, key: key, priority: priority)
      let delta = try builder.delta(type, stored)
      try await cloud.merge(
        delta.value, encoding: delta.encoding, into: key, level?.level,
        isIdempotent: delta.isIdempotent)
    }
    return Output(
      json: .map(["key": .string(key), "stored": .bool(true), "type": .string(type.rawValue)]),
      text: "")
  }
}

/// `CloudburstClient.WriteLevel` as a word.
enum LevelWord: String, ExpressibleByArgument, CaseIterable {
  case accepted
  case replicated
  case durable

  var level: CloudburstClient.WriteLevel? { .init(rawValue: rawValue) }
}
