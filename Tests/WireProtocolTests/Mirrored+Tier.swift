import ClusterModel
import ControlProtocol
import Foundation
import SwiftProtobuf
import WireProtocol

extension RingMessage.Shard: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var shard = RingMessage.Shard()
    shard.node = random.text()
    shard.shard = UInt16(truncatingIfNeeded: random.number())
    shard.incarnation = Incarnation(random.number())
    shard.endpoint = random.text()
    shard.isPlaced = random.chance(50)
    shard.overtakenBy = random.several { $0.text() }
    return shard
  }

  var mirror: Cloudburst_RingMessage.Shard {
    .with {
      $0.node = node
      $0.shard = UInt32(shard)
      $0.incarnation = incarnation.number
      $0.endpoint = endpoint
      $0.isPlaced = isPlaced
      $0.overtakenBy = overtakenBy
    }
  }

  var elementCount: Int { overtakenBy.count }
}

extension RingMessage: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var ring = RingMessage()
    ring.epoch = random.number()
    ring.copies = random.small()
    ring.shards = random.several { Shard.random(using: &$0) }
    ring.holders = random.several { Shard.random(using: &$0) }
    ring.origin = random.number()
    return ring
  }

  var mirror: Cloudburst_RingMessage {
    .with {
      $0.epoch = epoch
      $0.copies = copies
      $0.shards = shards.map(\.mirror)
      $0.holders = holders.map(\.mirror)
      $0.origin = origin
    }
  }

  var elementCount: Int { (shards + holders).reduce(0) { $0 + 1 + $1.elementCount } }
}

extension MemberReport: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var report = MemberReport()
    report.role = random.pick(PeerRole.allCases)
    report.name = random.text()
    report.incarnation = Incarnation(random.number())
    report.endpoints = random.several { $0.text() }
    report.ring = RingMessage.random(using: &random)
    report.settledEpoch = random.number()
    report.isLeaving = random.chance(50)
    report.wallClock = random.number()
    report.processID = random.small()
    return report
  }

  var mirror: Cloudburst_MemberReport {
    .with {
      $0.role = Cloudburst_PeerRole(rawValue: Int(role.rawValue)) ?? .unspecified
      $0.name = name
      $0.incarnation = incarnation.number
      $0.endpoints = endpoints
      $0.ring = ring.mirror
      $0.settledEpoch = settledEpoch
      $0.isLeaving = isLeaving
      $0.wallClock = wallClock
      $0.processID = processID
    }
  }

  var elementCount: Int { endpoints.count + ring.elementCount }
}

extension Lease: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var lease = Lease()
    lease.milliseconds = random.small()
    lease.ringEpoch = random.number()
    lease.clockLead = random.signed()
    lease.mayLeave = random.chance(50)
    return lease
  }

  var mirror: Cloudburst_Lease {
    .with {
      $0.milliseconds = milliseconds
      $0.ringEpoch = ringEpoch
      $0.clockLead = clockLead
      $0.mayLeave = mayLeave
    }
  }
}

extension Replicate: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var replicate = Replicate()
    replicate.epoch = random.number()
    replicate.tuples = random.several { KeyTuple.random(using: &$0) }
    replicate.handsOver = random.chance(50)
    replicate.clock = random.number()
    return replicate
  }

  var mirror: Cloudburst_Replicate {
    .with {
      $0.epoch = epoch
      $0.tuples = tuples.map(\.mirror)
      $0.handsOver = handsOver
      $0.clock = clock
    }
  }

  var elementCount: Int { tuples.count }
}

extension Replicated: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var replicated = Replicated()
    replicated.merged = random.number()
    replicated.logged = random.number()
    replicated.clock = random.number()
    return replicated
  }

  var mirror: Cloudburst_Replicated {
    .with {
      $0.merged = merged
      $0.logged = logged
      $0.clock = clock
    }
  }
}

extension RangeDigest: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var digest = RangeDigest()
    digest.epoch = random.number()
    digest.cutoff = random.number()
    digest.sums = random.bytes()
    return digest
  }

  var mirror: Cloudburst_RangeDigest {
    .with {
      $0.epoch = epoch
      $0.cutoff = cutoff
      $0.sums = Data(sums)
    }
  }
}

extension RangeRepair: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var repair = RangeRepair()
    repair.epoch = random.number()
    repair.stretches = random.bytes()
    return repair
  }

  var mirror: Cloudburst_RangeRepair {
    .with {
      $0.epoch = epoch
      $0.stretches = Data(stretches)
    }
  }
}
