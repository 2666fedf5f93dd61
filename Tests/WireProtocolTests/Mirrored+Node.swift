import ClusterModel
import ControlProtocol
import Foundation
import SwiftProtobuf
import WireProtocol

extension CacheFetch: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var fetch = CacheFetch()
    fetch.key = random.key()
    fetch.minimum = random.version()
    return fetch
  }

  var mirror: Cloudburst_CacheFetch {
    .with {
      $0.key = key.data
      $0.minimumGeneration = minimum.generation
      $0.minimumStamp = minimum.stamp
    }
  }
}

extension CacheFetched: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var fetched = CacheFetched()
    fetched.key = random.key()
    fetched.record = random.bytes()
    fetched.inCache = random.chance(50)
    fetched.failure = random.maybeFailure()
    return fetched
  }

  var mirror: Cloudburst_CacheFetched {
    .with { mirror in
      mirror.key = key.data
      mirror.record = Data(record)
      mirror.inCache = inCache
      failure.mirrored { mirror.failure = $0 }
    }
  }
}

extension CacheWrite: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var write = CacheWrite(key: random.key(), kind: random.pick(Kind.allCases))
    write.encoding = random.tiny()
    write.value = random.bytes()
    write.delta = random.signed()
    write.timeToLive = random.number()
    return write
  }

  var mirror: Cloudburst_CacheWrite {
    .with {
      $0.key = key.data
      $0.kind = Cloudburst_CacheWrite.Kind(rawValue: Int(kind.rawValue)) ?? .unspecified
      $0.encoding = UInt32(encoding)
      $0.value = Data(value)
      $0.delta = delta
      $0.timeToLive = timeToLive
    }
  }
}

extension CacheWrites: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var writes = CacheWrites()
    writes.invocation = random.id()
    writes.attempt = random.small()
    writes.writes = random.several { CacheWrite.random(using: &$0) }
    writes.isFinal = random.chance(50)
    writes.readSequence = random.number()
    writes.level = random.level()
    writes.scheduler = Incarnation(random.number())
    writes.clock = random.number()
    return writes
  }

  var mirror: Cloudburst_CacheWrites {
    .with {
      $0.invocation = invocation.data
      $0.attempt = attempt
      $0.writes = writes.map(\.mirror)
      $0.isFinal = isFinal
      $0.readSequence = readSequence
      $0.level = level.mirror
      $0.scheduler = scheduler.number
      $0.clock = clock
    }
  }

  var elementCount: Int { writes.count }
}

extension Released.Entry: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var entry = Self()
    entry.invocation = random.id()
    entry.attempt = random.small()
    entry.failure = random.maybeFailure()
    entry.session = random.bytes()
    return entry
  }

  var mirror: Cloudburst_Released.Entry {
    .with { mirror in
      mirror.invocation = invocation.data
      mirror.attempt = attempt
      failure.mirrored { mirror.failure = $0 }
      mirror.session = Data(session)
    }
  }
}

extension Released: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var released = Released()
    released.entries = random.several { Entry.random(using: &$0) }
    return released
  }

  var mirror: Cloudburst_Released { .with { $0.entries = entries.map(\.mirror) } }
  var elementCount: Int { entries.count }
}

extension ExecutorLost: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var lost = ExecutorLost()
    lost.executor = random.text()
    lost.cause = random.failure()
    lost.knowsStarted = Bool.random(using: &random)
    lost.lastStarted = random.next()
    return lost
  }

  var mirror: Cloudburst_ExecutorLost {
    .with {
      $0.executor = executor
      $0.cause = FailureMessage(cause).mirror
      $0.knowsStarted = knowsStarted
      $0.lastStarted = lastStarted
    }
  }
}

extension Recall: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var recall = Recall()
    recall.executor = random.text()
    recall.upTo = random.next()
    recall.started = random.next()
    return recall
  }

  var mirror: Cloudburst_Recall {
    .with {
      $0.executor = executor
      $0.upTo = upTo
      $0.started = started
    }
  }
}

extension KillExecutor: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var kill = KillExecutor()
    kill.executor = random.text()
    kill.invocation = random.id()
    kill.reason = random.pick(ErrorCode.allCases)
    return kill
  }

  var mirror: Cloudburst_KillExecutor {
    .with {
      $0.executor = executor
      $0.invocation = invocation.data
      $0.reason = UInt32(reason.rawValue)
    }
  }
}

extension BundleRequest: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var request = BundleRequest()
    request.digest = random.bytes()
    return request
  }

  var mirror: Cloudburst_BundleRequest { .with { $0.digest = Data(digest) } }
}

extension BundleReady: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var ready = BundleReady()
    ready.digest = random.bytes()
    ready.path = random.text()
    ready.failure = random.maybeFailure()
    return ready
  }

  var mirror: Cloudburst_BundleReady {
    .with { mirror in
      mirror.digest = Data(digest)
      mirror.path = path
      failure.mirrored { mirror.failure = $0 }
    }
  }
}

extension LogLines.Line: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var line = Self()
    line.level = random.small()
    line.text = random.text()
    line.invocation = random.id()
    line.function = random.text()
    line.time = random.number()
    line.source = random.text()
    return line
  }

  var mirror: Cloudburst_LogLines.Line {
    .with {
      $0.level = level
      $0.text = text
      $0.invocation = invocation.data
      $0.function = function
      $0.time = time
      $0.source = source
    }
  }
}

extension LogLines: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var lines = LogLines()
    lines.lines = random.several { Line.random(using: &$0) }
    return lines
  }

  var mirror: Cloudburst_LogLines { .with { $0.lines = lines.map(\.mirror) } }
  var elementCount: Int { lines.count }
}
