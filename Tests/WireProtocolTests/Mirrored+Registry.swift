import ClusterModel
import ControlProtocol
import Foundation
import SwiftProtobuf
import WireProtocol

extension FunctionRecord: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var record = FunctionRecord()
    record.name = random.text()
    record.bundleName = random.text()
    record.bundle = random.bytes()
    record.signature = random.text()
    record.parameterCount = random.small()
    record.isAsync = random.chance(50)
    record.uploadedAt = random.number()
    record.timeLimitMicroseconds = random.number()
    record.memoryMebibytes = random.small()
    record.attemptsMax = random.small()
    return record
  }

  var mirror: Cloudburst_FunctionRecord {
    .with {
      $0.name = name
      $0.bundleName = bundleName
      $0.bundle = Data(bundle)
      $0.signature = signature
      $0.parameterCount = parameterCount
      $0.isAsync = isAsync
      $0.uploadedAt = uploadedAt
      $0.timeLimitUs = timeLimitMicroseconds
      $0.memoryMebibytes = memoryMebibytes
      $0.attemptsMax = attemptsMax
    }
  }
}

extension BundleRecord: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var record = BundleRecord()
    record.digest = random.bytes()
    record.name = random.text()
    record.byteCount = random.number()
    record.chunks = random.small()
    record.functions = random.several { FunctionRecord.random(using: &$0) }
    record.toolchain = random.text()
    record.failure = random.maybeFailure()
    return record
  }

  var mirror: Cloudburst_BundleRecord {
    .with { mirror in
      mirror.digest = Data(digest)
      mirror.name = name
      mirror.byteCount = byteCount
      mirror.chunks = chunks
      mirror.functions = functions.map(\.mirror)
      mirror.toolchain = toolchain
      failure.mirrored { mirror.failure = $0 }
    }
  }

  var elementCount: Int { functions.count }
}

extension DAGRecord.Edge: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    Self(from: random.small(), to: random.small())
  }

  var mirror: Cloudburst_DAGRecord.Edge {
    .with {
      $0.from = from
      $0.to = to
    }
  }
}

extension DAGRecord: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var record = DAGRecord()
    record.name = random.text()
    record.functions = random.several { $0.text() }
    record.edges = random.several { Edge.random(using: &$0) }
    record.registeredAt = random.number()
    return record
  }

  var mirror: Cloudburst_DAGRecord {
    .with {
      $0.name = name
      $0.functions = functions
      $0.edges = edges.map(\.mirror)
      $0.registeredAt = registeredAt
    }
  }

  var elementCount: Int { functions.count + edges.count }
}
