package import ClusterModel

/// A function as the registry keeps it under `ReservedKeys.function`.
package struct FunctionRecord: WireMessage {
  package var name = ""
  package var bundleName = ""
  /// 32 bytes; its short text is the function's version.
  package var bundle: Bytes = []
  /// For people, as in `(Int, String) -> [Double]`.
  package var signature = ""
  package var parameterCount: UInt32 = 0
  package var isAsync = false
  /// Milliseconds since the epoch.
  package var uploadedAt: UInt64 = 0
  /// The function's own limits; zero leaves each to the call, or to the cluster.
  package var timeLimitMicroseconds: UInt64 = 0
  package var memoryMebibytes: UInt32 = 0
  package var attemptsMax: UInt32 = 0

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, name)
    writer.field(2, bundleName)
    writer.field(3, bundle)
    writer.field(4, signature)
    writer.field(5, parameterCount)
    writer.field(6, isAsync)
    writer.field(7, uploadedAt)
    writer.field(8, timeLimitMicroseconds)
    writer.field(9, memoryMebibytes)
    writer.field(10, attemptsMax)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: name = try reader.string()
    case 2: bundleName = try reader.string()
    case 3: bundle = try reader.bytesField()
    case 4: signature = try reader.string()
    case 5: parameterCount = try reader.uint32()
    case 6: isAsync = try reader.bool()
    case 7: uploadedAt = try reader.uint64()
    case 8: timeLimitMicroseconds = try reader.uint64()
    case 9: memoryMebibytes = try reader.uint32()
    case 10: attemptsMax = try reader.uint32()
    default: try reader.skip()
    }
  }
}

/// A bundle as the registry keeps it under `ReservedKeys.bundle`; its bytes are in `chunks` keys of
/// `Limits.chunkBytesMax` each. Also the answer to `probeBundle`.
package struct BundleRecord: WireMessage {
  package var digest: Bytes = []
  package var name = ""
  package var byteCount: UInt64 = 0
  package var chunks: UInt32 = 0
  package var functions: [FunctionRecord] = []
  /// The compiler that built it.
  package var toolchain = ""
  /// On a probe's answer: why the bundle was refused.
  package var failure: Failure?

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, digest)
    writer.field(2, name)
    writer.field(3, byteCount)
    writer.field(4, chunks)
    writer.messages(5, functions)
    writer.field(6, toolchain)
    if let failure { writer.message(7, FailureMessage(failure)) }
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: digest = try reader.bytesField()
    case 2: name = try reader.string()
    case 3: byteCount = try reader.uint64()
    case 4: chunks = try reader.uint32()
    case 5: try reader.append(to: &functions)
    case 6: toolchain = try reader.string()
    case 7: failure = try reader.message(FailureMessage.self).failure
    default: try reader.skip()
    }
  }
}

/// A DAG as the registry keeps it under `ReservedKeys.dag`: functions by name, and who feeds whom.
package struct DAGRecord: WireMessage {
  package struct Edge: WireMessage {
    package var from: UInt32 = 0
    package var to: UInt32 = 0

    package init() {}
    package init(from: UInt32, to: UInt32) {
      self.from = from
      self.to = to
    }

    package func encode(into writer: inout ProtobufWriter) {
      writer.field(1, from)
      writer.field(2, to)
    }

    package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
      switch reader.field {
      case 1: from = try reader.uint32()
      case 2: to = try reader.uint32()
      default: try reader.skip()
      }
    }
  }

  package var name = ""
  package var functions: [String] = []
  /// Indices into `functions`. A function's results arrive after its own arguments, in edge order.
  package var edges: [Edge] = []
  package var registeredAt: UInt64 = 0

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, name)
    for function in functions { writer.element(2, function) }
    writer.messages(3, edges)
    writer.field(4, registeredAt)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: name = try reader.string()
    case 2: try reader.append(to: &functions)
    case 3: try reader.append(to: &edges)
    case 4: registeredAt = try reader.uint64()
    default: try reader.skip()
    }
  }
}
