import ClusterModel
import KeyValueStore
import Lattices
import Membership
import WireProtocol

/// A storage node of one shard: its lives, its disk, its connections to the others.
final class TierNode {
  private unowned let world: TierSimulation
  let name: String
  let member: RingMember
  private(set) var incarnation = Incarnation(0)
  private(set) var shard: StorageShard?
  private(set) var isPaused = false
  private var life: MemberLife?
  private var isLeaving = false
  private var disk: [Key: Record] = [:]
  private var diskOrigin: UInt64 = 0
  /// What came while the process stood still.
  private var missed: [() -> Void] = []
  private var connections: [RingMember: TierConnection] = [:]
  private var timerAt: UInt64?
  /// Has handed over and ended for good.
  private(set) var isGone = false
  /// Messages to and from the router arrive in order.
  private var lastReport: UInt64 = 0
  private var lastHeard: UInt64 = 0

  init(named name: String, in world: TierSimulation) {
    self.world = world
    self.name = name
    member = RingMember(name: name, shard: 0)
  }

  var isAlive: Bool { shard != nil }
  /// Of its connection to the router.
  var peer: PeerID { PeerID("\(name)#\(incarnation)") }
  /// Of its machine: may be an hour off.
  private var clocks: StorageShard.Now {
    .init(wall: wall, monotonic: world.registerNow.monotonic)
  }
  private var wall: UInt64 {
    let offset = name == "storage1" ? world.profile.clockOffset : .zero
    return UInt64(Int64(world.registerNow.wall) + Int64(offset / .milliseconds(1)))
  }
  /// A ring that came before the first lease, with which the referee's word comes.
  private var earlyRing: RingView?
  private var hasLease = false

  func begin() {
    guard shard == nil, !isGone else { return }
    let number = world.nodes.firstIndex { $0 === self } ?? 0
    incarnation = Incarnation((world.now + 1) << 24 | UInt64(world.draw(0...0xffff) << 8 | number))
    var limits = StorageLimits()
    limits.replicateRecordsMax = 8
    limits.handOverRecordsPerStepMax = 4
    limits.dropGrace = .milliseconds(500)
    limits.auditInterval = world.profile.comparesCopies ? .seconds(2) : .seconds(1000)
    limits.auditAge = .seconds(1)
    if world.profile.hasHotKeys {
      limits.hotRateMin = 10
      limits.extraReplicasMax = 2
    }
    if let budget = world.profile.memoryBytesMax {
      limits.memoryBytesMax = budget
      limits.loadRecordsMax = 4
    }
    if world.profile.deletes { limits.tombstoneGrace = TierSimulation.grace }
    var configuration = StorageShard.Configuration(
      me: member, life: incarnation, actor: incarnation.number, hasLog: true,
      defaultLevel: .durable, limits: limits)
    configuration.ringOrigin = world.planted == .bringsBackTheDeleted ? 0 : diskOrigin
    var shard = StorageShard(configuration, ring: RingView.none)
    for (key, record) in disk.sorted(by: { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }) {
      shard.restore(record, under: key, at: clocks)
    }
    self.shard = shard
    (earlyRing, hasLease) = (nil, false)
    life = MemberLife(
      .init(role: .storage, name: name, incarnation: incarnation), at: clocks.monotonic)
    live(.listening([name]))
    if isLeaving { live(.leave) }
    if world.membership.isUp { hear(.connected) }
    wakeLife()
  }

  /// Is to hand over its keys and go, in this life or the next.
  func leave() {
    isLeaving = true
    deliver(to: incarnation) { [self] in live(.leave) }
  }

  func kill(for time: Duration) {
    end()
    world.later(time) { [self] in begin() }
  }

  private func end() {
    shard = nil
    life = nil
    let lost = peer
    world.later(world.delay()) { [self] in world.membership.receive(.disconnected(lost)) }
    isPaused = false
    missed = []
    timerAt = nil
    for connection in connections.values { connection.breakDown() }
    connections = [:]
    for node in world.nodes where node !== self { node.connections[member]?.breakDown() }
  }

