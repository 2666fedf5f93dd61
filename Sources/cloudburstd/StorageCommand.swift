import ArgumentParser
import ClusterModel
import DevCluster
import Membership
import NodeRuntime
import Platform
import WireProtocol

struct StorageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "storage",
    abstract: "The store: shards of keys, with their logs.",
    discussion: """
      Without --router it is one shard, alone, that holds all keys: the first --listen is the
      endpoint for clients, others may be added for the processes of this machine.

      With --router it is one of several nodes. It has --shards shards, each with a thread, a log
      and an endpoint of its own: of tcp://ADDRESS:PORT shard 1 takes PORT + 1, and so on. SIGTERM
      ends it, its keys stay in --data for its next life; SIGUSR1 makes it hand over all keys and
      then end for good.

      Examples:
        cloudburstd storage --cluster c1 --data /var/lib/cloudburst \\
          --listen tcp://127.0.0.1:7701 --listen ipc:///run/cloudburst/shard.ipc
        cloudburstd storage --cluster c1 --data /var/lib/cloudburst/s0 --name storage0 --shards 2 \\
          --listen tcp://10.0.0.1:7710 --router tcp://10.0.0.9:7705
      """)

  @OptionGroup var part: PartOptions
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "Where to listen: tcp://ADDRESS:PORT (port *: any) or ipc:///PATH.", valueName: "endpoint"))
  var listen: [Endpoint]
  @Flag(help: "Keep data in memory only.") var memory = false
  @Option(help: "The folder that keeps the data.") var data: String?
  @OptionGroup var membership: MemberOptions
  @Option(help: "The node's name among storage nodes: 1 to 63 of a-z, 0-9 and -.")
  var name: PartName?
  @Option(help: "Shards of this node, each with a thread of its own; the same in all its lives.")
  var shards = 1
  @Option(
    help: """
      Seconds for which what was deleted is remembered, 4 or more: a node that was away for longer \
      forgets what its log has of that time.
      """)
  var tombstoneGrace = 3600
  @Option(
    help: """
      MiB of keys and records that each shard keeps in memory; what is used least stays on the disk \
      only. With --memory, writes beyond it are refused.
      """)
  var memoryBudget = 4096
  @OptionGroup var anna: AnnaOptions

  func validate() throws {
    guard !listen.isEmpty else { throw ValidationError("--listen is missing") }
    guard memory != (data != nil) else {
      throw ValidationError("one of --data FOLDER and --memory")
    }
    guard (1...MembershipConfiguration.shardsMax).contains(shards) else {
      throw ValidationError("--shards is 1 to \(MembershipConfiguration.shardsMax)")
    }
    guard tombstoneGrace >= 4 else { throw ValidationError("--tombstone-grace is 4 or more") }
    guard memoryBudget >= 1 else { throw ValidationError("--memory-budget is 1 MiB or more") }
    guard (name != nil) == (membership.router != nil) else {
      throw ValidationError("--router and --name come together")
    }
    guard !anna.annaCompat || membership.router == nil else {
      throw ValidationError("where there is a router, it has the --anna-compat door")
    }
    guard shards == 1 || membership.router != nil else {
      throw ValidationError("several --shards need a --router that knows them")
    }
  }

  func run() throws {
    let doors = anna.annaCompat ? AnnaOptions.descriptors : 0
    try serving(needing: 128 + 64 * (shards - 1) + doors) { signals in
      let life = part.drawIncarnation()
      let process =
        if let name, let member = membership.member(.storage, named: name.text, part.cluster, life)
        { try node(member, life) } else { try alone(life) }
      try process.serve(untilToldBy: signals)
    }
  }

  private func alone(_ life: Incarnation) throws -> PartProcess {
    let folder = try dataFolder()?.ofOneShardAlone()
    let configuration = configuration(life, at: listen.map(\.text), folder)
    return try PartProcess.storage(
      configuration,
      anna: { anna.door(of: part.cluster, life, to: .shard(endpoint: $0)) },
      onReady: { _ in
        say(PartLine.bound.rawValue)
        say(PartLine.ready.rawValue)
      })
  }

  private func node(_ member: MemberConfiguration, _ life: Incarnation) throws -> PartProcess {
    let folders = try dataFolder()?.ofShards(shards)
    let configurations = (0..<shards).map { number in
      var shard = configuration(
        life, at: listen.map { $0.ofShard(number) }, folders?[number])
      shard.member = RingMember(name: member.name, shard: UInt16(number))
      return shard
    }
    return try PartProcess.storageNode(
      configurations, member: member,
      onReady: { _ in
        say(PartLine.bound.rawValue)
        say(PartLine.ready.rawValue)
      },
      onLeft: { say(PartLine.left.rawValue) })
  }

  private func dataFolder() throws -> StorageFolder? {
    try data.map { StorageFolder(try absoluteFolder($0, for: "data")) }
  }

  private func configuration(
    _ life: Incarnation, at endpoints: [String], _ folder: String?
  ) -> StorageConfiguration {
    var configuration = StorageConfiguration(
      cluster: part.cluster, incarnation: life, endpoints: endpoints, dataFolder: folder)
    configuration.software = PartProcess.software
    configuration.tombstoneGrace = .seconds(tombstoneGrace)
    configuration.memoryBudget = memoryBudget << 20
    return configuration
  }
}
