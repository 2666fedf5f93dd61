package import ClusterModel
import WireProtocol

extension StoreRoutes {
  /// Takes a ring where it is the newer one, or where nobody of ours can be reached any more: then
  /// the cluster may have begun anew.
  mutating func adopt(_ other: RingView, _ now: UInt64, _ effects: inout [Effect]) {
    guard !other.ring.members.isEmpty, other != view else { return }
    guard other.epoch > view.epoch || !isMemberReached else { return }
    view = other
    table = OwnerTable(ring: other.ring, copies: other.copies)
    memberLinks = Array(repeating: nil, count: table.members.count)
    var stranded: [UInt64] = []
    for index in links.indices where links[index] != nil {
      stranded += keepOrLeave(index, now, &effects)
    }
    matchBootstrap()
    findReplicas()
    effects.append(.ringChanged)
    let paused = pauses.removeAll()
    placeAll(stranded + takeStranded() + paused, now, &effects)
    moveWatches(now, &effects)
  }

  /// Who listens to the membership is also told what changes at each shard, or of its status.
  mutating func follow(_ ring: RingView, _ now: UInt64, _ effects: inout [Effect]) {
    adopt(ring, now, &effects)
    for place in table.members.indices.prefix(limits.eagerRoutesMax) {
      _ = link(of: place, now, &effects)
    }
  }

  /// Whether the ring speaks of a life that we are connected to.
  private var isMemberReached: Bool {
    let lives = Set(view.shards.map(\.incarnation))
    return links.contains { link in
      guard let link, link.isUp, let incarnation = link.incarnation else { return false }
      return lives.contains(incarnation)
    }
  }

  /// - Returns: what waited for a connection that is given up.
  private mutating func keepOrLeave(
    _ index: Int, _ now: UInt64, _ effects: inout [Effect]
  ) -> [UInt64] {
    guard let link = links[index], link.isMember else { return [] }
    links[index]?.isMember = false
    if let place = table.members.firstIndex(where: { view.shard($0)?.endpoint == link.endpoint }) {
      memberLinks[place] = index
      links[index]?.isMember = true
      links[index]?.isLeaving = false
      return []
    }
    // As long as it lives it answers what it was asked.
    let lives = view.shards.contains { $0.endpoint == link.endpoint }
    if link.isBootstrap { return [] }
    if lives, link.isUp, link.underWay > 0 {
      links[index]?.isLeaving = true
      return []
    }
    return drop(index, now, &effects)
  }

  /// One shard may be reached by another endpoint than the ring names, as this machine's own do.
  mutating func matchBootstrap() {
    for index in links.indices {
      guard let link = links[index], link.isBootstrap, !link.isMember, link.isUp else { continue }
      let places = table.members.indices.filter { place in
        memberLinks[place] == nil
          && view.shard(table.members[place])?.incarnation == link.incarnation
      }
      guard places.count == 1 else { continue }
      memberLinks[places[0]] = index
      links[index]?.isMember = true
    }
  }

  /// Where a key is asked now, without dialling anybody; nil where that is not settled.
  package func route(of key: Key) -> Route? {
    guard table.width > 0 else { return nil }
    if table.members.count == 1 { return memberLinks[0].map(Route.init) }
    for owner in table.owners(of: StableHash.of(key.bytes)) {
      if let index = memberLinks[Int(owner)], links[index]?.isUp == true,
        links[index]?.isSilent == false
      {
        return Route(index)
      }
    }
    return nil
  }

  /// Members of the ring without a connection that is up, ascending.
  package var membersOutOfReach: [RingMember] {
    table.members.indices.filter { place in
      memberLinks[place].flatMap { links[$0]?.isUp } != true
    }.map { table.members[$0] }
  }

  /// Whom the ring names there; nil where it names nobody, or there is one shard alone.
  package func member(at route: Route) -> RingMember? {
    guard table.members.count > 1 else { return nil }
    return memberLinks.firstIndex { $0 == route.index }.map { table.members[$0] }
  }

  /// Whether whoever is connected there is to hold a key, by the newest ring.
  package func isHolder(_ route: Route, of key: Key) -> Bool {
    if table.members.count <= 1 { return true }
    return table.owners(of: StableHash.of(key.bytes)).contains {
      memberLinks[Int($0)] == route.index
    }
  }

  /// The connection to a key's owner, be it up or not; nil while there is none.
  package func ownerRoute(of key: Key) -> Route? {
    if table.width == 0 { return links.firstIndex { $0?.isBootstrap == true }.map(Route.init) }
    return table.owner(of: StableHash.of(key.bytes)).flatMap { memberLinks[Int($0)] }
      .map(Route.init)
  }

  /// Where a connection goes, for messages.
  package func endpoint(of route: Route) -> String? {
    route.index < links.count ? links[route.index]?.endpoint : nil
  }
}
