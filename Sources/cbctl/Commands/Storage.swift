import ArgumentParser
import CloudburstClient
import CloudburstValues
import ClusterModel
import Glibc
import LocalCluster
import Platform

struct Storage: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show, add and remove the storage nodes of a cluster with a router.",
    discussion: """
      Adding and removing is for the clusters that "cbctl dev" runs on this machine. Elsewhere, start
      "cloudburstd storage --router ENDPOINT --name NAME" to add a node, and send its process SIGUSR1
      to remove it.

      Examples:
        cbctl storage list
        cbctl storage add --count 2
        cbctl storage remove storage1
      """,
    subcommands: [StorageList.self, StorageAdd.self, StorageRemove.self],
    defaultSubcommand: StorageList.self)
}

struct StorageList: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the storage nodes, and whether keys are on their way (the default).",
    discussion: """
      Example:
        cbctl storage list -o json
      """)

  @OptionGroup var cluster: ClusterOptions

  func run(on cloud: CloudburstClient) async throws -> Output {
    try await cloud.status().storageOutput
  }
}

struct StorageAdd: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Start further storage nodes; returns once they hold their share of the keys.",
    discussion: """
      Examples:
        cbctl storage add
        cbctl storage add --count 2 --timeout 10m
      """)

  @OptionGroup var cluster: ClusterOptions
  @Option(help: "How many.") var count = 1

  func validate() throws {
    guard (1...16).contains(count) else { throw ValidationError("--count is 1 to 16") }
  }

  func run(on cloud: CloudburstClient) async throws -> Output {
    let local = try LocalTier(at: cluster.resolvedEndpoint)
    let free = (0...).lazy.filter { !local.present.contains($0) }
    let added = Array(free.prefix(count))
    try local.want(local.wanted.union(added))
    let names = Set(added.map(LocalTier.name))
    let wait = TierWait(cloud, limit: cluster.timeout?.duration)
    return try await wait.until("\(names.sorted().joined(separator: ", ")) to take keys") {
      let placed = $0.members.filter { $0.role == "storage" && $0.place == "placed" }
      return $0.tier?.isSettled == true && names.isSubset(of: placed.map(\.name))
    }.storageOutput
  }
}

