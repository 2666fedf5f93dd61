package import ClusterModel
import KeyValueStore
import Membership

/// A key-value tier of several storage nodes under deaths, pauses, joins and leaves, in virtual time:
/// the shards and the membership of production, a network and disks of chance, clients that add to
/// sets and read them.
///
/// The oracles: a read contains every add that was acknowledged before it was sent; at the end, when
/// all is healed, every copy of a key is equal and contains every acknowledged add; no operation
/// waits longer than `waitMax`. One seed, one history.
package final class TierSimulation {
  package struct Profile: Sendable {
    package var nodes = 3
    package var copies = 2
    package var keys = 24
    package var clients = 4
    /// Virtual time under faults, before everything is healed.
    package var duration = Duration.seconds(20)
    package var level = WriteLevel.durable
    /// Between two faults, on average.
    package var faultInterval = Duration.seconds(4)
    package var faults = TierFault.apart
    /// A death comes only once the one before has been made up for.
    package var isOneAtATime = false
    /// One record in so many, sent to another copy, is lost there though it is acknowledged; 0 is none.
    /// Reads may miss it until the copies have been compared.
    package var recordsPerLoss = 0
    package var comparesCopies = true
    /// Clients delete keys, too, and nodes are away for longer than tombstones are kept.
    package var deletes = false
    /// Every few seconds another two keys are the ones that are asked for most.
    package var hasHotKeys = false
    /// Of each shard; what does not find room stays on the disk only. Nil: there is room for all.
    package var memoryBytesMax: Int?
    /// How far one node's clock is ahead of all others.
    package var clockOffset = Duration.zero

    package init() {}

    /// What memory alone survives: one death, then the next once it has been made up for.
    package mutating func surviveInMemory() {
      level = .replicated
      isOneAtATime = true
    }

    /// What logs survive: the death of all at once, and the router's, each made up for before the next.
    package mutating func dieTogether() {
      isOneAtATime = true
      faults = [.killAll, .killAll, .router]
    }

    /// Single nodes, for so long that what was deleted meanwhile is forgotten everywhere else.
    package mutating func stayAway() {
      deletes = true
      keys = 2000
      isOneAtATime = true
      faults = [.stayAway, .stayAway, .join, .leave, .pause, .kill]
      duration = .seconds(40)
    }

    /// Single nodes, while hot keys get extra replicas and lose them.
    package mutating func runHot() {
      hasHotKeys = true
      nodes = 4
      clients = 6
      duration = .seconds(40)
      faultInterval = .seconds(8)
    }

    /// Single nodes, or all at once, where most records are on the disk only.
    package mutating func runCold() {
      keys = 400
      memoryBytesMax = 32 << 10
      duration = .seconds(30)
      faults = [.kill, .kill, .pause, .join, .leave]
      if level == .durable { faults.append(.killAll) }
      isOneAtATime = true
    }

    /// Any of them, whatever else is going on.
    package mutating func dieAnyhow() {
      faults = [.kill, .killAll, .pause, .join, .leave, .router]
    }
  }

  package enum Violation: Equatable, Sendable {
    case lostAdd(String)
    case staleRead(String)
    case divergence(String)
    /// What was deleted is there again.
    case cameBack(String)
    case waitedTooLong(String)
  }

  let profile: Profile
  let planted: TierBug?
  var chance: SplitMix64
  private(set) var now: UInt64 = 0
  private var events = EventHeap()
  var nodes: [TierNode] = []
  var clients: [TierClient] = []
  lazy var membership = TierMembership(in: self)
  package private(set) var violations: [Violation] = []
  /// Acknowledged adds and reads, deaths, ring changes.
  package internal(set) var counts = Counts()
  private(set) var isHealed = false

  package struct Counts: Equatable, Sendable {
    package var adds = 0
    package var reads = 0
    package var deletes = 0
    /// In the end, in all shards.
    package var collectedTombstones = 0
    package var staleLeftovers = 0
    /// How often hot keys got extra replicas, and operations that those did.
    package var hostings = 0
    package var extraOperations = 0
    /// In the end, in all shards.
    package var demotions = 0
    package var promotions = 0
    package var faults = 0
    package var epochs: UInt64 = 0
    package var longestWait = Duration.zero

    package init() {}

    package mutating func add(_ other: Counts) {
      adds += other.adds
      reads += other.reads
      deletes += other.deletes
      collectedTombstones += other.collectedTombstones
      staleLeftovers += other.staleLeftovers
      hostings += other.hostings
      extraOperations += other.extraOperations
      demotions += other.demotions
      promotions += other.promotions
      faults += other.faults
      epochs += other.epochs
      longestWait = max(longestWait, other.longestWait)
    }
  }

  /// An operation may wait for a lease to end and a new ring to be told; where all copies of a key
  /// may be away at once, also for one of them to come back.
  var waitMax: Duration {
    // A key's other copy may be away.
    if profile.clockOffset != .zero { return .seconds(24) }
    return profile.isOneAtATime && profile.level == .replicated ? .seconds(4) : .seconds(18)
  }

  /// How long tombstones are kept where clients delete.
  static let grace = Duration.seconds(4)

  package init(seed: UInt64, profile: Profile = Profile(), planted: TierBug? = nil) {
    self.profile = profile
    self.planted = planted
    chance = SplitMix64(seed: seed)
  }

  /// Runs the whole history.
  package func run() {
    for number in 0..<profile.nodes { addNode(named: "storage\(number)") }
    clients = (0..<profile.clients).map { TierClient(number: $0, in: self) }
    for client in clients { client.begin() }
    planNextFault()
    advance(to: profile.duration.wholeNanoseconds)
    isHealed = true
    membership.begin()
    for node in nodes { node.heal() }
    for client in clients { client.stop() }
    advance(to: now + Duration.seconds(15).wholeNanoseconds)
    judge()
    counts.epochs = membership.view.epoch
  }

  private func advance(to end: UInt64) {
    while let event = events.takeFirst(upTo: end) {
      now = event.time
      event.action()
    }
    now = end
  }

  func later(_ delay: Duration, _ action: @escaping () -> Void) {
    events.insert(at: now + delay.wholeNanoseconds, action)
  }

  func at(_ time: UInt64, _ action: @escaping () -> Void) {
    events.insert(at: max(time, now), action)
  }

  /// What the membership's clock says, and those of most nodes.
  var registerNow: MemberRegister.Now {
    .init(monotonic: now + 1, wall: 1_700_000_000_000 + now / 1_000_000)
  }

  func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &chance) }
  func delay() -> Duration {
    .microseconds(draw(0...99) == 0 ? draw(1000...20_000) : draw(40...400))
  }

  @discardableResult
  func addNode(named name: String) -> TierNode {
    let node = TierNode(named: name, in: self)
    nodes.append(node)
    node.begin()
    return node
  }

  func violate(_ violation: Violation) { violations.append(violation) }

  private func planNextFault() {
    let mean = Int(profile.faultInterval.wholeMicroseconds)
    later(.microseconds(draw(mean / 2...mean * 3 / 2))) { [self] in
      guard !isHealed else { return }
      fault()
      planNextFault()
    }
  }

  private func fault() {
    guard membership.view.epoch > 0 else { return }
    if profile.isOneAtATime, !membership.isQuiet { return }
    let living = nodes.filter(\.isAlive)
    guard let victim = living.isEmpty ? nil : living[draw(0...living.count - 1)] else { return }
    counts.faults += 1
    switch profile.faults[draw(0...profile.faults.count - 1)] {
    case .kill: victim.kill(for: .milliseconds(draw(50...6000)))
    case .killAll:
      for node in living { node.kill(for: .milliseconds(draw(50...6000))) }
    case .stayAway: victim.kill(for: .milliseconds(draw(6000...16_000)))
    case .pause: victim.pause(for: .milliseconds(draw(0...1) == 0 ? 1000 : 10_000))
    case .join: if living.count < 5 { addNode(named: "storage\(nodes.count)") }
    case .leave: if living.count > profile.copies { victim.leave() }
    case .router: membership.kill(for: .milliseconds(draw(50...3000)))
    }
  }

  private func judge() {
    for client in clients { client.judge() }
    let added = clients.flatMap(\.acknowledged).filter { !$0.mayBeDeleted }
    let deleted = clients.flatMap(\.acknowledged).filter(\.isDeleted)
    for node in nodes {
      counts.collectedTombstones += node.shard?.statistics.collectedTombstones ?? 0
      counts.staleLeftovers += node.shard?.statistics.staleLeftovers ?? 0
      counts.demotions += node.shard?.statistics.demotions ?? 0
      counts.promotions += node.shard?.statistics.promotions ?? 0
      counts.hostings += node.shard?.statistics.hostings ?? 0
    }
    let view = membership.view
    if !view.isSettled {
      let shards = nodes.map { node in
        "\(node.member)#\(node.incarnation) \(node.shard?.situation ?? "down")"
      }
      violate(.divergence("epoch \(view.epoch) did not settle: \(shards)"))
    }
    for number in 0..<profile.keys {
      let key = Self.key(number)
      let owners = view.owners(of: StableHash.of(key.bytes))
      let copies = owners.map { owner in
        nodes.first { $0.member == owner && $0.isAlive }?.elements(of: key) ?? []
      }
      for (copy, owner) in zip(copies, owners) {
        let missing = added.filter { $0.key == number && !copy.contains($0.element) }
        if let lost = missing.first {
          violate(
            .lostAdd("\(missing.count) of key \(number) at \(owner), the first \(lost.element)"))
        }
        if let back = deleted.first(where: { $0.key == number && copy.contains($0.element) }) {
          violate(.cameBack("\(back.element) of key \(number) at \(owner)"))
        }
      }
      if Set(copies).count > 1 { violate(.divergence("the copies of \(key) differ: \(owners)")) }
    }
  }

  /// One that is asked for often now.
  func hotKey() -> Int {
    (Int(now / Duration.seconds(7).wholeNanoseconds) + draw(0...1)) % profile.keys
  }

  static func key(_ number: Int) -> Key { Key(trusted: Bytes(text: "key\(number)")) }
}

