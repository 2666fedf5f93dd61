import ClusterModel
import WireProtocol

extension MemberRegister {
  /// What a storage node is to the ring.
  package enum Place: String, Sendable {
    /// Holds keys, or is about to.
    case placed
    /// Waits to be taken in.
    case joining
    /// Hands over what it held.
    case leaving
    /// Has handed over, and may go.
    case left
    /// Of another role.
    case none = ""
  }

  /// A member for whoever asks how the cluster is.
  package struct MemberStatus: Sendable {
    package let id: MemberID
    package let member: Member
    package let place: Place
    package let leaseAge: Duration
  }

  /// - Parameter now: monotonic.
  package func status(at now: UInt64) -> [MemberStatus] {
    members.sorted { $0.key < $1.key }.map { id, member in
      MemberStatus(
        id: id, member: member, place: place(of: id, member),
        leaseAge: .nanoseconds(now - min(now, member.lastReport)))
    }
  }

  private func place(of id: MemberID, _ member: Member) -> Place {
    guard id.role == .storage else { return .none }
    let isInRing = ring.nodes.contains(id.name)
    if member.isLeaving { return isInRing ? .leaving : .left }
    return isInRing ? .placed : .joining
  }

  package var isServing: Bool { phase == .serving }

  package var copiesConfigured: Int { configuration.copies }

  /// Copies of each key that there are to be now.
  package var copiesEffective: Int { min(configuration.copies, ring.placedNodes.count) }

  /// Storage nodes of the ring that do not live: theirs is the only loss a ring cannot answer.
  package var missingNodes: [String] {
    ring.placedNodes.filter { members[MemberID(role: .storage, name: $0)] == nil }
  }

  /// Storage nodes that may fail at once without a replicated write being lost.
  package var failuresSurvived: Int {
    guard missingNodes.isEmpty, ring.epoch > 0 else { return 0 }
    if ring.isSettled { return max(0, copiesEffective - 1) }
    let whole = ring.holderNodes.filter { node in
      ring.shards.contains { $0.member.name == node && ring.isFullHolder($0.member) }
    }
    let copiesBefore = min(configuration.copies, ring.holderNodes.count)
    return max(0, copiesBefore - 1 - (ring.holderNodes.count - whole.count))
  }
}
