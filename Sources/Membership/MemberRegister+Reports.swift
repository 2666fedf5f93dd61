import ClusterModel
import WireProtocol

extension MemberRegister {
  /// Names are short, and epochs far from where they would overflow.
  static let nameBytesMax = 63
  static let epochMax = UInt64.max >> 8

  mutating func take(
    _ report: MemberReport, number: UInt64, from peer: PeerID, at now: Now,
    into effects: inout [Effect]
  ) {
    let id = MemberID(role: report.role, name: report.name)
    if let failure = refusal(of: report, id) {
      return effects.append(.refuse(failure, number: number, to: peer))
    }
    note(report, id, from: peer, at: now, into: &effects)
    learn(from: report, at: now.monotonic, into: &effects)
    answer(id, number: number, to: peer, into: &effects)
  }

  private mutating func refusal(of report: MemberReport, _ id: MemberID) -> Failure? {
    let isWellFormed =
      (1...Self.nameBytesMax).contains(id.name.utf8.count) && report.incarnation.number != 0
      && report.endpoints.count <= MembershipConfiguration.shardsMax
      && (id.role != .storage || !report.endpoints.isEmpty) && id.role != .client
      && report.ring.epoch <= Self.epochMax && report.settledEpoch <= Self.epochMax
    guard isWellFormed else {
      return Failure(.badRequest, "a member's report with a name, life or ring that cannot be")
    }
    if let known = members[id]?.incarnation, report.incarnation < known {
      // An older life, or a new one drawn by a clock that went back: its keeper starts another.
      bar(report.incarnation, of: id)
    }
    guard fences[id]?.bars(report.incarnation) != true else {
      return Failure(
        .fenced, "\(id) in its life \(report.incarnation) was given up: it is another's turn",
        hint: "end this process; a new life of it is a member again")
    }
    let isKnown = members[id] != nil || fences[id] != nil
    guard members[id] != nil || members.count < configuration.membersMax,
      isKnown || fences.count < 2 * configuration.membersMax
    else { return Failure(.overloaded, "\(members.count) members are there, the limit") }
    return nil
  }

  private mutating func note(
    _ report: MemberReport, _ id: MemberID, from peer: PeerID, at now: Now,
    into effects: inout [Effect]
  ) {
    if let known = members[id], known.incarnation != report.incarnation {
      effects.append(.notice("\(id) is in a new life (\(report.incarnation))"))
      endLife(of: id)
    } else if members[id] == nil {
      effects.append(.notice("\(id) (\(report.incarnation)) is a member"))
    }
    var member = members[id] ?? Member(report, from: peer, at: now.monotonic)
    member.endpoints = report.endpoints
    member.processID = report.processID
    member.settledEpoch = report.settledEpoch
    member.isLeaving = report.isLeaving
    member.ringEpoch = report.ring.epoch
    member.lastReport = now.monotonic
    member.brokenAt = nil
    member.peer = peer
    member.clock.note(theirs: report.wallClock, ours: now.wall)
    members[id] = member
    connect(peer, id)
  }

  /// Members that hold a newer ring know more than our disk did.
  private mutating func learn(
    from report: MemberReport, at now: UInt64, into effects: inout [Effect]
  ) {
    guard report.role == .storage, report.ring.epoch > max(ring.epoch, pending?.epoch ?? 0) else {
      return
    }
    effects.append(
      .notice("\(report.name) knows of ring \(report.ring.epoch), newer than \(ring.epoch)"))
    ring = report.ring.view
    if phase == .serving || phase == .forming {
      phase = .gathering(until: now + configuration.startGrace.wholeNanoseconds)
    }
    for node in ring.nodes {
      let id = MemberID(role: .storage, name: node)
      guard let life = ring.incarnation(of: node), let member = members[id],
        member.incarnation < life
      else { continue }
      endLife(of: id)
    }
  }

  private mutating func answer(
    _ id: MemberID, number: UInt64, to peer: PeerID, into effects: inout [Effect]
  ) {
    guard let member = members[id] else {
      let failure = Failure(.fenced, "\(id) has a newer life in the ring")
      return effects.append(.refuse(failure, number: number, to: peer))
    }
    if phase == .serving, member.ringEpoch < ring.epoch { effects.append(.tellRing(to: peer)) }
    var lease = Lease()
    lease.milliseconds = UInt32(clamping: configuration.lease.wholeNanoseconds / 1_000_000)
    lease.ringEpoch = ring.epoch
    lease.clockLead = member.clockLead
    lease.mayLeave = mayLeave(id, member)
    effects.append(.lease(lease, number: number, to: peer))
  }

  private func mayLeave(_ id: MemberID, _ member: Member) -> Bool {
    guard member.isLeaving else { return false }
    guard id.role == .storage else { return true }
    // What a holder's log kept may be wanted until the change is over.
    let isWanted = ring.nodes.contains(id.name) || ring.holderNodes.contains(id.name)
    return phase == .serving && !isWanted
  }
}
