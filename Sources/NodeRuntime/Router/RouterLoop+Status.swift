import ClusterModel
import Connections
import ControlProtocol
import Membership
import Platform
import SwiftProtobuf
import WireProtocol

/// The membership's part of the status.
extension RouterLoop {
  mutating func answerControl(_ frame: Frame, from peer: PeerID) throws {
    var response = ControlResponse()
    if case .getStatus = (try? ControlRequest(serializedBytes: Array(frame.body)))?.request {
      response.status = status()
    } else {
      response = ControlResponse(
        Failure(.badRequest, "a router does not know this control request"))
    }
    var writer = ProtobufWriter()
    FrameHeader(kind: .controlResponse, number: frame.header.number).write(to: &writer)
    let body: [UInt8] = try response.serializedBytes()
    writer.raw(body)
    _ = try listener.send(writer.bytes, to: peer)
  }

  private func status() -> Cloudburst_Control_Status {
    var status = Cloudburst_Control_Status()
    status.processes = [
      .own(
        role: "router", name: configuration.incarnation.description,
        endpoint: listener.endpoints[0])
    ]
    let members = register.status(at: MonotonicClock.now)
    status.members = members.map(Cloudburst_Control_MemberStatus.init)
    status.tier = tier(members)
    status.troubles = troubles(members)
    return status
  }

  private func tier(
    _ members: [MemberRegister.MemberStatus]
  ) -> Cloudburst_Control_TierStatus {
    var tier = Cloudburst_Control_TierStatus()
    tier.ringEpoch = register.ring.epoch
    tier.settled = register.ring.isSettled && register.isServing
    tier.copiesConfigured = UInt32(clamping: register.copiesConfigured)
    tier.copiesEffective = UInt32(clamping: register.copiesEffective)
    tier.storageNodes = UInt32(clamping: register.ring.placedNodes.count)
    tier.shards = UInt32(clamping: register.ring.ring.members.count)
    tier.failuresSurvived = UInt32(clamping: register.failuresSurvived)
    return tier
  }

  private func troubles(
    _ members: [MemberRegister.MemberStatus]
  ) -> [Cloudburst_Control_Trouble] {
    var troubles: [Cloudburst_Control_Trouble] = []
    if let reason = register.saveTrouble {
      troubles.append(
        .init(
          .error, at: "router", "the ring cannot change, its state cannot be kept: \(reason)",
          hint: "make room where the router keeps its data: it is tried again every second"))
    }
    if !register.isServing {
      troubles.append(
        .init(
          .warning, at: "router", "the membership has just started and waits for its members",
          hint: "it goes on without those that do not come"))
    }
    for node in register.missingNodes where register.isServing {
      troubles.append(
        .init(
          .error, at: node, "this storage node is gone, and no other one holds its keys",
          hint: "see whether its process runs, and what it logged"))
    }
    let driftMax = Limits.clockDriftMax.wholeNanoseconds / 1_000_000
    for status in members where status.member.clockLead.magnitude > driftMax {
      troubles.append(
        .init(
          .error, at: status.id.name,
          "CLOCK_SKEW: the clock of \(status.id) is \(status.member.clockLead) ms ahead of the "
            + "membership's", hint: "synchronise the machines' clocks (chrony, ntpd)"))
    }
    return troubles
  }
}

extension Cloudburst_Control_MemberStatus {
  fileprivate init(_ status: MemberRegister.MemberStatus) {
    self.init()
    role = status.id.role == .supervisor ? "node" : "\(status.id.role)"
    name = status.id.name
    incarnation = status.member.incarnation.description
    leaseAgeMilliseconds = status.leaseAge.wholeNanoseconds / 1_000_000
    processID = status.member.processID
    endpoints = status.member.endpoints
    place = status.place.rawValue
    settledEpoch = status.member.settledEpoch
    clockLeadMilliseconds = status.member.clockLead
  }
}
