import ArgumentParser
import ClusterModel
import DevCluster
import NodeRuntime
import Platform

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
      """)

  @OptionGroup var part: PartOptions
  @Option(
    help: ArgumentHelp("The cluster's endpoint, where clients dial.", valueName: "endpoint"))
  var listen: Endpoint
  @Option(
    help: ArgumentHelp("Where nodes and their executors dial.", valueName: "endpoint"))
  var listenNodes: Endpoint
  @Option(help: ArgumentHelp("Where the store listens.", valueName: "endpoint"))
  var storage: Endpoint

  func run() throws {
    try serving(needing: 128) { signals in
      var configuration = SchedulerConfiguration(
        cluster: part.cluster, incarnation: part.drawIncarnation(), front: listen.text,
        back: listenNodes.text, storage: (endpoint: storage.text, forClients: []),
        writeLevel: .accepted)
      configuration.software = PartProcess.software
      var events = SchedulerLoop.Events()
      events.onBound = { _ in say(PartLine.bound.rawValue) }
      events.onReady = { say(PartLine.ready.rawValue) }
      events.onShutdown = { say(PartLine.shutdown.rawValue) }
      let process = try PartProcess.scheduler(configuration, events: events)
      try process.serve(untilToldBy: signals)
    }
  }
}
