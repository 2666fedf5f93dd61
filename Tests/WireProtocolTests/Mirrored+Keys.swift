import ClusterModel
import ControlProtocol
import Foundation
import SwiftProtobuf
import WireProtocol

extension KeyTuple: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var tuple = KeyTuple(key: random.key())
    tuple.latticeType = random.chance(70) ? 0 : random.small() >> 1
    tuple.annaError = random.chance(70) ? 0 : random.small()
    tuple.payload = random.chance(70) ? [] : random.bytes()
    tuple.addressCacheSize = random.chance(70) ? 0 : random.small()
    tuple.invalidate = random.chance(20)
    tuple.record = random.bytes()
    tuple.counterDelta = random.signed()
    tuple.failure = random.maybeFailure()
    tuple.version = random.version()
    tuple.replaced = random.version()
    return tuple
  }

  var mirror: Cloudburst_KeyTuple {
    .with { mirror in
      mirror.key = key.data
      mirror.latticeType =
        Cloudburst_LatticeType(rawValue: Int(latticeType)) ?? .UNRECOGNIZED(Int(latticeType))
      mirror.annaError = annaError
      mirror.payload = Data(payload)
      mirror.addressCacheSize = addressCacheSize
      mirror.invalidate = invalidate
      mirror.record = Data(record)
      mirror.counterDelta = counterDelta
      failure.mirrored { mirror.failure = $0 }
      mirror.versionGeneration = version.generation
      mirror.versionStamp = version.stamp
      mirror.replacedGeneration = replaced.generation
      mirror.replacedStamp = replaced.stamp
    }
  }
}

extension KeyRequestType {
  fileprivate var mirror: Cloudburst_KeyRequestType {
    Cloudburst_KeyRequestType(rawValue: Int(rawValue)) ?? .unspecified
  }
}

extension KeyRequest: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var request = KeyRequest()
    request.type = random.pick(KeyRequestType.allCases)
    request.tuples = random.several { KeyTuple.random(using: &$0) }
    request.responseAddress = random.text()
    request.requestID = random.text()
    request.level = random.level()
    request.subscribe = random.chance(50)
    request.clock = random.number()
    request.cursor = random.number()
    request.pageSize = random.small()
    return request
  }

  var mirror: Cloudburst_KeyRequest {
    .with {
      $0.type = type.mirror
      $0.tuples = tuples.map(\.mirror)
      $0.responseAddress = responseAddress
      $0.requestID = requestID
      $0.level = level.mirror
      $0.subscribe = subscribe
      $0.clock = clock
      $0.cursor = cursor
      $0.pageSize = pageSize
    }
  }

  var elementCount: Int { tuples.count }
}

extension KeyResponse: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var response = KeyResponse()
    response.type = random.pick(KeyRequestType.allCases)
    response.tuples = random.several { KeyTuple.random(using: &$0) }
    response.responseID = random.text()
    response.annaError = random.small()
    response.failure = random.maybeFailure()
    response.clock = random.number()
    response.cursor = random.number()
    response.ringEpoch = random.number()
    return response
  }

  var mirror: Cloudburst_KeyResponse {
    .with { mirror in
      mirror.type = type.mirror
      mirror.tuples = tuples.map(\.mirror)
      mirror.responseID = responseID
      mirror.annaError = annaError
      failure.mirrored { mirror.failure = $0 }
      mirror.clock = clock
      mirror.cursor = cursor
      mirror.ringEpoch = ringEpoch
    }
  }

  var elementCount: Int { tuples.count }
}

extension WatchRequest: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var request = WatchRequest()
    request.key = random.key()
    request.known = random.version()
    return request
  }

  var mirror: Cloudburst_WatchRequest {
    .with {
      $0.key = key.data
      $0.knownGeneration = known.generation
      $0.knownStamp = known.stamp
    }
  }
}

extension KeyExplanation.Holder: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var holder = KeyExplanation.Holder()
    holder.incarnation = Incarnation(random.number())
    holder.isOwner = random.chance(50)
    holder.version = Version(generation: random.number(), stamp: random.number())
    holder.member = random.text()
    holder.isExtra = random.chance(50)
    return holder
  }

  var mirror: Cloudburst_KeyExplanation.Holder {
    .with {
      $0.incarnation = incarnation.number
      $0.isOwner = isOwner
      $0.versionGeneration = version.generation
      $0.versionStamp = version.stamp
      $0.member = member
      $0.isExtra = isExtra
    }
  }
}

extension KeyExplanation: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var explanation = KeyExplanation()
    explanation.holders = random.several { Holder.random(using: &$0) }
    explanation.payloadBytes = random.number()
    explanation.storedBytes = random.number()
    explanation.expiry = random.number()
    explanation.isInMemory = random.chance(50)
    explanation.isLogged = random.chance(50)
    explanation.watches = random.number()
    explanation.subscriptions = random.number()
    explanation.requests = random.number()
    explanation.rateSeconds = random.small()
    return explanation
  }

  var mirror: Cloudburst_KeyExplanation {
    .with {
      $0.holders = holders.map(\.mirror)
      $0.payloadBytes = payloadBytes
      $0.storedBytes = storedBytes
      $0.expiry = expiry
      $0.isInMemory = isInMemory
      $0.isLogged = isLogged
      $0.watches = watches
      $0.subscriptions = subscriptions
      $0.requests = requests
      $0.rateSeconds = rateSeconds
    }
  }

  var elementCount: Int { holders.count }
}
