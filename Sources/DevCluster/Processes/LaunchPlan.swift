import ClusterModel
import LocalCluster
import Platform
import Supervision

/// How each process of a local cluster is started, and what it leaves behind when it is killed.
///
/// Sockets between the parts keep their paths for as long as the cluster lives, so that a part's
/// next life is found by the others; the hello tells the lives apart.
struct LaunchPlan {
  let endpoint: String
  /// Of the whole cluster; the nodes' folders are in it.
  let sharedMemoryFolder: String
  private let configuration: DevConfiguration
  private let folder: RunFolder
  /// Nil: the store is one shard, and needs no router.
  let tier: TierPlan?
  private let cluster: ClusterID
  private let back: String
  private let shard: String
  private let router: String

  init(
    _ configuration: DevConfiguration, _ folder: RunFolder, _ incarnation: Incarnation
  ) throws {
    tier = try TierPlan(configuration)
    self.configuration = configuration
    self.folder = folder
    cluster = ClusterID(incarnation.number)
    endpoint = "tcp://127.0.0.1:\(configuration.port)"
    sharedMemoryFolder = configuration.sharedMemoryFolder(incarnation)
    back = try folder.endpoint("back", incarnation)
    shard = try folder.endpoint("shard", incarnation)
    router = try folder.endpoint("router", incarnation)
  }

  var parts: [ClusterPart] {
    let store = tier.map { [.router] + $0.storageNodes.map(ClusterPart.storage) } ?? [.storage(0)]
    return store + [.scheduler] + (0..<configuration.nodes).map(ClusterPart.node)
  }

  /// Of `cloudburstd`.
  func arguments(of part: ClusterPart) -> [String] {
    let common = ["--cluster", "\(cluster)"]
    switch part {
    case .router: return ["router"] + common + routerOptions
    case .storage(let number): return ["storage"] + common + storageOptions(number)
    case .scheduler:
      return ["scheduler"] + common
        + ["--listen", endpoint, "--listen-nodes", back] + store
    case .node:
      return ["node"] + common + [
        "--name", "\(part)", "--executors", "\(configuration.executors)", "--scheduler", back,
        "--run-folder", runFolder(of: part), "--shm-folder", sharedMemoryFolder,
      ] + store
    }
  }

  /// How the others find it.
  private var store: [String] {
    tier == nil ? ["--storage", shard] : ["--router", router]
  }

  private var routerOptions: [String] {
    let data = tierFolder.map { ["--data", $0.router] } ?? ["--memory", "--memory-storage"]
    return ["--listen", router, "--copies", "\(configuration.copies)"]
      + ["--storage-nodes-expected", "\(tier?.storageNodes.count ?? 1)"] + data + anna
  }

  private var anna: [String] {
    configuration.annaPort.map { ["--anna-compat", "--anna-port", "\($0)"] } ?? []
  }

  private func storageOptions(_ number: Int) -> [String] {
    let grace = configuration.tombstoneGrace.components.seconds
    let listen = [
      "--listen", "tcp://127.0.0.1:*", "--tombstone-grace", "\(grace)",
      "--memory-budget", "\(configuration.memoryBudget >> 20)",
    ]
    guard let tier else {
      let data = configuration.dataFolder.map { ["--data", $0] } ?? ["--memory"]
      return listen + ["--listen", shard] + data + anna
    }
    let data = tierFolder.map { ["--data", $0.storage(number)] } ?? ["--memory"]
    return listen + data + [
      "--router", router, "--name", "\(ClusterPart.storage(number))", "--shards", "\(tier.shards)",
    ]
  }

  /// Nil: in memory only.
  var tierFolder: TierFolder? { configuration.dataFolder.map(TierFolder.init) }

  private func runFolder(of part: ClusterPart) -> String { "\(folder.path)/\(part)" }

  /// Removes what only the part's ended life used.
  func clean(after part: ClusterPart) {
    guard case .node = part else { return }
    for name in (try? Files.names(in: sharedMemoryFolder)) ?? []
    where name.hasPrefix("\(part)-") {
      removeTree("\(sharedMemoryFolder)/\(name)")
    }
    for name in (try? Files.names(in: runFolder(of: part))) ?? [] where name.hasSuffix(".ipc") {
      _ = try? Files.remove("\(runFolder(of: part))/\(name)")
    }
  }
}
