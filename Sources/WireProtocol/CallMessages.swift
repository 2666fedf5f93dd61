package import ClusterModel

/// One argument of a call: a value, or the key whose value to use.
package struct Argument: WireMessage {
  /// `ValueEncoding`: 0 raw, 1 JSON, 2 native.
  package var encoding: UInt8 = 0
  package var value: Bytes = []
  /// Not empty: the value is read from this key when the function starts.
  package var reference: Bytes = []

  package init() {}
  package init(encoding: UInt8, value: Bytes) {
    self.encoding = encoding
    self.value = value
  }
  package init(reference key: Key) { reference = key.bytes }

  package var referencedKey: Key? { reference.isEmpty ? nil : Key(trusted: reference) }

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, UInt32(encoding))
    writer.field(2, value)
    writer.field(3, reference)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: encoding = try reader.uint8()
    case 2: value = try reader.bytesField()
    case 3: reference = try reader.bytesField()
    default: try reader.skip()
    }
  }
}

/// The arguments given to one function of a DAG.
package struct DAGInput: WireMessage {
  package var function = ""
  package var arguments: [Argument] = []

  package init() {}
  package init(function: String, arguments: [Argument]) {
    self.function = function
    self.arguments = arguments
  }

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, function)
    writer.messages(2, arguments)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: function = try reader.string()
    case 2: try reader.append(to: &arguments)
    default: try reader.skip()
    }
  }
}

/// From a client to a scheduler: one function, or one DAG with inputs for its functions.
package struct Call: WireMessage {
  /// `CallHeader` bytes.
  package var header: Bytes = []
  package var function = ""
  package var arguments: [Argument] = []
  /// Not empty: a DAG's name; then `function` and `arguments` are not used.
  package var dag = ""
  package var inputs: [DAGInput] = []
  /// Encodings the caller takes as a result: bit 1 << `ValueEncoding`; zero takes any.
  package var accepts: UInt32 = 0
  /// Answer as soon as the intent is stored; the result goes to `ReservedKeys.future`.
  package var submit = false
  /// Also store the result under this key of the user's.
  package var resultKey: Bytes = []

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, header)
    writer.field(2, function)
    writer.messages(3, arguments)
    writer.field(4, dag)
    writer.messages(5, inputs)
    writer.field(6, accepts)
    writer.field(7, submit)
    writer.field(8, resultKey)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: header = try reader.bytesField()
    case 2: function = try reader.string()
    case 3: try reader.append(to: &arguments)
    case 4: dag = try reader.string()
    case 5: try reader.append(to: &inputs)
    case 6: accepts = try reader.uint32()
    case 7: submit = try reader.bool()
    case 8: resultKey = try reader.bytesField()
    default: try reader.skip()
    }
  }
}

/// One function of a dispatched call, with the version resolved at acceptance.
package struct Stage: WireMessage {
  package var function = ""
  /// 32 bytes: the bundle that holds it.
  package var bundle: Bytes = []
  package var arguments: [Argument] = []
  /// Stages of this dispatch whose results follow the arguments, in this order; each is lower than
  /// this stage's own index.
  package var upstream: [UInt32] = []

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, function)
    writer.field(2, bundle)
    writer.messages(3, arguments)
    if !upstream.isEmpty {
      var packed = ProtobufWriter(reserving: upstream.count)
      for index in upstream { packed.varint(UInt64(index)) }
      writer.field(4, packed.bytes[...])
    }
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: function = try reader.string()
    case 2: bundle = try reader.bytesField()
    case 3: try reader.append(to: &arguments)
    case 4: try reader.packed(into: &upstream)
    default: try reader.skip()
    }
  }
}

/// From a scheduler to an executor: run these stages in order, back to back, and answer with the
/// last one's result. A plain call has one stage.
package struct Dispatch: WireMessage {
  /// `CallHeader` bytes.
  package var header: Bytes = []
  package var stages: [Stage] = []
  package var accepts: UInt32 = 0

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, header)
    writer.messages(2, stages)
    writer.field(3, accepts)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: header = try reader.bytesField()
    case 2: try reader.append(to: &stages)
    case 3: accepts = try reader.uint32()
    default: try reader.skip()
    }
  }
}

