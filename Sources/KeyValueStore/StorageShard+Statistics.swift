import ClusterModel

extension StorageShard {
  package struct Statistics: Equatable, Sendable {
    /// Without tombstones.
    package var keys = 0
    /// Keys and records, and how much of that is in memory; the rest is on the disk only.
    package var storedBytes = 0
    package var memoryBytes = 0
    /// Keys whose records are on the disk only.
    package var coldKeys = 0
    package var watches = 0
    package var subscriptions = 0
    /// Requests that wait for the log.
    package var acknowledgementsWaiting = 0
    /// Why the log takes no writes; nil while it does.
    package var logTrouble: String?
    /// Of the ring this shard goes by, and the last one by which it had all it was to hold.
    package var epoch: UInt64 = 0
    package var settledEpoch: UInt64 = 0
    /// Entries that other shards may not have yet.
    package var replicationBacklog = 0
    /// Given to others in changes of the ring, and dropped afterwards, in this life.
    package var handedOverKeys = 0
    package var handedOverBytes = 0
    package var droppedKeys = 0
    /// Deletes that are old enough to be forgotten, and records of an earlier life that were too old.
    package var collectedTombstones = 0
    package var staleLeftovers = 0
    /// Two copies took writes of different types for one new key; the type of the higher number stays.
    package var typeConflicts = 0
    /// Stretches of the hash space in which two copies differed, and records sent for that, in this life.
    package var divergences = 0
    package var repairedKeys = 0
    /// How often, in this life, keys were found hot here and given extra replicas.
    package var hostings = 0
    /// Records that were left to the disk, that were read from it, and that could not be, in this life.
    package var demotions = 0
    package var promotions = 0
    package var damagedRecords = 0
    /// Of those, what another copy gave back.
    package var recoveredRecords = 0
  }

  package var statistics: Statistics {
    var statistics = statistic
    statistics.keys = table.liveCount
    statistics.storedBytes = table.byteCount
    statistics.memoryBytes = table.memoryByteCount
    statistics.coldKeys = table.coldCount
    statistics.watches = peers.values.reduce(0) { $0 + $1.watches.count }
    statistics.subscriptions = peers.values.reduce(0) { $0 + $1.subscriptions.count }
    statistics.acknowledgementsWaiting = waiting.count + replicating.count
    statistics.logTrouble = logTrouble?.reason
    statistics.epoch = placement.view.epoch
    statistics.settledEpoch = settledEpoch
    statistics.replicationBacklog = links.reduce(0) { $0 + $1.backlog }
    return statistics
  }
}