  func pause(for time: Duration) {
    isPaused = true
    let life = incarnation
    world.later(time) { [self] in if incarnation == life { resume() } }
  }

  private func resume() {
    guard isPaused else { return }
    isPaused = false
    let all = missed
    missed = []
    for action in all { action() }
    wake()
  }

  func heal() {
    resume()
    begin()
  }

  /// Does something in this life of the process, once it runs.
  func deliver(to life: Incarnation, _ action: @escaping () -> Void) {
    guard shard != nil, incarnation == life else { return }
    if isPaused {
      missed.append { [self] in if incarnation == life, isAlive { action() } }
    } else {
      action()
    }
  }

  func receive(_ input: StorageShard.Input, in life: Incarnation) {
    deliver(to: life) { [self] in step(losing(input)) }
  }

  private func losing(_ input: StorageShard.Input) -> StorageShard.Input {
    let rate = world.profile.recordsPerLoss
    guard case .replicate(var message, let number, let peer) = input else { return input }
    if world.planted == .starvesReplicas, let ring = shard?.ring, ring.isSettled {
      message.tuples.removeAll { !ring.owners(of: StableHash.of($0.key.bytes)).contains(member) }
    }
    guard rate > 0 else { return .replicate(message, number: number, from: peer) }
    message.tuples.removeAll { _ in !world.isHealed && world.draw(1...rate) == 1 }
    return .replicate(message, number: number, from: peer)
  }

  /// Something from the router, or of the connection to it.
  func hear(_ input: MemberLife.Input) {
    let incarnation = incarnation
    lastHeard = max(lastHeard, world.now + world.delay().wholeNanoseconds)
    world.at(lastHeard) { [self] in deliver(to: incarnation) { [self] in live(input) } }
  }

  private func live(_ input: MemberLife.Input) {
    var effects: [MemberLife.Effect] = []
    life?.step(
      input, now: world.registerNow.monotonic, wall: wall, into: &effects)
    for effect in effects {
      switch effect {
      case .report(let report, let number): send(report, number: number)
      case .news(let news): take(news)
      }
    }
  }

  private func send(_ report: MemberReport, number: UInt64) {
    let peer = peer
    lastReport = max(lastReport, world.now + world.delay().wholeNanoseconds)
    world.at(lastReport) { [self] in
      world.membership.receive(.report(report, number: number, from: peer))
    }
  }

  private func take(_ news: MemberLife.News) {
    switch news {
    case .ring(let view):
      if hasLease { step(.ring(view)) } else { earlyRing = view }
    case .clockLead(let lead):
      if world.planted != .trustsItsClock { step(.clockLead(lead)) }
    case .lease(let end):
      hasLease = true
      if let view = earlyRing { step(.ring(view)) }
      earlyRing = nil
      step(.lease(until: end))
    case .fenced: kill(for: .milliseconds(100))
    case .mayLeave:
      isGone = true
      end()
    case .refused: break
    }
  }

  private func wakeLife() {
    guard let due = life?.nextDeadline else { return }
    let incarnation = incarnation
    world.at(due) { [self] in
      deliver(to: incarnation) { [self] in
        if (life?.nextDeadline ?? .max) <= world.registerNow.monotonic { live(.timer) }
        wakeLife()
      }
    }
  }

  private func step(_ input: StorageShard.Input) {
    guard shard != nil else { return }
    var effects: [StorageShard.Effect] = []
    shard?.step(input, at: clocks, into: &effects)
    for effect in effects { perform(effect) }
    if case .ring = input { dial() }
    wake()
  }

  private func wake() {
    guard let due = shard?.nextDeadline, timerAt.map({ due < $0 }) ?? true else { return }
    timerAt = due
    let life = incarnation
    world.at(due) { [self] in
      guard timerAt == due, incarnation == life else { return }
      timerAt = nil
      receive(.timerFired, in: life)
      if !isPaused { wake() }
    }
  }

