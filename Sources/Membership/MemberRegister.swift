package import ClusterModel
package import WireProtocol

/// Who is a member, for how long, and which ring the storage nodes among them form. A router runs
/// it; a store of leases elsewhere could feed it the same inputs.
///
/// The ring changes from one to one other (`RingView`): while one change is under way, those who come
/// and those who want to go wait, and a death only changes the goal. Every ring is kept on disk
/// before anybody is told of it, and every life that is over stays over.
package struct MemberRegister {
  package enum Input: Sendable {
    case report(MemberReport, number: UInt64, from: PeerID)
    /// The connection by which a member reported has ended.
    case disconnected(PeerID)
    /// The outcome of `persist`.
    case persisted
    case notPersisted(reason: String)
    case timer
  }

  package enum Effect: Equatable, Sendable {
    case lease(Lease, number: UInt64, to: PeerID)
    case refuse(Failure, number: UInt64, to: PeerID)
    /// The sender's ring is older than the current one; goes before the lease.
    case tellRing(to: PeerID)
    /// Answered by `persisted` or `notPersisted` before any other input.
    case persist(MembershipState)
    /// To all who are connected.
    case announce(RingView)
    case notice(String)
  }

  package struct Now: Sendable {
    /// Nanoseconds of a clock that never jumps.
    package let monotonic: UInt64
    /// Milliseconds since 1970.
    package let wall: UInt64

    package init(monotonic: UInt64, wall: UInt64) {
      self.monotonic = monotonic
      self.wall = wall
    }
  }

  enum Phase: Equatable {
    /// Of the last ring some members have not reported yet. Goes to `serving`.
    case gathering(until: UInt64)
    /// No member knows of a ring. Goes to `serving`.
    case forming
    case serving
  }

  let configuration: MembershipConfiguration
  var phase: Phase
  var members: [MemberID: Member] = [:]
  var fences: [MemberID: Fence] = [:]
  /// The last announced, or about to be; of epoch 0 before the first.
  package internal(set) var ring: RingView
  /// On its way to the disk.
  var pending: RingView?
  var saveAgainAt: UInt64?
  /// A life of a storage node is over that the disk does not know of.
  var hasUnsavedFence = false
  var announced: RingView?
  /// Why the state cannot be kept.
  package internal(set) var saveTrouble: String?
  private var peers: [PeerID: MemberID] = [:]
  private var lastStep: UInt64
  /// Milliseconds since 1970, of the step under way.
  private(set) var wall: UInt64

  /// - Parameter state: what a life before this one kept.
  package init(_ configuration: MembershipConfiguration, from state: MembershipState?, at now: Now)
  {
    self.configuration = configuration
    ring = state?.ring.view ?? .none
    for fence in state?.fences ?? [] { fences[fence.member] = fence }
    phase = .gathering(until: now.monotonic + configuration.startGrace.wholeNanoseconds)
    lastStep = now.monotonic
    wall = now.wall
  }

  package mutating func step(_ input: Input, at now: Now, into effects: inout [Effect]) {
    wall = now.wall
    forgiveOwnPause(at: now.monotonic)
    switch input {
    case .report(let report, let number, let peer):
      take(report, number: number, from: peer, at: now, into: &effects)
    case .disconnected(let peer):
      guard let id = peers.removeValue(forKey: peer), members[id]?.peer == peer else { return }
      members[id]?.brokenAt = now.monotonic
    case .persisted: persisted(into: &effects)
    case .notPersisted(let reason):
      saveTrouble = reason
      pending = nil
      saveAgainAt = now.monotonic + configuration.saveRetry.wholeNanoseconds
      effects.append(.notice("the membership's state cannot be kept: \(reason)"))
    case .timer: break
    }
    expire(at: now.monotonic, into: &effects)
    advance(at: now.monotonic, into: &effects)
  }

  /// A membership that was stopped itself has not heard what it could have: that is nobody's silence.
  private mutating func forgiveOwnPause(at now: UInt64) {
    let tick = configuration.tick.wholeNanoseconds
    let silence = now - min(now, lastStep)
    lastStep = now
    guard silence > 2 * tick else { return }
    for id in members.keys {
      members[id]?.lastReport += silence - tick
      if members[id]?.brokenAt != nil { members[id]?.brokenAt = now }
    }
    if case .gathering(let until) = phase { phase = .gathering(until: until + silence - tick) }
  }

  /// When to step with `timer` at the latest.
  package var nextDeadline: UInt64? {
    var deadline: UInt64?
    if let saveAgainAt {
      deadline = saveAgainAt
    } else {
      if case .gathering(let until) = phase, storageCount > 0 { deadline = until }
      deadline.lower(to: joinsDueAt)
    }
    for member in members.values { deadline.lower(to: end(of: member)) }
    if !members.isEmpty { deadline.lower(to: lastStep + configuration.tick.wholeNanoseconds) }
    return deadline
  }

  func end(of member: Member) -> UInt64 {
    let silent =
      member.lastReport + (configuration.lease + configuration.leaseMargin).wholeNanoseconds
    let broken = member.brokenAt.map { $0 + configuration.brokenGrace.wholeNanoseconds }
    return min(silent, broken ?? .max)
  }

  private mutating func expire(at now: UInt64, into effects: inout [Effect]) {
    let over = members.filter { end(of: $0.value) <= now }
    for (id, member) in over.sorted(by: { $0.key < $1.key }) {
      let silence = (now - min(now, member.lastReport)) / 1_000_000
      effects.append(
        .notice("\(id) (\(member.incarnation)) is given up: no report for \(silence) ms"))
      endLife(of: id)
    }
  }

  /// The name is free, the life over for ever.
  mutating func endLife(of id: MemberID) {
    guard let member = members.removeValue(forKey: id) else { return }
    if peers[member.peer] == id { peers[member.peer] = nil }
    bar(member.incarnation, of: id)
  }

  mutating func bar(_ life: Incarnation, of id: MemberID) {
    guard fences[id]?.bars(life) != true else { return }
    fences[id, default: Fence(of: id)].bar(life)
    if id.role == .storage { hasUnsavedFence = true }
  }

  mutating func connect(_ peer: PeerID, _ id: MemberID) { peers[peer] = id }
}
