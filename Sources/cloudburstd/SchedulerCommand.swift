import ArgumentParser
import ClusterModel
import DevCluster
import NodeRuntime
import Platform
import WireProtocol

struct SchedulerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scheduler",
    abstract: "Takes clients' calls, places them on executors, keeps the registry.",
    discussion: """
      Clients learn from it where the store is, so it may start before the store does; it is ready \
      once it has read the registry there.

      Example:
        cloudburstd scheduler --cluster c1 --listen tcp://127.0.0.1:7700 \\
          --listen-nodes ipc:///run/cloudburst/back.ipc \\
          --storage ipc:///run/cloudburst/shard.ipc
        cloudburstd scheduler --cluster c1 --listen tcp://10.0.0.5:7700 \\
          --listen-nodes tcp://10.0.0.5:7701 --router tcp://10.0.0.9:7705
      """)

  @OptionGroup var part: PartOptions
  @Option(
    help: ArgumentHelp("The cluster's endpoint, where clients dial.", valueName: "endpoint"))
  var listen: Endpoint
  @Option(
    help: ArgumentHelp("Where nodes and their executors dial.", valueName: "endpoint"))
  var listenNodes: Endpoint
  @OptionGroup var store: StoreOptions
  @Option(help: "Its name among schedulers, for a cluster with a router.")
  var name = PartName.ofTheOnlyScheduler

  func run() throws {
    try serving(needing: 128) { signals in
      let life = part.drawIncarnation()
      var configuration = SchedulerConfiguration(
        cluster: part.cluster, incarnation: life, front: listen.text,
        back: listenNodes.text, storage: (place: store.place, forClients: []),
        writeLevel: .accepted)
      configuration.software = PartProcess.software
      var events = SchedulerLoop.Events()
      events.onBound = { _ in say(PartLine.bound.rawValue) }
      events.onReady = { say(PartLine.ready.rawValue) }
      events.onShutdown = { say(PartLine.shutdown.rawValue) }
      let member = store.membership.member(.scheduler, named: name.text, part.cluster, life)
      let process = try PartProcess.scheduler(configuration, member: member, events: events)
      try process.serve(untilToldBy: signals)
    }
  }
}