  private func perform(_ effect: StorageShard.Effect) {
    switch effect {
    case .reply(let response, let number, let peer): answer(response, nil, number, peer)
    case .refuse(let failure, let number, let peer): answer(nil, failure, number, peer)
    case .commit(let entries): commit(entries)
    case .load(let keys): load(keys)
    case .ring(let view, let peer): world.clients.first { $0.peer == peer }?.hear(of: view)
    case .replicate(let message, let number, let other):
      connections[other]?.forth { .replicate(message, number: number, from: $0) }
    case .askHolder(let request, let number, let other):
      connections[other]?.forth { .holderRequest(request, number: number, from: $0) }
    case .rangeDigest(let digest, let other):
      connections[other]?.forth { .rangeDigest(digest, from: $0) }
    case .rangeRepair(let repair, let other):
      connections[other]?.forth { .rangeRepair(repair, from: $0) }
    case .replicaWord(let word, let other): tell(word, to: other)
    case .hotKeys(let list, let peer): world.clients.first { $0.peer == peer }?.hear(of: list)
    case .replicated(let word, let peer):
      incoming(peer)?.back { .replicated(word, from: $0) }
    case .settled(let epoch):
      diskOrigin = shard?.ring.origin ?? 0
      live(.settled(epoch: epoch))
    case .push, .watchEvent, .heartbeat: break
    }
  }

  private func tell(_ word: ReplicaWord, to other: RingMember) {
    guard world.planted == .forgetsReplicas, word.kind == .dismiss,
      let to = world.nodes.first(where: { $0.member == other }),
      let back = to.connections[member]
    else {
      connections[other]?.forth { .replicaWord(word, from: $0) }
      return
    }
    var left = word
    left.kind = .left
    receive(.replicaWord(left, from: back.peer), in: incarnation)
  }

  private func incoming(_ peer: PeerID) -> TierConnection? {
    for node in world.nodes { if let to = node.connections[member], to.peer == peer { return to } }
    return nil
  }

  private func answer(
    _ response: KeyResponse?, _ failure: Failure?, _ number: UInt64, _ peer: PeerID
  ) {
    if let connection = incoming(peer) {
      if let response { connection.back { .holderAnswer(response, number: number, from: $0) } }
      return
    }
    let client = world.clients.first { $0.peer == peer }
    world.later(world.delay()) { client?.take(response, failure, number: number) }
  }

  private func commit(_ entries: [StorageShard.LogEntry]) {
    let life = incarnation
    let isSlow = world.draw(0...49) == 0
    world.later(.microseconds(world.draw(200...(isSlow ? 60_000 : 2000)))) { [self] in
      guard isAlive, incarnation == life else { return }
      if world.planted != .commitsLie { write(entries) }
      receive(.committed, in: life)
    }
  }

  /// What is there when it is looked at, which may be before or after a commit under way.
  private func load(_ keys: [Key]) {
    if world.planted == .neverLoads, world.draw(0...99) == 0 { return }
    let life = incarnation
    world.later(.microseconds(world.draw(20...1500))) { [self] in
      guard isAlive, incarnation == life else { return }
      let records = loaded(keys)
      world.later(.microseconds(world.draw(20...200))) { [self] in
        receive(.loaded(records), in: life)
      }
    }
  }

  private func loaded(_ keys: [Key]) -> [StorageShard.LoadedRecord] {
    keys.map { .init(key: $0, envelope: disk[$0]?.encoded() ?? []) }
  }

  private func write(_ entries: [StorageShard.LogEntry]) {
    for entry in entries {
      guard let record = try? Record(entry.envelope) else {
        disk[entry.key] = nil
        continue
      }
      disk[entry.key].mergeInLog(record)
    }
  }