struct StorageRemove: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove",
    abstract: "Have storage nodes hand over their keys and end; returns once they have.",
    discussion: """
      The keys stay readable and writable all the while. The node's data folder goes with it.

      Example:
        cbctl storage remove storage1
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "As cbctl storage list shows them.") var names: [String]

  func run(on cloud: CloudburstClient) async throws -> Output {
    let local = try LocalTier(at: cluster.resolvedEndpoint)
    let leaving = try names.map { name in
      guard let number = local.present.first(where: { LocalTier.name($0) == name }) else {
        throw Failure(
          .keyNotFound, "there is no storage node \(name)", hint: "cbctl storage list")
      }
      return number
    }
    let staying = local.wanted.subtracting(leaving)
    guard !staying.isEmpty else {
      throw Failure(
        .usage, "somebody has to hold the keys: one storage node stays",
        hint: "cbctl storage add, and then remove this one")
    }
    try local.want(staying)
    let wait = TierWait(cloud, limit: cluster.timeout?.duration)
    return try await wait.until("\(names.joined(separator: ", ")) to hand over the keys") {
      status in
      let isOver = local.present.intersection(leaving).isDisjoint(with: local.running())
      return isOver && status.tier?.isSettled == true
    }.storageOutput
  }
}

/// The storage nodes of a cluster that this machine runs.
struct LocalTier {
  private let folder: RunFolder
  private let file: RunFile
  /// Numbers of those that are there, ones that hand over included.
  let present: Set<Int>
  /// Of those that are to be there.
  let wanted: Set<Int>

  /// - Throws: `clusterNotFound`, or `notAllowed` where the cluster has no router.
  init(at endpoint: String) throws {
    guard let port = endpoint.split(separator: ":").last.flatMap({ UInt16($0) }),
      let file = RunFile.read(from: RunFolder(port: port)), file.isAlive
    else {
      throw Failure(
        .clusterNotFound, "no cluster that this machine runs listens at \(endpoint)",
        hint: "cbctl storage --help tells how nodes are added elsewhere")
    }
    guard file.hasRouter else {
      throw Failure(
        .notAllowed, "this cluster's store is one shard, without a router",
        hint: "start one with: cbctl dev --storage-nodes 2")
    }
    folder = RunFolder(port: port)
    self.file = file
    present = Self.numbers(in: file)
    wanted = StorageNodesFile.read(from: folder).map { Set($0.numbers) } ?? present
  }

  static func name(_ number: Int) -> String { "storage\(number)" }

  private static func numbers(in file: RunFile) -> Set<Int> {
    Set(
      (file.parts ?? []).filter { $0.name.hasPrefix("storage") }
        .compactMap { Int($0.name.dropFirst("storage".count)) })
  }

  /// As `present`, of now.
  func running() -> Set<Int> { RunFile.read(from: folder).map(Self.numbers) ?? [] }

  /// Tells the cluster which nodes there are to be.
  func want(_ numbers: Set<Int>) throws {
    try StorageNodesFile(numbers: numbers.sorted()).write(to: folder)
    guard file.isAlive, kill(file.processID, SIGHUP) == 0 else {
      throw Failure(.clusterNotFound, "the cluster at \(file.endpoint) has just ended")
    }
  }
}

/// Waits for a state of the storage nodes, and says on standard error what it waits for.
struct TierWait {
  private static let limitDefault = Duration.seconds(600)
  private static let lookInterval = Duration.milliseconds(200)
  /// What takes longer is worth a line.
  private static let patience = Duration.seconds(2)

  private let cloud: CloudburstClient
  private let limit: Duration

  init(_ cloud: CloudburstClient, limit: Duration?) {
    self.cloud = cloud
    self.limit = limit ?? Self.limitDefault
  }

  func until(
    _ what: String, _ isReached: (ClusterStatus) -> Bool
  ) async throws -> ClusterStatus {
    let start = MonotonicClock.now
    var hasSpoken = false
    while true {
      let status = try await cloud.status()
      if isReached(status) { return status }
      let passed = Duration.nanoseconds(MonotonicClock.now - start)
      guard passed < limit else {
        throw Failure(
          .timedOut, "waited \(limit) for \(what); it goes on in the background",
          hint: "cbctl storage list")
      }
      if !hasSpoken, passed > Self.patience {
        hasSpoken = true
        StandardError.write("waiting for \(what)\n")
      }
      // The cluster tells nobody by itself how far it is.
      try await Task.sleep(for: Self.lookInterval)
    }
  }
}

extension ClusterStatus {
  var storageMembers: [Member] { members.filter { $0.role == "storage" } }

  fileprivate var storageOutput: Output {
    guard let tier else {
      return Output(
        json: .map(["nodes": .array([])]), text: "one shard, without a router")
    }
    let head = "\(tier.summary)\n"
    return Output(
      json: .map(["tier": tier.json, "nodes": .array(storageMembers.map(\.json))]),
      text: head + table(storageMembers.map(\.row)))
  }
}

extension ClusterStatus.Tier {
  var summary: String {
    let state = isSettled ? "all keys are where they belong" : "keys are moving"
    let copies =
      copiesEffective == copiesConfigured
      ? "\(copiesEffective.copies) of each key"
      : "\(copiesEffective.copies) of each key (\(copiesConfigured) wanted, the nodes are too few)"
    let nodes = storageNodes == 1 ? "1 storage node" : "\(storageNodes) storage nodes"
    return "\(nodes), \(shards) shards, \(copies); \(state)"
  }
}

extension Int {
  var copies: String { self == 1 ? "1 copy" : "\(self) copies" }
}

extension ClusterStatus.Member {
  /// Name, process, what it is to the ring, how long it has been silent, and where it listens.
  var row: [String] {
    [
      "  \(name)", "pid \(processID)", place ?? "", "seen \(leaseAge.inMilliseconds) ms ago",
      endpoints.joined(separator: " "),
    ]
  }
}

extension Duration {
  var inMilliseconds: Int64 { Int64(self / .milliseconds(1)) }
}
