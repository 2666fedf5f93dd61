import ClusterModel
import LocalCluster
import NodeRuntime

/// Who listens where in one life of a local cluster.
struct DevPlan: Sendable {
  let storage: StorageConfiguration
  let cache: CacheConfiguration
  let supervisor: SupervisorConfiguration
  /// Nil: no door for Anna's clients.
  let anna: AnnaConfiguration?
  private let cluster: ClusterID
  private let incarnation: Incarnation
  /// The cluster's.
  let endpoint: String
  private let back: String
  private let local: (storage: String, cache: String)

  init(
    _ configuration: DevConfiguration, _ folder: RunFolder, _ incarnation: Incarnation
  ) throws {
    self.incarnation = incarnation
    cluster = ClusterID(incarnation.number)
    endpoint = "tcp://127.0.0.1:\(configuration.port)"
    back = try folder.endpoint("back", incarnation)
    local = (
      try folder.endpoint("shard", incarnation), try folder.endpoint("cache", incarnation)
    )
    var storage = StorageConfiguration(
      cluster: cluster, incarnation: incarnation,
      endpoints: ["tcp://127.0.0.1:*", local.storage], dataFolder: configuration.dataFolder)
    storage.software = PartProcess.software
    storage.tombstoneGrace = configuration.tombstoneGrace
    storage.memoryBudget = configuration.memoryBudget
    self.storage = storage
    let (cluster, shard) = (cluster, local.storage)
    anna = configuration.annaPort.map { port in
      AnnaConfiguration(
        cluster: cluster, incarnation: incarnation, address: "127.0.0.1", port: port,
        storage: .shard(endpoint: shard))
    }
    let node = NodeID("node0")
    cache = CacheConfiguration(
      node: node, cluster: cluster, incarnation: incarnation,
      folder: configuration.sharedMemoryFolder(incarnation),
      endpoints: (own: local.cache, scheduler: back, storage: .shard(endpoint: local.storage)),
      defaultLevel: storage.defaultLevel)
    var supervisor = SupervisorConfiguration(
      node: node, cluster: cluster, incarnation: incarnation,
      executors: configuration.executors,
      endpoint: try folder.endpoint("supervisor", incarnation),
      peers: (scheduler: back, storage: .shard(endpoint: local.storage), cache: local.cache),
      executorProgram: configuration.executorProgram, bundleFolder: folder.bundleFolder,
      slotsPath: configuration.sharedMemoryFolder(incarnation) + "/slots")
    supervisor.environment = configuration.environment
    self.supervisor = supervisor
  }

  /// - Parameter storage: the endpoints the shard bound; the first is for clients.
  func scheduler(storage bound: [String]) -> SchedulerConfiguration {
    var scheduler = SchedulerConfiguration(
      cluster: cluster, incarnation: incarnation, front: endpoint, back: back,
      storage: (place: .shard(endpoint: local.storage), forClients: [bound[0]]),
      writeLevel: storage.defaultLevel)
    scheduler.software = PartProcess.software
    return scheduler
  }
}
