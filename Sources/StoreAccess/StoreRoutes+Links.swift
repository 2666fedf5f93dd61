import ClusterModel
import WireProtocol

/// Connections: which there are, and what becomes of what waits for them.
extension StoreRoutes {
  mutating func begin(at endpoints: [String], _ now: UInt64, _ effects: inout [Effect]) {
    guard endpoints != bootstrap else { return }
    bootstrap = endpoints
    // A ring of one is as old as the endpoint it was reached by.
    if table.members.count == 1 { forgetRing() }
    var stranded: [UInt64] = []
    for index in links.indices {
      guard let link = links[index], link.isBootstrap, !endpoints.contains(link.endpoint) else {
        continue
      }
      links[index]?.isBootstrap = false
      if !link.isMember { stranded += drop(index, now, &effects) }
    }
    for endpoint in endpoints {
      if let index = links.firstIndex(where: { $0?.endpoint == endpoint }) {
        links[index]?.isBootstrap = true
      } else {
        let index = dial(endpoint, now, &effects)
        links[index]?.isBootstrap = true
      }
    }
    placeAll(stranded, now, &effects)
  }

  private mutating func forgetRing() {
    view = .none
    table = .none
    memberLinks = []
    for index in links.indices { links[index]?.isMember = false }
  }

  mutating func dial(_ endpoint: String, _ now: UInt64, _ effects: inout [Effect]) -> Int {
    let index = links.firstIndex { $0 == nil } ?? links.count
    if index == links.count { links.append(nil) }
    links[index] = Link(endpoint: endpoint, phase: .dialling(since: now))
    effects.append(.dial(Route(index), endpoint: endpoint))
    return index
  }

  /// Ends a connection. - Returns: what waited for it, to be placed anew.
  mutating func drop(_ index: Int, _ now: UInt64, _ effects: inout [Effect]) -> [UInt64] {
    let stranded = takeBackAll(of: index, unsent: [], now, &effects)
    for place in memberLinks.indices where memberLinks[place] == index { memberLinks[place] = nil }
    links[index] = nil
    if hotLists.removeValue(forKey: index) != nil { findReplicas() }
    effects.append(.hangUp(Route(index)))
    return stranded
  }

  mutating func connected(
    _ index: Int, _ incarnation: Incarnation, _ now: UInt64, _ effects: inout [Effect]
  ) {
    guard index < links.count, links[index] != nil else { return }
    // Whatever was sent before this welcome went to a connection that is gone.
    let again = takeBackAll(of: index, unsent: [], now, &effects)
    links[index]?.phase = .up
    links[index]?.incarnation = incarnation
    links[index]?.refusal = nil
    links[index]?.isSilent = false
    links[index]?.isWanted = false
    links[index]?.avoidedUntil = 0
    links[index]?.heardAt = now
    matchBootstrap()
    placeAll(again + takeStranded(), now, &effects)
    resumeWatches(now, &effects)
  }

  mutating func lose(
    _ index: Int, unsent: [UInt64], _ now: UInt64, _ effects: inout [Effect]
  ) {
    guard index < links.count, let link = links[index] else { return }
    links[index]?.refusal = nil
    let again = takeBackAll(of: index, unsent: unsent, now, &effects)
    if link.isUp { links[index]?.phase = .down }
    if link.isLeaving {
      placeAll(again + drop(index, now, &effects), now, &effects)
    } else {
      placeAll(again, now, &effects)
    }
    resumeWatches(now, &effects)
  }

  /// Takes everything from a connection: what may be repeated is returned in order, the rest fails.
  private mutating func takeBackAll(
    of index: Int, unsent: [UInt64], _ now: UInt64, _ effects: inout [Effect]
  ) -> [UInt64] {
    guard let link = links[index] else { return [] }
    for number in watches.keys where watches[number]?.link == index { watches[number]?.link = nil }
    links[index]?.waiting = []
    guard link.underWay > 0 else { return link.waiting }
    links[index]?.underWay = 0
    var again: [UInt64] = []
    let sent = asks.filter { $0.value.link == index && $0.value.isSent }.keys.sorted()
    for number in sent {
      asks[number]?.isSent = false
      asks[number]?.link = nil
      guard let ask = asks[number] else { continue }
      if ask.repetition == .harmless || unsent.contains(number) {
        again.append(number)
      } else {
        fail(number, Self.lostConnection(to: link.endpoint, ask.repetition), now, &effects)
      }
    }
    return again + link.waiting
  }

  private static func lostConnection(
    to endpoint: String, _ repetition: StoreRequest.Repetition
  ) -> Failure {
    let effect = repetition == .harmful ? "; whether it took effect is not known" : ""
    return Failure(
      .unavailable,
      "the request was under way when the connection to \(endpoint) was lost\(effect)",
      hint: "cbctl status --endpoint \(endpoint)")
  }

