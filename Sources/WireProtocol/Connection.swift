package import ClusterModel

/// What a process is to the one it dials.
package enum PeerRole: UInt8, CaseIterable, Sendable {
  case client = 1
  case executor = 2
  /// The cache loop of a node agent.
  case cache = 3
  case scheduler = 4
  case storage = 5
  /// The supervisor loop of a node agent.
  case supervisor = 6
  /// Holds the membership and the ring, and tells them.
  case router = 7
}

/// The first frame on every connection, from the side that dials.
package struct Hello: WireMessage {
  /// Never zero.
  package var protocolVersion: UInt32 = UInt32(FrameHeader.protocolVersion)
  package var role = PeerRole.client
  /// Zero when the dialer does not know the cluster yet (clients).
  package var cluster: UInt64 = 0
  package var incarnation = Incarnation(0)
  /// A node's, executor's (`ExecutorID` text) or client's name, for logs and status.
  package var name = ""
  /// The sender's hybrid logical clock.
  package var clock: UInt64 = 0
  /// An executor's process id.
  package var processID: UInt32 = 0
  /// Of an executor: the life of its node's agent, whose child it is. Zero: not said.
  package var agent = Incarnation(0)

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, protocolVersion)
    writer.field(2, UInt32(role.rawValue))
    writer.fixed64(3, cluster)
    writer.fixed64(4, incarnation.number)
    writer.field(5, name)
    writer.fixed64(6, clock)
    writer.field(7, processID)
    writer.fixed64(8, agent.number)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1:
      protocolVersion = try reader.uint32()
      guard protocolVersion != 0 else { throw .badValue(field: 1) }
    case 2:
      guard let role = PeerRole(rawValue: try reader.uint8()) else {
        throw .badValue(field: 2)
      }
      self.role = role
    case 3: cluster = try reader.fixed64()
    case 4: incarnation = Incarnation(try reader.fixed64())
    case 5: name = try reader.string()
    case 6: clock = try reader.fixed64()
    case 7: processID = try reader.uint32()
    case 8: agent = Incarnation(try reader.fixed64())
    default: try reader.skip()
    }
  }
}

/// The answer to a hello: who answers, and where the rest of the cluster is.
package struct Welcome: WireMessage {
  package var cluster: UInt64 = 0
  package var incarnation = Incarnation(0)
  package var clock: UInt64 = 0
  /// Endpoints of the storage shards, for clients; index = shard.
  package var storage: [String] = []
  package var ringEpoch: UInt64 = 0
  /// For an executor: the folder of the node's shared cache.
  package var cacheFolder = ""
  /// The cluster's default write level.
  package var writeLevel = WriteLevel.accepted
  /// The platform's version text, for status.
  package var software = ""

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.fixed64(1, cluster)
    writer.fixed64(2, incarnation.number)
    writer.fixed64(3, clock)
    for endpoint in storage { writer.element(4, endpoint) }
    writer.field(5, ringEpoch)
    writer.field(6, cacheFolder)
    writer.field(7, UInt32(writeLevel.rawValue))
    writer.field(8, software)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: cluster = try reader.fixed64()
    case 2: incarnation = Incarnation(try reader.fixed64())
    case 3: clock = try reader.fixed64()
    case 4: try reader.append(to: &storage)
    case 5: ringEpoch = try reader.uint64()
    case 6: cacheFolder = try reader.string()
    case 7:
      guard let level = try reader.writeLevel() else {
        throw .badValue(field: 7)
      }
      writeLevel = level
    case 8: software = try reader.string()
    default: try reader.skip()
    }
  }
}
