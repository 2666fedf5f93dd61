package import ClusterModel

/// What a membership is told at its start.
package struct MembershipConfiguration: Sendable {
  /// Of each key, on different nodes as far as there are nodes.
  package var copies = 2
  /// A cluster without a past gets its first ring when so many storage nodes have come.
  package var storageNodesExpected = 1
  /// Storage nodes keep their keys on disk: a holder that is dead may still bring them in its next life.
  package var holdersKeepLogs = true
  /// For how long a member may act, from when it sent its report.
  package var lease = Duration.seconds(2)
  /// How much later its life is over here: a member's own end comes first.
  package var leaseMargin = Duration.milliseconds(500)
  /// A member whose connection broke has this long to be back, where its lease is longer: the kernel
  /// ends connections when it ends a process, and one that lives dials again within 100 ms.
  package var brokenGrace = Duration.milliseconds(800)
  /// How long a membership that has just started waits for the members of the ring before it.
  package var startGrace = Duration.seconds(5)
  /// Nodes that come within this time are taken in together.
  package var joinGather = Duration.milliseconds(200)
  /// A state that could not be kept is tried again after this.
  package var saveRetry = Duration.seconds(1)
  /// The clocks that a ring knows are looked at this often; a longer silence was the membership's own.
  package var tick = Duration.milliseconds(500)
  /// Members; further ones are refused with `OVERLOADED`.
  package var membersMax = 4096
  /// Shards of one storage node.
  package static let shardsMax = 256

  package init() {}
}

extension RingView {
  /// The nodes of `shards`, ascending.
  package var nodes: [String] { Self.names(of: shards.map(\.member)) }
  /// The nodes that are to hold keys, ascending.
  package var placedNodes: [String] { Self.names(of: ring.members) }
  /// The nodes of `holders`, ascending.
  package var holderNodes: [String] { Self.names(of: holders.map(\.member)) }

  package func incarnation(of node: String) -> Incarnation? {
    shards.first { $0.member.name == node }?.incarnation
  }

  private static func names(of members: [RingMember]) -> [String] {
    var names: [String] = []
    for member in members.sorted() where names.last != member.name { names.append(member.name) }
    return names
  }
}
