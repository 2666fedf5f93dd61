import ClusterModel
import LocalCluster
import NodeRuntime
import Platform

/// Where a local cluster with a router keeps its data: a folder for each storage node, and one for
/// the router. A cluster without one has the log of its only shard there.
struct TierFolder: Sendable {
  let path: String

  /// Numbers of the storage nodes that have data here, ascending.
  var storageNodes: [Int] {
    ((try? Files.names(in: path)) ?? []).filter { $0.hasPrefix(Self.prefix) }
      .compactMap { Int($0.dropFirst(Self.prefix.count)) }.sorted()
  }

  var router: String { "\(path)/router" }

  func storage(_ number: Int) -> String { "\(path)/\(Self.prefix)\(number)" }

  /// Of each storage node; nil where there is none.
  var shards: Int? {
    storageNodes.lazy.map { StorageFolder(storage($0)).shardCount }.first { $0 > 0 }
  }

  /// The keys of a node that has left are with the others.
  func removeStorage(_ number: Int) { removeTree(storage(number)) }

  private static let prefix = "storage"
}

/// The storage nodes of a local cluster with a router.
struct TierPlan: Sendable {
  /// Numbers, ascending.
  let storageNodes: [Int]
  let shards: Int

  /// - Returns: nil for a cluster of one shard, which needs no router.
  /// - Throws: `dataFormat` where the data folder is that of another cluster's shape.
  init?(_ configuration: DevConfiguration) throws(Failure) {
    let folder = configuration.dataFolder.map(TierFolder.init)
    let known = folder?.storageNodes ?? []
    let count = configuration.storageNodes ?? max(known.count, 1)
    shards = configuration.shards ?? folder?.shards ?? 1
    guard count > 1 || shards > 1 || !known.isEmpty else { return nil }
    if let folder, StorageFolder(folder.path).isOfOneShardAlone {
      throw Failure(
        .dataFormat, "\(folder.path) holds the data of a cluster with one shard, without a router",
        hint: "choose another --data; cbctl kv export and import bring the keys over")
    }
    guard known.count <= count else {
      throw Failure(
        .dataFormat, "the data folder holds \(known.count) storage nodes, not \(count)",
        hint: "start it with --storage-nodes \(known.count), then: cbctl storage remove NAME")
    }
    let free = (0...).lazy.filter { !known.contains($0) }
    storageNodes = (known + free.prefix(count - known.count)).sorted()
  }
}