  mutating func takeBack(_ number: UInt64, from index: Int, _ now: UInt64) {
    guard index < links.count, let link = links[index] else { return }
    if link.isUp { links[index]?.phase = .dialling(since: now) }
    for watch in watches.keys where watches[watch]?.link == index { watches[watch]?.link = nil }
    guard let ask = asks[number], ask.link == index, ask.isSent else { return }
    asks[number]?.isSent = false
    links[index]?.underWay -= 1
    // By age, so that order survives.
    let place = link.waiting.firstIndex { $0 > number } ?? link.waiting.count
    links[index]?.waiting.insert(number, at: place)
  }

  mutating func refused(_ index: Int, _ failure: Failure, _ effects: inout [Effect]) {
    guard index < links.count, let link = links[index], !link.isUp else { return }
    links[index]?.refusal = failure
    links[index]?.phase = .down
    links[index]?.waiting = []
    for number in link.waiting where asks[number]?.link == index && asks[number]?.isSent == false {
      asks[number]?.link = nil
      end(number, failure, &effects)
    }
  }

  mutating func heard(_ index: Int, _ now: UInt64) {
    links[index]?.heardAt = now
    if links[index]?.isSilent == true { links[index]?.isSilent = false }
  }

  mutating func passOver(silent index: Int, _ now: UInt64, _ effects: inout [Effect]) {
    links[index]?.isSilent = true
    let sent = asks.filter {
      $0.value.link == index && $0.value.isSent && $0.value.repetition == .harmless
        && $0.value.member == nil
    }
    for number in sent.keys.sorted() {
      asks[number]?.isSent = false
      asks[number]?.link = nil
      links[index]?.underWay -= 1
      place(number, now, &effects)
    }
    askForRing(now, &effects)
  }

  /// Whoever waits goes to the next copy; the dialling goes on.
  mutating func giveUpDialling(_ index: Int, _ now: UInt64, _ effects: inout [Effect]) {
    links[index]?.phase = .down
    links[index]?.isWanted = false
    let waiting = links[index]?.waiting ?? []
    links[index]?.waiting = []
    placeAll(waiting, now, &effects)
    resumeWatches(now, &effects)
  }

  mutating func placeAll(_ numbers: [UInt64], _ now: UInt64, _ effects: inout [Effect]) {
    for number in numbers where asks[number]?.isSent == false { place(number, now, &effects) }
  }

  /// What waits for connections that are not up, and for any at all.
  mutating func takeStranded() -> [UInt64] {
    var stranded = unplaced
    unplaced = []
    for index in links.indices where links[index] != nil {
      stranded += links[index]?.waiting ?? []
      links[index]?.waiting = []
    }
    return stranded
  }

  /// Whom a key is asked of: the first of its copies that can be reached. Where none can, the owner,
  /// and others are dialled who may know of a newer ring.
  ///
  /// - Parameter isSpread: of a hot key, an extra replica can be asked as well.
  /// - Returns: nil where not one endpoint is known.
  mutating func choose(
    _ hash: UInt64, _ member: RingMember?, isSpread: Bool = false, _ now: UInt64,
    _ effects: inout [Effect]
  ) -> Int? {
    if table.width == 0 { return anyBootstrap }
    if table.members.count == 1 { return link(of: 0, now, &effects) }
    if let member, let place = table.members.firstIndex(of: member) {
      return link(of: place, now, &effects)
    }
    if isSpread, let index = chooseReplica(hash, now, &effects) { return index }
    let owners = table.owners(of: hash)
    var reached: Int?
    for owner in owners {
      let index = link(of: Int(owner), now, &effects)
      if isUsable(index, now) { return index }
      if reached == nil, links[index]?.isUp == true { reached = index }
    }
    if let reached { return reached }
    searchForNews(now, &effects)
    return owners.first.map { link(of: Int($0), now, &effects) }
  }

  private var anyBootstrap: Int? {
    links.firstIndex { $0?.isUp == true } ?? links.firstIndex { $0?.isBootstrap == true }
  }

  func isUsable(_ index: Int, _ now: UInt64) -> Bool {
    guard let link = links[index], link.refusal == nil else { return false }
    return switch link.phase {
    case .up: !link.isSilent && link.avoidedUntil <= now
    case .dialling: true
    case .down: false
    }
  }

  /// The connection to a member, dialled when it is first needed.
  mutating func link(of place: Int, _ now: UInt64, _ effects: inout [Effect]) -> Int {
    if let index = memberLinks[place] { return index }
    let endpoint = view.shard(table.members[place])?.endpoint ?? ""
    let index =
      links.firstIndex { $0?.endpoint == endpoint && $0?.isLeaving == false }
      ?? dial(endpoint, now, &effects)
    links[index]?.isMember = true
    memberLinks[place] = index
    return index
  }

  private mutating func searchForNews(_ now: UInt64, _ effects: inout [Effect]) {
    for place in table.members.indices.prefix(limits.newsRoutesMax) {
      _ = link(of: place, now, &effects)
    }
  }

  /// Whoever says hello is sent the ring anyway.
  mutating func askForRing(_ now: UInt64, _ effects: inout [Effect]) {
    for index in links.indices where links[index]?.isUp == true {
      effects.append(.send(Empty().framed(.ring), over: Route(index)))
    }
  }
}
