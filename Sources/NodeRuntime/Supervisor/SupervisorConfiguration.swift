import Caching
package import ClusterModel
import SharedCache

/// What a supervisor loop is told at its start.
package struct SupervisorConfiguration: Sendable {
  package var node: NodeID
  package var cluster: ClusterID
  package var incarnation: Incarnation
  package var executors: Int
  /// Where executors dial this loop.
  package var endpoint: String
  package var schedulerEndpoint: String
  package var storage: StorePlace
  package var cacheEndpoint: String
  /// Absolute path of `cloudburst-executor`.
  package var executorProgram: String
  /// Bundle files, named by their digest; only this process writes there.
  package var bundleFolder: String
  /// The file of the slot table, made by this process.
  package var slotsPath: String
  /// Bytes of private memory a call may take that does not ask for another amount (`RLIMIT_DATA`).
  package var executorDataBytesMax = Limits.callMemoryBytes
  /// Of an executor's shared memory so much may be the cache's and the program's own files.
  package var sharedBytesKnown = UInt64(
    SharedCacheConfig().mapBytes + NodeCacheLimits().bytesMax + (64 << 20))
  /// `NAME=value` lines that executors inherit.
  package var environment: [String] = []

  package init(
    node: NodeID, cluster: ClusterID, incarnation: Incarnation, executors: Int, endpoint: String,
    peers: (scheduler: String, storage: StorePlace, cache: String), executorProgram: String,
    bundleFolder: String, slotsPath: String
  ) {
    precondition(executors > 0, "a node has at least one executor")
    precondition(executorProgram.hasPrefix("/"), "the program is started by its absolute path")
    self.node = node
    self.cluster = cluster
    self.incarnation = incarnation
    self.executors = executors
    self.endpoint = endpoint
    schedulerEndpoint = peers.scheduler
    storage = peers.storage
    cacheEndpoint = peers.cache
    self.executorProgram = executorProgram
    self.bundleFolder = bundleFolder
    self.slotsPath = slotsPath
  }
}
