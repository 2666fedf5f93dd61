import ClusterModel
import ControlProtocol
import Foundation
import SwiftProtobuf
import WireProtocol

/// A message of the hand-written codec, and the same message as swift-protobuf's generated type.
protocol Mirrored: WireMessage {
  associatedtype Mirror: SwiftProtobuf.Message & Equatable
  static func random(using random: inout SeededGenerator) -> Self
  /// Set field by field, by name: this is what catches a wrong number or type in either codec.
  var mirror: Mirror { get }
  /// Elements of all repeated fields, nested ones included.
  var elementCount: Int { get }
}

extension Mirrored {
  var elementCount: Int { 0 }
}

extension Optional<Failure> {
  func mirrored(_ set: (Cloudburst_FailureMessage) -> Void) {
    if let self { set(FailureMessage(self).mirror) }
  }
}

extension InvocationID {
  var data: Data { wireData }
}

extension WriteLevel? {
  var mirror: Cloudburst_WriteLevel {
    Cloudburst_WriteLevel(rawValue: Int(self?.rawValue ?? 0)) ?? .default
  }
}

extension FailureMessage: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self { Self(random.failure()) }

  var mirror: Cloudburst_FailureMessage {
    .with {
      $0.code = UInt32(failure.code.rawValue)
      $0.message = failure.message
      $0.hint = failure.hint
      $0.function = failure.function
      $0.version = failure.version
      $0.node = failure.node
      $0.detail = failure.detail
      if let id = failure.requestID { $0.requestID = id.data }
      $0.retryAfterMilliseconds = UInt32(failure.retryAfter.wholeMicroseconds / 1000)
    }
  }
}

extension Hello: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var hello = Hello()
    hello.protocolVersion = random.small() | 1
    hello.role = random.pick(PeerRole.allCases)
    hello.cluster = random.number()
    hello.incarnation = Incarnation(random.number())
    hello.name = random.text()
    hello.clock = random.number()
    hello.processID = random.small()
    hello.agent = Incarnation(random.number())
    return hello
  }

  var mirror: Cloudburst_Hello {
    .with {
      $0.protocolVersion = protocolVersion
      $0.role = Cloudburst_PeerRole(rawValue: Int(role.rawValue)) ?? .unspecified
      $0.cluster = cluster
      $0.incarnation = incarnation.number
      $0.name = name
      $0.clock = clock
      $0.processID = processID
      $0.agent = agent.number
    }
  }
}

extension Welcome: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var welcome = Welcome()
    welcome.cluster = random.number()
    welcome.incarnation = Incarnation(random.number())
    welcome.clock = random.number()
    welcome.storage = random.several { $0.text() }
    welcome.ringEpoch = random.number()
    welcome.cacheFolder = random.text()
    welcome.writeLevel = random.pick(WriteLevel.allCases)
    welcome.software = random.text()
    return welcome
  }

  var mirror: Cloudburst_Welcome {
    .with {
      $0.cluster = cluster
      $0.incarnation = incarnation.number
      $0.clock = clock
      $0.storage = storage
      $0.ringEpoch = ringEpoch
      $0.cacheFolder = cacheFolder
      $0.writeLevel = Optional(writeLevel).mirror
      $0.software = software
    }
  }

  var elementCount: Int { storage.count }
}
