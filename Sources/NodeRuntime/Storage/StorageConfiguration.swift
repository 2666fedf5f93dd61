package import ClusterModel
package import KeyValueStore
import WireProtocol

/// What a storage loop is told at its start.
package struct StorageConfiguration: Sendable {
  package var cluster: ClusterID
  package var incarnation: Incarnation
  /// Where peers dial; the first is the one for clients, and may leave the port to the system.
  package var endpoints: [String]
  /// Where the log is kept; nil: in memory only.
  package let dataFolder: String?
  /// Of writes that name none.
  package let defaultLevel: WriteLevel
  package var limits: StorageLimits
  /// Connections; further ones are refused with `OVERLOADED`.
  package var peersMax = 4096
  /// How long an ordered stop waits for the log, which may have failed.
  package var stopPatience = Duration.seconds(5)
  /// Which shard of which node this is.
  package var member = RingMember(name: "storage0", shard: 0)
  /// Nil: there is no membership and no other shard, the ring is this one for ever.
  package var news: TierNews?
  /// Told, on the loop's thread, the epochs by whose ring the shard has all it is to hold.
  package var onSettled: @Sendable (UInt64) -> Void = { _ in }
  /// The platform's version, for those who connect.
  package var software = ""

  /// - Parameter defaultLevel: nil is `durable` where there is a data folder, else `accepted`.
  package init(
    cluster: ClusterID, incarnation: Incarnation, endpoints: [String], dataFolder: String?,
    defaultLevel: WriteLevel? = nil
  ) {
    precondition(!endpoints.isEmpty, "a loop that nobody can dial has nothing to do")
    precondition(
      defaultLevel != .durable || dataFolder != nil, "without a data folder nothing is durable")
    self.cluster = cluster
    self.incarnation = incarnation
    self.endpoints = endpoints
    self.dataFolder = dataFolder
    self.defaultLevel = defaultLevel ?? (dataFolder == nil ? .accepted : .durable)
    limits = StorageLimits()
  }

  /// How long what was deleted is remembered.
  package var tombstoneGrace: Duration {
    get { limits.tombstoneGrace }
    set { limits.tombstoneGrace = newValue }
  }

  /// Of keys and records in memory.
  package var memoryBudget: Int {
    get { limits.memoryBytesMax }
    set { limits.memoryBytesMax = newValue }
  }

  /// What this shard says to the others it dials.
  var shardHello: Hello {
    var hello = Hello()
    hello.role = .storage
    hello.cluster = cluster.number
    hello.incarnation = incarnation
    hello.name = member.description
    return hello
  }
}
