package import ClusterModel

/// From an executor to its agent: make this key readable in the shared cache.
package struct CacheFetch: WireMessage {
  package var key = Key(trusted: [])
  /// This version or a later one.
  package var minimum = Version.none

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, key.bytes)
    writer.field(2, minimum.generation)
    writer.fixed64(3, minimum.stamp)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: key = Key(trusted: try reader.bytesField())
    case 2: minimum.generation = try reader.uint64()
    case 3: minimum.stamp = try reader.fixed64()
    default: try reader.skip()
    }
  }
}

/// The answer to `CacheFetch`.
package struct CacheFetched: WireMessage {
  package var key = Key(trusted: [])
  /// The record; empty when the key is absent, or when the value is large and now in the cache.
  package var record: Bytes = []
  /// The record is in the shared cache, too large to send along.
  package var inCache = false
  package var failure: Failure?

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, key.bytes)
    writer.field(2, record)
    writer.field(3, inCache)
    if let failure { writer.message(4, FailureMessage(failure)) }
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: key = Key(trusted: try reader.bytesField())
    case 2: record = try reader.bytesField()
    case 3: inCache = try reader.bool()
    case 4: failure = try reader.message(FailureMessage.self).failure
    default: try reader.skip()
    }
  }
}

/// One write of a call, in program order. Stamps and actors are the agent's to give.
package struct CacheWrite: WireMessage {
  package enum Kind: UInt8, CaseIterable, Sendable {
    /// Last-writer-wins value.
    case put = 1
    case delete = 2
    case addToCounter = 3
    /// `value` is `SetValue` bytes.
    case addToSet = 4
  }

  package var key = Key(trusted: [])
  package var kind = Kind.put
  package var encoding: UInt8 = 0
  package var value: Bytes = []
  package var delta: Int64 = 0
  /// Milliseconds to live; zero is for ever.
  package var timeToLive: UInt64 = 0

  package init() {}
  package init(key: Key, kind: Kind) {
    self.key = key
    self.kind = kind
  }

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, key.bytes)
    writer.field(2, UInt32(kind.rawValue))
    writer.field(3, UInt32(encoding))
    writer.field(4, value)
    writer.zigzag(5, delta)
    writer.field(6, timeToLive)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: key = Key(trusted: try reader.bytesField())
    case 2:
      guard let kind = Kind(rawValue: try reader.uint8()) else {
        throw .badValue(field: 2)
      }
      self.kind = kind
    case 3: encoding = try reader.uint8()
    case 4: value = try reader.bytesField()
    case 5: delta = try reader.zigzag()
    case 6: timeToLive = try reader.uint64()
    default: try reader.skip()
    }
  }
}

/// The overlay of a call, sent by its executor without waiting. The agent answers `cacheApplied`
/// with the same frame number once the writes are in the shared cache.
package struct CacheWrites: WireMessage {
  package var invocation = InvocationID.none
  package var attempt: UInt32 = 0
  package var writes: [CacheWrite] = []
  /// The call has returned: tell `scheduler` when all its writes, and everything up to
  /// `readSequence`, are acknowledged at `level`.
  package var isFinal = false
  /// The highest `Record.writeSequence` the call read that was not yet acknowledged; zero for none.
  package var readSequence: UInt64 = 0
  package var level: WriteLevel?
  /// The incarnation of the scheduler that waits for the release.
  package var scheduler = Incarnation(0)
  /// The latest stamp that the call knows of, from its caller's session and its own reads: what it
  /// writes is stamped later, whatever the agent's clock says.
  package var clock: UInt64 = 0

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, invocation.wireBytes)
    writer.field(2, attempt)
    writer.messages(3, writes)
    writer.field(4, isFinal)
    writer.field(5, readSequence)
    writer.field(6, UInt32(level?.rawValue ?? 0))
    writer.fixed64(7, scheduler.number)
    writer.fixed64(8, clock)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: invocation = try InvocationID(wireBytes: reader.bytesField(), field: 1)
    case 2: attempt = try reader.uint32()
    case 3: try reader.append(to: &writes)
    case 4: isFinal = try reader.bool()
    case 5: readSequence = try reader.uint64()
    case 6: level = try reader.writeLevel()
    case 7: scheduler = Incarnation(try reader.fixed64())
    case 8: clock = try reader.fixed64()
    default: try reader.skip()
    }
  }
}

/// From an agent to a scheduler: the barrier of these calls is open, or their writes were refused.
package struct Released: WireMessage {
  package struct Entry: WireMessage {
    package var invocation = InvocationID.none
    package var attempt: UInt32 = 0
    package var failure: Failure?
    /// `SessionToken` bytes: the versions that the call's writes have at their owners.
    package var session: Bytes = []

    package init() {}

    package func encode(into writer: inout ProtobufWriter) {
      writer.field(1, invocation.wireBytes)
      writer.field(2, attempt)
      if let failure { writer.message(3, FailureMessage(failure)) }
      writer.field(4, session)
    }

    package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
      switch reader.field {
      case 1: invocation = try InvocationID(wireBytes: reader.bytesField(), field: 1)
      case 2: attempt = try reader.uint32()
      case 3: failure = try reader.message(FailureMessage.self).failure
      case 4: session = try reader.bytesField()
      default: try reader.skip()
      }
    }
  }

  package var entries: [Entry] = []

  package init() {}

  package func encode(into writer: inout ProtobufWriter) { writer.messages(1, entries) }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: try reader.append(to: &entries)
    default: try reader.skip()
    }
  }
}

