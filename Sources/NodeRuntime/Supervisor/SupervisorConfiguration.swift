package import ClusterModel

/// What a supervisor loop is told at its start.
package struct SupervisorConfiguration: Sendable {
  package var node: NodeID
  package var cluster: ClusterID
  package var incarnation: Incarnation
  package var executors: Int
  /// Where executors dial this loop.
  package var endpoint: String
  package var schedulerEndpoint: String
  package var storageEndpoint: String
  package var cacheEndpoint: String
  /// Absolute path of `cloudburst-executor`.
  package var executorProgram: String
  /// Bundle files, named by their digest; only this process writes there.
  package var bundleFolder: String
  /// Bytes of heap an executor may take (`RLIMIT_DATA`).
  package var executorDataBytesMax: UInt64 = 512 << 20
  /// `NAME=value` lines that executors inherit.
  package var environment: [String] = []

  package init(
    node: NodeID, cluster: ClusterID, incarnation: Incarnation, executors: Int, endpoint: String,
    peers: (scheduler: String, storage: String, cache: String), executorProgram: String,
    bundleFolder: String
  ) {
    precondition(executors > 0, "a node has at least one executor")
    precondition(executorProgram.hasPrefix("/"), "the program is started by its absolute path")
    self.node = node
    self.cluster = cluster
    self.incarnation = incarnation
    self.executors = executors
    self.endpoint = endpoint
    schedulerEndpoint = peers.scheduler
    storageEndpoint = peers.storage
    cacheEndpoint = peers.cache
    self.executorProgram = executorProgram
    self.bundleFolder = bundleFolder
  }
}
