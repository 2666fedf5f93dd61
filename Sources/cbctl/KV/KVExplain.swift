import ArgumentParser
import CloudburstClient
import CloudburstValues
import ClusterModel

struct KVExplain: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Say where a key is, what it holds and what it costs.",
    discussion: """
      Examples:
        cbctl kv explain visits/home
        cbctl kv explain visits/home -o json
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "The key.") var key: String

  func run(on cloud: CloudburstClient) async throws -> Output {
    guard let placement = try await cloud.explain(key) else {
      throw Failure(.keyNotFound, "there is no value under \(key)", hint: "cbctl kv ls")
    }
    return Output(json: placement.json, text: table(placement.rows))
  }
}

extension KeyPlacement {
  fileprivate var json: AnyValue {
    .object([
      "key": .string(key), "type": .string(latticeName),
      "generation": .integer(Int64(clamping: generation)),
      "stamp": .integer(Int64(clamping: stamp)),
      "owners": .array(holders.filter(\.isOwner).map(\.json)),
      "replicas": .array(holders.filter { !$0.isOwner }.map(\.json)),
      "valueBytes": .integer(Int64(clamping: valueBytes)),
      "storedBytes": .integer(Int64(clamping: storedBytes)),
      "tier": .string(tier.rawValue), "durable": .bool(isDurable),
      "expiresAt": expiresAt.map { .integer(Int64(clamping: $0)) },
      "watches": .integer(Int64(clamping: watches)),
      "subscriptions": .integer(Int64(clamping: subscriptions)),
      "requestsPerSecond": requestsPerSecond.map(AnyValue.double),
    ])
  }

  fileprivate var rows: [[String]] {
    let replicas = holders.filter { !$0.isOwner }
    var rows = [
      ["key", key], ["type", latticeName],
      ["version", "generation \(generation), stamp \(stamp)"],
      ["owners", holders.filter(\.isOwner).map(\.text).joined(separator: ", ")],
      ["replicas", replicas.isEmpty ? "none" : replicas.map(\.text).joined(separator: ", ")],
      ["size", "\(valueBytes) bytes, \(storedBytes) as stored"],
      ["tier", tier.rawValue + (isDurable ? ", in the synced log" : ", not in a synced log")],
      ["readers", "\(watches) watches, \(subscriptions) subscribed caches"],
    ]
    if let rate = requestsPerSecond { rows.append(["rate", "\(rate) requests a second"]) }
    if let expiresAt { rows.append(["expires", "\(expiresAt) ms after 1970"]) }
    return rows
  }
}

extension KeyPlacement.Holder {
  fileprivate var json: AnyValue {
    .map([
      "shard": .string(shard), "incarnation": .string(incarnation), "current": .bool(isCurrent),
      "extra": .bool(isExtra),
    ])
  }

  fileprivate var text: String {
    "\(shard) (life \(incarnation)\(isExtra ? ", extra" : "")\(isCurrent ? "" : ", catching up"))"
  }
}