/// From an agent to schedulers: this executor is reaped, with the cause (signal, exit code, killed
/// at a deadline), its last words and what it was running where that is known.
package struct ExecutorLost: WireMessage {
  /// `ExecutorID` text.
  package var executor = ""
  package var cause = Failure(.executorLost, "")
  /// Whether `lastStarted` says something.
  package var knowsStarted = false
  /// The number of the last dispatch it began; zero for none.
  package var lastStarted: UInt64 = 0

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, executor)
    writer.message(2, FailureMessage(cause))
    writer.field(3, knowsStarted)
    writer.fixed64(4, lastStarted)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: executor = try reader.string()
    case 2: cause = try reader.message(FailureMessage.self).failure
    case 3: knowsStarted = try reader.bool()
    case 4: lastStarted = try reader.fixed64()
    default: try reader.skip()
    }
  }
}

/// `recall`, from a scheduler to an agent: the executor shall begin no dispatch up to `upTo` that it
/// has not begun. `recalled`, the answer: it will begin none after `started`, up to `upTo`. The
/// executor itself says the same when it comes to a dispatch that was recalled.
package struct Recall: WireMessage {
  /// `ExecutorID` text.
  package var executor = ""
  /// A dispatch's number.
  package var upTo: UInt64 = 0
  /// In the answer: the last dispatch begun, zero for none.
  package var started: UInt64 = 0

  package init() {}
  package init(executor: ExecutorID, upTo: UInt64, started: UInt64 = 0) {
    self.executor = executor.description
    self.upTo = upTo
    self.started = started
  }

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, executor)
    writer.fixed64(2, upTo)
    writer.fixed64(3, started)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: executor = try reader.string()
    case 2: upTo = try reader.fixed64()
    case 3: started = try reader.fixed64()
    default: try reader.skip()
    }
  }
}

/// From a scheduler to an agent: end this executor, whose call is beyond its deadline. Answered by
/// `ExecutorLost` with `reason` as its cause's code.
package struct KillExecutor: WireMessage {
  package var executor = ""
  package var invocation = InvocationID.none
  package var reason = ErrorCode.deadlineExceeded

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, executor)
    writer.field(2, invocation.wireBytes)
    writer.field(3, UInt32(reason.rawValue))
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: executor = try reader.string()
    case 2: invocation = try InvocationID(wireBytes: reader.bytesField(), field: 2)
    case 3:
      guard let code = ErrorCode(rawValue: UInt16(clamping: try reader.uint32())) else {
        throw .badValue(field: 3)
      }
      reason = code
    default: try reader.skip()
    }
  }
}

/// Asks for a bundle by digest: from scheduler to agent (`probeBundle`: load it in a spare executor
/// and describe it), from executor to agent (`bundleRequest`: put its file on this node).
package struct BundleRequest: WireMessage {
  package var digest: Bytes = []

  package init() {}

  package func encode(into writer: inout ProtobufWriter) { writer.field(1, digest) }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: digest = try reader.bytesField()
    default: try reader.skip()
    }
  }
}

/// The answer to `bundleRequest`: the absolute path of the file, complete and checked.
package struct BundleReady: WireMessage {
  package var digest: Bytes = []
  package var path = ""
  package var failure: Failure?

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, digest)
    writer.field(2, path)
    if let failure { writer.message(3, FailureMessage(failure)) }
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: digest = try reader.bytesField()
    case 2: path = try reader.string()
    case 3: failure = try reader.message(FailureMessage.self).failure
    default: try reader.skip()
    }
  }
}

/// Lines of a function's log, from executor to agent.
package struct LogLines: WireMessage {
  package struct Line: WireMessage {
    /// 0 trace, 1 debug, 2 info, 3 warning, 4 error.
    package var level: UInt32 = 0
    package var text = ""
    package var invocation = InvocationID.none
    package var function = ""
    /// Milliseconds since the epoch.
    package var time: UInt64 = 0
    /// The node and executor, filled in by the agent.
    package var source = ""

    package init() {}

    package func encode(into writer: inout ProtobufWriter) {
      writer.field(1, level)
      writer.field(2, text)
      writer.field(3, invocation.wireBytes)
      writer.field(4, function)
      writer.field(5, time)
      writer.field(6, source)
    }

    package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
      switch reader.field {
      case 1: level = try reader.uint32()
      case 2: text = try reader.string()
      case 3: invocation = try InvocationID(wireBytes: reader.bytesField(), field: 3)
      case 4: function = try reader.string()
      case 5: time = try reader.uint64()
      case 6: source = try reader.string()
      default: try reader.skip()
      }
    }
  }

  package var lines: [Line] = []

  package init() {}

  package func encode(into writer: inout ProtobufWriter) { writer.messages(1, lines) }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: try reader.append(to: &lines)
    default: try reader.skip()
    }
  }
}