package enum TierFault: CaseIterable, Sendable {
  /// One storage node dies and comes back.
  case kill
  /// All storage nodes die at once and come back one by one.
  case killAll
  /// One dies and comes back after tombstones of meanwhile have been forgotten.
  case stayAway
  /// One stands still, for less or more than its lease.
  case pause
  case join
  case leave
  /// The router dies and comes back with what its disk kept.
  case router

  /// All but the death of all, after which a further death before all is well again can make reads
  /// miss a write until the node that has it is back (decision 33).
  package static let apart: [TierFault] = [.kill, .pause, .join, .leave, .router]
}

/// Faults put in on purpose, each of which an oracle has to see.
package enum TierBug: String, CaseIterable, Sendable {
  /// Clients are told `durable` or `replicated` for what is in one memory.
  case acknowledgesEarly
  /// A change of the ring counts as complete as soon as it is announced.
  case settlesAtOnce
  /// Commits are answered and not written.
  case commitsLie
  /// A node that was away for long brings all that its log has.
  case bringsBackTheDeleted
  /// A node does not hear what the membership says of its clock.
  case trustsItsClock
  /// An extra replica loses what it is sent after it was first hosted, and says that it has it.
  case starvesReplicas
  /// Owners take their dismissal of an extra replica for its leave.
  case forgetsReplicas
  /// One read from the disk in a hundred is never answered.
  case neverLoads
  /// A change of the ring ends though all copies of a key may lie in logs of dead nodes.
  case forgetsTheMissing
}
