package import Caching
package import ClusterModel
package import SharedCache

/// What a cache loop is told at its start.
package struct CacheConfiguration: Sendable {
  package var node: NodeID
  package var cluster: ClusterID
  package var incarnation: Incarnation
  /// In shared memory; created by the loop and removed when it ends.
  package var folder: String
  /// Where executors dial this loop.
  package var endpoint: String
  package var schedulerEndpoint: String
  package var storage: StorePlace
  /// Of calls that name none, until the owner says so, which is before any write is taken.
  package var defaultLevel: WriteLevel
  package var shared = SharedCacheConfig()
  /// `bytesMax` and `dirtyBytesMax` are lowered where shared memory has less room than asked for.
  package var limits = NodeCacheLimits()
  /// How long an ordered stop waits for the owner to take what is not acknowledged.
  package var drainTimeMax = Duration.seconds(3)

  package init(
    node: NodeID, cluster: ClusterID, incarnation: Incarnation, folder: String,
    endpoints: (own: String, scheduler: String, storage: StorePlace), defaultLevel: WriteLevel
  ) {
    self.node = node
    self.cluster = cluster
    self.incarnation = incarnation
    self.folder = folder
    endpoint = endpoints.own
    schedulerEndpoint = endpoints.scheduler
    storage = endpoints.storage
    self.defaultLevel = defaultLevel
  }

  /// The limits for a map of this size: B-trees are not packed, and an overwritten page is free only
  /// after the next transaction.
  func limits(forMapOf mapBytes: Int) -> NodeCacheLimits {
    var limits = self.limits
    limits.bytesMax = min(limits.bytesMax, mapBytes / 4 * 3)
    limits.dirtyBytesMax = min(limits.dirtyBytesMax, limits.bytesMax / 2)
    limits.referenceSlots = shared.referenceSlots
    return limits
  }
}
