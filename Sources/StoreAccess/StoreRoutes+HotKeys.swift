package import ClusterModel
import WireProtocol

/// Hot keys are served by more shards than their owners; which, their first owners tell.
extension StoreRoutes {
  /// What a shard that is the first owner of hot keys says of all of them.
  mutating func take(_ list: HotKeyList, from index: Int) {
    guard spread != 0 else { return }
    hotLists[index] = list.keys.isEmpty ? nil : list
    findReplicas()
  }

  /// After another ring, or another list.
  mutating func findReplicas() {
    extraReplicas = [:]
    for index in hotLists.keys.sorted() {
      guard let list = hotLists[index], list.epoch == view.epoch else { continue }
      for key in list.keys {
        extraReplicas[key.hash] = key.replicas.compactMap { name in
          RingMember(name).flatMap { table.members.firstIndex(of: $0) }
        }
      }
    }
  }

  /// Whoever was asked does not serve it: the owners do.
  ///
  /// - Returns: whether there were any.
  mutating func forgetReplicas(of hash: UInt64) -> Bool {
    extraReplicas.removeValue(forKey: hash) != nil
  }

  private func choice(_ hash: UInt64, _ extra: [Int]) -> Int {
    let places = table.owners(of: hash).map { Int($0) } + extra
    return places[Int(spread % UInt64(places.count))]
  }

  /// Whether a key's requests go, or went a moment ago, to the shard at the other end of a connection.
  package func isAsked(_ route: Route, for key: Key) -> Bool {
    if ownerRoute(of: key) == route { return true }
    let hash = StableHash.of(key.bytes)
    return extraReplicas[hash].map { memberLinks[choice(hash, $0)] == route.index } ?? false
  }

  /// The shard that this process asks for a hot key; nil where it is not hot, or that one is out of reach.
  mutating func chooseReplica(
    _ hash: UInt64, _ now: UInt64, _ effects: inout [Effect]
  ) -> Int? {
    guard let extra = extraReplicas[hash] else { return nil }
    let index = link(of: choice(hash, extra), now, &effects)
    return links[index]?.isUp == true && isUsable(index, now) ? index : nil
  }
}

extension KeyRequest {
  /// Whether an extra replica can do what it asks for.
  var isSpread: Bool { type != .list && type != .explain && !subscribe }
}
