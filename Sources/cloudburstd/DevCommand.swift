import ArgumentParser
import DevCluster
import LocalCluster
import Platform

struct DevCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dev",
    abstract: "A whole cluster on this machine, for this machine only.",
    discussion: """
      With one node, storage, scheduler, cache and supervisor are threads of this process, and the \
      executors are beside it. With --nodes 2 or more every part is a process: storage, scheduler \
      and each node with a cache and executors of its own. With --storage-nodes 2 or more there is \
      a router, too, which knows where the keys are. This process watches them, starts one that \
      died again, and ends them in order. On SIGHUP it makes the storage nodes those that \
      storage-nodes.json in its run folder names ("cbctl storage add" does that).

      Listens on 127.0.0.1 only. Says "ready" on standard output once calls can run, logs to \
      standard error (level from $CLOUDBURST_LOG), and ends in order on SIGTERM or SIGINT.

      Examples:
        cloudburstd dev --port 7700 --data .cloudburst --executors 2
        cloudburstd dev --nodes 2 --memory
      """)

  @Option(help: "The port of the cluster's endpoint.") var port: UInt16 = 7700
  @Flag(help: "Keep data in memory only.") var memory = false
  @Option(help: "The folder that keeps the data.") var data = ".cloudburst"
  @Option(help: "How many compute nodes.") var nodes = 1
  @Option(help: "How many executor processes on each node.") var executors = 2
  @Option(help: "How many storage nodes. Default: as many as --data knows, or 1.")
  var storageNodes: Int?
  @Option(help: "Shards of each storage node. Default: as many as --data knows, or 1.")
  var shards: Int?
  @Option(help: "Storage nodes that hold each key, as far as there are so many.") var copies = 2
  @Option(help: "Seconds for which what was deleted is remembered, 4 or more.")
  var tombstoneGrace = 3600
  @Option(
    help: """
      MiB of keys and records that each shard keeps in memory; what is used least stays on the disk \
      only. With --memory, writes beyond it are refused.
      """)
  var memoryBudget = 4096
  @OptionGroup var anna: AnnaOptions

  func validate() throws {
    guard (1...16).contains(nodes) else { throw ValidationError("--nodes is 1 to 16") }
    guard (1...256).contains(executors) else { throw ValidationError("--executors is 1 to 256") }
    guard (1...16).contains(storageNodes ?? 1) else {
      throw ValidationError("--storage-nodes is 1 to 16")
    }
    guard (1...16).contains(shards ?? 1) else { throw ValidationError("--shards is 1 to 16") }
    guard (1...16).contains(copies) else { throw ValidationError("--copies is 1 to 16") }
    guard tombstoneGrace >= 4 else { throw ValidationError("--tombstone-grace is 4 or more") }
    guard memoryBudget >= 1 else { throw ValidationError("--memory-budget is 1 MiB or more") }
    guard port > 0 else { throw ValidationError("--port is 1 to 65535") }
  }

  func run() throws {
    // Its own parts in one process: about 60, each executor's connections and pipes, the log's files.
    try serving(
      needing: 112 + 8 * executors + (anna.annaCompat ? AnnaOptions.descriptors : 0), serve)
  }

  private func serve(_ signals: borrowing Signals) throws {
    var configuration = DevConfiguration(
      port: port, dataFolder: memory ? nil : try absoluteFolder(data, for: "data"),
      executors: executors, executorProgram: Program.executor)
    configuration.nodes = nodes
    configuration.storageNodes = storageNodes
    configuration.shards = shards
    configuration.copies = copies
    configuration.tombstoneGrace = .seconds(tombstoneGrace)
    configuration.memoryBudget = memoryBudget << 20
    configuration.annaPort = anna.port
    configuration.daemonProgram = Program.path
    configuration.environment = ExecutorEnvironment.lines()
    let banner = Self.banner(configuration)
    let sayReady = { @Sendable () -> Void in
      say(banner)
      say(ReadyLine.text)
    }
    guard try configuration.isOneProcess() else {
      return try ClusterLauncher.run(configuration, untilToldBy: signals, onReady: sayReady)
    }
    let cluster = try DevCluster.start(configuration, onReady: sayReady)
    cluster.waitUntilToldToStop(by: signals)
    cluster.stop()
    if let failure = cluster.failure { throw failure }
  }

  private static func banner(_ configuration: DevConfiguration) -> String {
    let executors =
      configuration.nodes == 1
      ? "\(configuration.executors)"
      : "\(configuration.executors) on each of \(configuration.nodes) nodes"
    let anna = configuration.annaPort.map { port in
      "\nanna       tcp://127.0.0.1:\(port) to \(port + 3)"
    }
    return """
      endpoint   tcp://127.0.0.1:\(configuration.port)\(anna ?? "")
      data       \(configuration.dataFolder.map { "\($0) (kept)" } ?? "in memory (gone at stop)")
      executors  \(executors)
      """
  }
}
