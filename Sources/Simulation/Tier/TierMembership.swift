import ClusterModel

/// The membership as the tier's simulation needs it: it cannot die here.
final class TierMembership {
  private struct Member {
    var incarnation: Incarnation
    var reportedAt: UInt64
    var settledEpoch: UInt64 = 0
    var isLeaving = false
  }

  private unowned let world: TierSimulation
  private var members: [String: Member] = [:]
  private var fenced: Set<Incarnation> = []
  private(set) var view = RingView.none
  private var joining: Set<String> = []

  static let lease = Duration.seconds(2)
  private static let margin = Duration.milliseconds(300)

  init(in world: TierSimulation) {
    self.world = world
    tick()
  }

  /// All that is to hold keys holds them, and nobody is on the way in or out.
  var isQuiet: Bool {
    view.isSettled && joining.isEmpty && world.nodes.allSatisfy { $0.isAlive && !$0.isPaused }
      && members.values.allSatisfy { $0.settledEpoch == view.epoch }
  }

  /// - Returns: nil: fenced.
  func report(from node: TierNode, incarnation: Incarnation, settled: UInt64) -> RingView? {
    guard !fenced.contains(incarnation) else { return nil }
    if let known = members[node.name], known.incarnation != incarnation {
      guard known.incarnation < incarnation else { return nil }
      fenced.insert(known.incarnation)
      members[node.name] = Member(incarnation: incarnation, reportedAt: world.now)
      change()
    } else if members[node.name] == nil {
      members[node.name] = Member(incarnation: incarnation, reportedAt: world.now)
      // Keys may have no other holder left: one who held them is waited for by nobody else.
      if view.holders.contains(where: { $0.member == node.member }) {
        change()
      } else {
        joining.insert(node.name)
      }
    }
    members[node.name]?.reportedAt = world.now
    members[node.name]?.settledEpoch = settled
    members[node.name]?.isLeaving = node.isLeaving
    settle()
    return view
  }

  func mayLeave(_ name: String) -> Bool {
    view.isSettled && !view.ring.members.contains { $0.name == name }
  }

  private func tick() {
    world.later(.milliseconds(100)) { [self] in
      let patience = (Self.lease + Self.margin).wholeNanoseconds
      let dead = members.filter { $0.value.reportedAt + patience < world.now }.keys.sorted()
      for name in dead {
        guard let gone = members.removeValue(forKey: name) else { continue }
        fenced.insert(gone.incarnation)
        joining.remove(name)
      }
      if !dead.isEmpty { change() }
      admit()
      settle()
      tick()
    }
  }

  /// Takes in those who wait, and lets go those who want to, once nothing else moves.
  private func admit() {
    guard view.isSettled else { return }
    let leaving = members.filter { $0.value.isLeaving }.keys
    let stays = members.contains { !$0.value.isLeaving }
    let goes =
      stays && leaving.contains { name in view.ring.members.contains { $0.name == name } }
    let isFirst = view.epoch == 0
    guard goes || (isFirst ? joining.count == world.profile.nodes : !joining.isEmpty) else {
      return
    }
    joining = []
    change()
  }

  /// From the ring that holds the keys to one of all who live and stay.
  private func change() {
    guard view.epoch > 0 || joining.isEmpty else { return }
    let holders =
      view.isSettled
      ? view.ring.members.map { member in
        RingView.Holder(
          member: member, incarnation: view.shard(member)?.incarnation ?? Incarnation(0))
      } : view.holders
    publish(holders: world.planted == .settlesAtOnce ? [] : holders)
  }

  private func publish(holders: [RingView.Holder]) {
    let living = members.filter { !joining.contains($0.key) }
    let shards = living.map { name, member in
      ShardAddress(
        member: RingMember(name: name, shard: 0), incarnation: member.incarnation, endpoint: name)
    }
    // The last one stays, whatever it wishes.
    let staying = living.filter { !$0.value.isLeaving }
    let placed = (staying.isEmpty ? living : staying).keys.map { RingMember(name: $0, shard: 0) }
    view = RingView(
      epoch: view.epoch + 1, copies: world.profile.copies, shards: shards, placed: placed,
      holders: holders)
    for node in world.nodes { node.announce(view) }
  }

  private func settle() {
    guard !view.isSettled, !view.ring.members.isEmpty else { return }
    let isDone = view.ring.members.allSatisfy {
      (members[$0.name]?.settledEpoch ?? 0) >= view.epoch
    }
    let away = view.holders.count { view.shard($0.member) == nil }
    if isDone, away < min(view.copies, view.holders.count) { publish(holders: []) }
  }
}
