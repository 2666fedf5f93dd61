package import ClusterModel
import Glibc
import LocalCluster

/// What a local cluster is told at its start.
package struct DevConfiguration: Sendable {
  package var port: UInt16
  /// Nil keeps data in memory only.
  package var dataFolder: String?
  /// Of each node.
  package var executors: Int
  /// One node and everything else share this process; from two on every part has a process of its
  /// own.
  package var nodes = 1
  /// How many storage nodes; nil: as many as the data folder knows, or one. A single one of one shard
  /// needs no router.
  package var storageNodes: Int?
  /// Of each storage node; nil: as many as the data folder knows, or one.
  package var shards: Int?
  /// Storage nodes that hold each key, as far as there are nodes.
  package var copies = 2
  /// How long what was deleted is remembered.
  package var tombstoneGrace = Limits.tombstoneGrace
  /// Bytes of keys and records that each shard keeps in memory: whole MiB.
  package var memoryBudget = 4 << 30
  /// Absolute path of `cloudburstd`, for the parts that are processes.
  package var daemonProgram = ""
  /// Absolute path of `cloudburst-executor`.
  package var executorProgram: String
  /// The folder under which the node's cache is made: a tmpfs, as a rule.
  package var sharedMemoryTop: String
  /// The first port of the Anna door; nil: there is none.
  package var annaPort: UInt16?
  /// `NAME=value` lines that executors inherit.
  package var environment: [String] = []

  /// Whether all but the executors is in one process.
  ///
  /// - Throws: `dataFormat` where the data folder is that of a cluster of another shape.
  package func isOneProcess() throws(Failure) -> Bool {
    let tier = try TierPlan(self)
    return nodes == 1 && tier == nil
  }

  package init(port: UInt16, dataFolder: String?, executors: Int, executorProgram: String) {
    precondition(executors > 0, "a cluster has at least one executor")
    self.port = port
    self.dataFolder = dataFolder
    self.executors = executors
    self.executorProgram = executorProgram
    sharedMemoryTop = Self.defaultSharedMemoryTop
  }

  /// `$CLOUDBURST_SHM`, or the system's folder of shared memory.
  package static var defaultSharedMemoryTop: String {
    let chosen = getenv("CLOUDBURST_SHM").map { String(cString: $0) } ?? ""
    return chosen.isEmpty ? "/dev/shm" : chosen
  }

  func sharedMemoryFolder(_ incarnation: Incarnation) -> String {
    "\(sharedMemoryTop)/cloudburst-\(getuid())-\(port)-\(incarnation)"
  }
}
