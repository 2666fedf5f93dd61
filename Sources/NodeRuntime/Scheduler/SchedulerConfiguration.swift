package import ClusterModel
package import Scheduling

/// What a scheduler loop is told at its start.
package struct SchedulerConfiguration: Sendable {
  package var cluster: ClusterID
  package var incarnation: Incarnation
  /// The cluster's endpoint: where clients dial; may leave the port to the system.
  package var frontEndpoint: String
  /// Where the executors, caches and supervisors of this machine dial.
  package var backEndpoint: String
  /// Where this scheduler keeps the registry, intents and futures.
  package var storage: StorePlace
  /// The shards, as clients dial them, until the store itself says so; may be empty.
  package var clientStorageEndpoints: [String]
  /// Of writes that name none, until the shard says so; told to those who connect.
  package var writeLevel: WriteLevel
  package var limits = SchedulerLimits()
  package var placement = PlacementPolicyName.leastOutstanding
  package var roster = AgentRoster.Configuration()
  /// How long clients wait for their welcome while the registry is loaded.
  package var startPatience = Duration.seconds(2)
  /// What placement draws from.
  package var seed: UInt64
  /// Clients connected at a time; further ones are refused with `OVERLOADED`.
  package var clientsMax = 4096
  /// How soon a client that went away without a word is noticed.
  package var clientProbeInterval = Duration.seconds(5)
  /// How long the parts of the cluster may take to say how they are; a silent one is left out.
  package var statusTimeLimit = Duration.seconds(2)
  /// The platform's version, for those who connect.
  package var software = ""

  package init(
    cluster: ClusterID, incarnation: Incarnation, front: String, back: String,
    storage: (place: StorePlace, forClients: [String]), writeLevel: WriteLevel
  ) {
    self.cluster = cluster
    self.incarnation = incarnation
    frontEndpoint = front
    backEndpoint = back
    self.storage = storage.place
    clientStorageEndpoints = storage.forClients
    self.writeLevel = writeLevel
    seed = incarnation.number
  }
}