  /// Connects to every shard of the ring that it is not connected to.
  private func dial() {
    guard let view = shard?.ring else { return }
    for address in view.shards where address.member != member {
      let old = connections[address.member]
      if old?.life == address.incarnation, old?.isUp == true || old?.isDialling == true { continue }
      old?.breakDown()
      guard let other = world.nodes.first(where: { $0.member == address.member }) else { continue }
      connections[address.member] = TierConnection(
        from: self, to: other, life: address.incarnation, in: world)
    }
  }

  /// One that was given up for another is not heard of any more.
  func ended(_ connection: TierConnection, to other: RingMember) {
    guard connections[other] === connection else { return }
    let life = incarnation
    receive(.linkDown(other), in: life)
    world.later(.milliseconds(world.draw(5...40))) { [self] in
      deliver(to: life) { [self] in dial() }
    }
  }

  /// The elements of a set held here.
  func elements(of key: Key) -> Set<String> {
    var request = KeyRequest()
    request.tuples = [KeyTuple(key: key)]
    guard var copy = shard else { return [] }
    var effects: [StorageShard.Effect] = []
    copy.step(.holderRequest(request, number: 0, from: PeerID("judge")), at: clocks, into: &effects)
    copy.step(.lease(until: .max), at: clocks, into: &effects)
    copy.step(.request(request, number: 1, from: PeerID("judge")), at: clocks, into: &effects)
    // What is under way already comes first.
    copy.step(.loaded([]), at: clocks, into: &effects)
    var performed = 0
    while performed < effects.count {
      if case .load(let keys) = effects[performed] {
        copy.step(.loaded(loaded(keys)), at: clocks, into: &effects)
      }
      performed += 1
    }
    for case .reply(let response, 1, _) in effects {
      return response.tuples.first.map(TierClient.elements) ?? []
    }
    return []
  }
}

/// One shard's connection to another: frames arrive in order, or not any more.
final class TierConnection {
  private unowned let world: TierSimulation
  private unowned let from: TierNode
  private unowned let to: TierNode
  private let fromLife: Incarnation
  let life: Incarnation
  let peer: PeerID
  private(set) var isUp = false
  private(set) var isDialling = true
  private var lastForth: UInt64 = 0
  private var lastBack: UInt64 = 0

  init(from: TierNode, to: TierNode, life: Incarnation, in world: TierSimulation) {
    self.world = world
    self.from = from
    self.to = to
    self.life = life
    fromLife = from.incarnation
    peer = PeerID("\(from.name)#\(from.incarnation)#\(world.draw(0...1 << 40))")
    world.later(world.delay()) { [self] in connect() }
  }

  private func connect() {
    guard isDialling else { return }
    isDialling = false
    guard to.isAlive, to.incarnation == life else { return from.ended(self, to: to.member) }
    isUp = true
    let address = ShardAddress(member: from.member, incarnation: fromLife, endpoint: from.name)
    forth { .shardConnected($0, address) }
    back { .linkUp($0) }
  }

  func forth(_ input: (PeerID) -> StorageShard.Input) {
    guard isUp else { return }
    let input = input(peer)
    lastForth = max(lastForth, world.now + world.delay().wholeNanoseconds)
    world.at(lastForth) { [self] in if isUp { to.receive(input, in: life) } }
  }

  func back(_ input: (RingMember) -> StorageShard.Input) {
    guard isUp else { return }
    let input = input(to.member)
    lastBack = max(lastBack, world.now + world.delay().wholeNanoseconds)
    world.at(lastBack) { [self] in if isUp { from.receive(input, in: fromLife) } }
  }

  func breakDown() {
    guard isUp || isDialling else { return }
    let wasUp = isUp
    isUp = false
    isDialling = false
    world.later(world.delay()) { [self] in
      if wasUp { to.receive(.disconnected(peer), in: life) }
      if from.isAlive, from.incarnation == fromLife { from.ended(self, to: to.member) }
    }
  }
}
