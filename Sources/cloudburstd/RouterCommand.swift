import ArgumentParser
import ClusterModel
import DevCluster
import Membership
import NodeRuntime
import Platform

struct RouterCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "router",
    abstract: "Keeps who is a member of the cluster, and the ring of its storage nodes.",
    discussion: """
      Members report to it and get leases; everybody who dials it is told the ring. What it must not \
      forget is one small file in --data. While it is away, members and clients go on with the ring \
      they hold.

      Example:
        cloudburstd router --cluster c1 --listen ipc:///run/cloudburst/router.ipc \\
          --data /var/lib/cloudburst/router --storage-nodes-expected 3 --copies 2
      """)

  @OptionGroup var part: PartOptions
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Where members and clients dial.", valueName: "endpoint"))
  var listen: [Endpoint]
  @Flag(help: "Keep the ring in memory only; a next life asks the members.") var memory = false
  @Flag(help: "Storage nodes keep no log: a dead one is not waited for, its keys may be gone.")
  var memoryStorage = false
  @Option(help: "The folder that keeps the ring.") var data: String?
  @Option(help: "Nodes that hold each key, as far as there are nodes.") var copies = 2
  @Option(help: "A new cluster gets its first ring when so many storage nodes have come.")
  var storageNodesExpected = 1

  @OptionGroup var anna: AnnaOptions

  func validate() throws {
    guard !listen.isEmpty else { throw ValidationError("--listen is missing") }
    guard memory != (data != nil) else {
      throw ValidationError("one of --data FOLDER and --memory")
    }
    guard (1...16).contains(copies) else { throw ValidationError("--copies is 1 to 16") }
    guard (1...256).contains(storageNodesExpected) else {
      throw ValidationError("--storage-nodes-expected is 1 to 256")
    }
  }

  func run() throws {
    try serving(needing: 128 + (anna.annaCompat ? AnnaOptions.descriptors : 0)) { signals in
      let life = part.drawIncarnation()
      var configuration = RouterConfiguration(
        cluster: part.cluster, incarnation: life, endpoints: listen.map(\.text))
      configuration.membership.copies = copies
      configuration.membership.storageNodesExpected = storageNodesExpected
      configuration.membership.holdersKeepLogs = !memoryStorage
      configuration.software = PartProcess.software
      let folder = try data.map { try absoluteFolder($0, for: "data") }
      let process = try PartProcess.router(
        configuration, dataFolder: folder,
        anna: { anna.door(of: part.cluster, life, to: .router(endpoint: $0)) },
        onReady: { _ in
          say(PartLine.bound.rawValue)
          say(PartLine.ready.rawValue)
        })
      try process.serve(untilToldBy: signals)
    }
  }
}
