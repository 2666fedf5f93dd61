import ArgumentParser
import ClusterModel
import DevCluster
import NodeRuntime
import Platform
import WireProtocol

struct NodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "node",
    abstract: "A compute node: its cache and its executors, which are children of this process.",
    discussion: """
      The node's name is its own in the cluster: a second process of the same name is refused while \
      the first one lives. The cache lies in a folder of its own under --shm-folder and goes with \
      the process.

      Example:
        cloudburstd node --cluster c1 --name node0 --executors 4 \\
          --scheduler ipc:///run/cloudburst/back.ipc --storage ipc:///run/cloudburst/shard.ipc \\
          --run-folder /run/cloudburst/node0
      """)

  @OptionGroup var part: PartOptions
  @Option(help: "The node's name: 1 to 63 of a-z, 0-9 and -.") var name: PartName
  @Option(help: "How many executor processes.") var executors = 2
  @Option(
    help: ArgumentHelp("Where the scheduler listens for nodes.", valueName: "endpoint"))
  var scheduler: Endpoint
  @OptionGroup var store: StoreOptions
  @Option(help: "For this node's sockets and bundle files; one node, one folder.")
  var runFolder: String
  @Option(help: "Where the shared cache is made; a tmpfs, as a rule.")
  var shmFolder = DevConfiguration.defaultSharedMemoryTop

  func validate() throws {
    guard (1...256).contains(executors) else { throw ValidationError("--executors is 1 to 256") }
  }

  func run() throws {
    try serving(needing: 96 + 8 * executors) { signals in
      let life = part.drawIncarnation()
      let configurations = try self.configurations(life)
      let member = store.membership.member(.supervisor, named: name.text, part.cluster, life)
      let process = try PartProcess.node(
        configurations.cache, configurations.supervisor, member: member
      ) {
        say(PartLine.ready.rawValue)
      }
      try process.serve(untilToldBy: signals)
    }
  }

  private func configurations(_ life: Incarnation) throws -> (
    cache: CacheConfiguration, supervisor: SupervisorConfiguration
  ) {
    let folder = try absoluteFolder(runFolder, for: "run")
    let shared = try absoluteFolder(shmFolder, for: "shared memory")
    let own = try socket("cache-\(life)", in: folder)
    let memory = "\(shared)/\(name.text)-\(life)"
    let node = NodeID(name.text)
    let cache = CacheConfiguration(
      node: node, cluster: part.cluster, incarnation: life, folder: memory,
      endpoints: (own: own, scheduler: scheduler.text, storage: store.place),
      defaultLevel: .accepted)
    var supervisor = SupervisorConfiguration(
      node: node, cluster: part.cluster, incarnation: life, executors: executors,
      endpoint: try socket("supervisor-\(life)", in: folder),
      peers: (scheduler: scheduler.text, storage: store.place, cache: own),
      executorProgram: Program.executor, bundleFolder: folder + "/bundles",
      slotsPath: memory + "/slots")
    supervisor.environment = ExecutorEnvironment.lines()
    return (cache, supervisor)
  }

  private func socket(_ name: String, in folder: String) throws -> String {
    let path = "\(folder)/\(name).ipc"
    guard path.utf8.count <= LocalSocket.pathBytesMax else {
      throw Failure(
        .usage, "\(path) is too long for a socket's path (\(LocalSocket.pathBytesMax) bytes)",
        hint: "use a --run-folder with a shorter path")
    }
    return "ipc://" + path
  }
}