/// The end of a call, from executor to scheduler and on to the client.
package struct CallResult: WireMessage {
  package var invocation = InvocationID.none
  package var attempt: UInt32 = 0
  package var encoding: UInt8 = 0
  package var value: Bytes = []
  package var failure: Failure?
  /// The agent's `Released` for this invocation and attempt must come before anyone sees the value:
  /// the call wrote, or read what is not acknowledged yet (design: the release barrier).
  package var awaitsRelease = false
  package var runNanoseconds: UInt64 = 0
  /// `SessionToken` bytes: versions of the caller's keys this call wrote or read.
  package var session: Bytes = []
  /// Not empty: the value is too large for a reply and is stored under this key.
  package var reference: Bytes = []

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, invocation.wireBytes)
    writer.field(2, attempt)
    writer.field(3, UInt32(encoding))
    writer.field(4, value)
    if let failure { writer.message(5, FailureMessage(failure)) }
    writer.field(6, awaitsRelease)
    writer.field(7, runNanoseconds)
    writer.field(8, session)
    writer.field(9, reference)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: invocation = try InvocationID(wireBytes: reader.bytesField(), field: 1)
    case 2: attempt = try reader.uint32()
    case 3: encoding = try reader.uint8()
    case 4: value = try reader.bytesField()
    case 5: failure = try reader.message(FailureMessage.self).failure
    case 6: awaitsRelease = try reader.bool()
    case 7: runNanoseconds = try reader.uint64()
    case 8: session = try reader.bytesField()
    case 9: reference = try reader.bytesField()
    default: try reader.skip()
    }
  }
}

/// Gives up on a call, from client to scheduler to executor.
package struct CancelCall: WireMessage {
  package var invocation = InvocationID.none

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, invocation.wireBytes)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: invocation = try InvocationID(wireBytes: reader.bytesField(), field: 1)
    default: try reader.skip()
    }
  }
}

/// Versions a session has seen: a call that reads one of these keys gets that version or a later
/// one. At most `Limits.sessionEntriesMax` entries.
package struct SessionToken: WireMessage {
  package struct Entry: WireMessage {
    package var key = Key(trusted: [])
    package var version = Version.none

    package init() {}
    package init(key: Key, version: Version) {
      self.key = key
      self.version = version
    }

    package func encode(into writer: inout ProtobufWriter) {
      writer.field(1, key.bytes)
      writer.field(2, version.generation)
      writer.fixed64(3, version.stamp)
    }

    package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
      switch reader.field {
      case 1: key = Key(trusted: try reader.bytesField())
      case 2: version.generation = try reader.uint64()
      case 3: version.stamp = try reader.fixed64()
      default: try reader.skip()
      }
    }
  }

  package var entries: [Entry] = []

  package init() {}

  /// Takes note of a version, which makes its key the latest; beyond `Limits.sessionEntriesMax` keys
  /// the oldest goes. No version, or an older one, changes nothing.
  package mutating func note(_ key: Key, _ version: Version) {
    guard version != .none else { return }
    if let place = entries.firstIndex(where: { $0.key == key }) {
      guard entries[place].version < version else { return }
      entries.remove(at: place)
    } else if entries.count >= Limits.sessionEntriesMax {
      entries.removeFirst()
    }
    entries.append(Entry(key: key, version: version))
  }

  /// Takes the versions of another token, which count as the later ones.
  package mutating func merge(_ later: SessionToken) {
    for entry in later.entries { note(entry.key, entry.version) }
  }

  package func encode(into writer: inout ProtobufWriter) { writer.messages(1, entries) }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: try reader.append(to: &entries)
    default: try reader.skip()
    }
  }
}
