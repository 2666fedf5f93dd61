import ClusterModel
import WireProtocol

/// From who lives and who has what to the next ring.
extension MemberRegister {
  mutating func advance(at now: UInt64, into effects: inout [Effect]) {
    guard pending == nil, (saveAgainAt ?? 0) <= now else { return }
    guard isTimeToAct(at: now) else {
      if hasUnsavedFence { keep(ring, into: &effects) }
      return
    }
    let isFirst = phase != .serving
    phase = .serving
    if let next = nextRing(at: now, isFirst: isFirst) {
      barTheMissing()
      keep(next, into: &effects)
    } else if hasUnsavedFence || (ring.epoch > 0 && ring != announced) {
      // A ring that is still right is told again by a membership that has just started.
      keep(ring, into: &effects)
    }
  }

  /// Lives that the ring names and nobody has heard: a membership that has just started never knew
  /// them as members.
  private mutating func barTheMissing() {
    for node in ring.nodes {
      guard let life = ring.incarnation(of: node), member(node)?.incarnation != life else {
        continue
      }
      bar(life, of: MemberID(role: .storage, name: node))
    }
  }

  private mutating func keep(_ next: RingView, into effects: inout [Effect]) {
    saveAgainAt = nil
    pending = next
    effects.append(.persist(state(with: next)))
  }

  private func state(with next: RingView) -> MembershipState {
    var state = MembershipState()
    state.ring = RingMessage(next)
    state.fences = fences.values.filter { $0.member.role == .storage }
      .sorted { $0.member < $1.member }
    return state
  }

  mutating func persisted(into effects: inout [Effect]) {
    guard let next = pending else { return }
    pending = nil
    saveTrouble = nil
    ring = next
    hasUnsavedFence = false
    guard phase == .serving, next != announced else { return }
    announced = next
    let state = next.isSettled ? "settled" : "moving from \(next.holderNodes)"
    effects.append(.notice("ring \(next.epoch): \(next.placedNodes), \(state)"))
    effects.append(.announce(next))
  }

  private mutating func isTimeToAct(at now: UInt64) -> Bool {
    let known = ring.nodes
    let haveCome = known.allSatisfy { member($0) != nil }
    switch phase {
    case .serving: return true
    case .gathering(let until) where now < until:
      if known.isEmpty { return storageCount >= configuration.storageNodesExpected }
      return haveCome
    case .gathering:
      if known.isEmpty { phase = .forming }
      return storageCount > 0
    case .forming: return storageCount > 0
    }
  }

  var storageCount: Int { members.keys.count { $0.role == .storage } }

  private func member(_ node: String) -> Member? {
    members[MemberID(role: .storage, name: node)]
  }

  /// Storage nodes that live, are not in the ring and want to be.
  private var joiners: [String] {
    let known = Set(ring.nodes)
    return members.keys.filter { $0.role == .storage && !known.contains($0.name) }
      .filter { members[$0]?.isLeaving == false }.map(\.name).sorted()
  }

  /// Holders of the change under way that are here in a next life: each brings what its log kept, the
  /// sooner the better. Also one that wants to go: that has to wait for the end of the change.
  private var returnedHolders: [String] {
    let known = Set(ring.nodes)
    return ring.holderNodes.filter { !known.contains($0) && member($0) != nil }
  }

  /// When the first of those who wait has waited for long enough; nil when nobody may join.
  var joinsDueAt: UInt64? {
    guard phase == .serving, ring.isSettled else { return nil }
    return joiners.compactMap { member($0)?.since }.min()
      .map { $0 + configuration.joinGather.wholeNanoseconds }
  }

  /// - Returns: nil when the present ring is as it should be, or nothing better can be had.
  private func nextRing(at now: UInt64, isFirst: Bool) -> RingView? {
    var living = ring.nodes.filter { member($0) != nil }
    let hasChangedLives = ring.nodes.contains {
      member($0)?.incarnation != ring.incarnation(of: $0)
    }
    let placed = ring.placedNodes.filter { member($0) != nil }
    var goal = placed
    if ring.isSettled {
      if joinsDueAt.map({ $0 <= now }) ?? false || isFirst { goal += joiners }
      let staying = goal.filter { member($0)?.isLeaving == false }
      if !staying.isEmpty { goal = staying }
    } else {
      goal += returnedHolders
    }
    // Nobody is left to hold the keys: whoever there is has to.
    if goal.isEmpty { goal = joiners.isEmpty ? living : joiners }
    guard !goal.isEmpty else { return nil }
    living += goal.filter { !living.contains($0) }
    let copies = copies(goal: goal.count)
    let isChanged =
      hasChangedLives || Set(goal) != Set(ring.placedNodes)
      || (ring.isSettled && copies != ring.copies)
    guard isChanged else { return settledRing() }
    return view(
      living: living, placed: goal, copies: copies, holders: holdersOfChange(living: living))
  }

  /// Whoever was to hold the keys when all was where it belonged. Those who are not among the living
  /// now are overtaken by those who are: writes go on without them.
  private func holdersOfChange(living: [String]) -> [RingView.Holder] {
    let before =
      ring.isSettled
      ? ring.ring.members.compactMap { member in
        ring.shard(member).map {
          RingView.Holder(member: member, incarnation: $0.incarnation)
        }
      } : ring.holders
    let nodes = Set(before.map(\.member.name))
    let goingOn = nodes.intersection(living)
    return before.map { holder in
      guard !goingOn.contains(holder.member.name) else { return holder }
      return RingView.Holder(
        member: holder.member, incarnation: holder.incarnation,
        overtakenBy: goingOn.union(holder.overtakenBy).sorted())
    }
  }

  /// While keys move the old ring is read by this number, too: it must not name fewer than hold them.
  private func copies(goal: Int) -> Int {
    let before = ring.isSettled ? ring.placedNodes.count : ring.holderNodes.count
    let isSame = ring.isSettled && goal == before
    return min(configuration.copies, isSame ? goal : max(goal, before))
  }

  /// The end of a change, once everybody who is to hold keys has them.
  private func settledRing() -> RingView? {
    guard !ring.isSettled else { return nil }
    let placed = ring.placedNodes
    let haveAll = placed.allSatisfy { (member($0)?.settledEpoch ?? 0) >= ring.epoch }
    guard haveAll, !mayLackWrites else { return nil }
    let copies = min(configuration.copies, placed.count)
    return view(living: placed, placed: placed, copies: copies, holders: [])
  }

  /// What was acknowledged of some keys lies in the logs of dead holders only. To settle without them
  /// would make keys that were acknowledged as durable read as absent.
  private var mayLackWrites: Bool {
    configuration.holdersKeepLogs && ring.holderTable.isAnyOutOfReach
  }

  private func view(
    living: [String], placed: [String], copies: Int, holders: [RingView.Holder]
  ) -> RingView {
    let shards = living.flatMap { node -> [ShardAddress] in
      guard let member = member(node) else { return [] }
      return member.endpoints.enumerated().map { number, endpoint in
        ShardAddress(
          member: RingMember(name: node, shard: UInt16(clamping: number)),
          incarnation: member.incarnation, endpoint: endpoint)
      }
    }
    let goal = Set(placed)
    return RingView(
      epoch: ring.epoch + 1, origin: ring.epoch == 0 ? wall : ring.origin, copies: copies,
      shards: shards,
      placed: shards.map(\.member).filter { goal.contains($0.name) }, holders: holders)
  }
}
