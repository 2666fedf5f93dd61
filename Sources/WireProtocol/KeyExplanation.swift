package import ClusterModel

/// Where a key is and what it costs, as far as the shard that was asked knows: `payload` of the answer to
/// an EXPLAIN, whose `latticeType` and `version` say the rest.
package struct KeyExplanation: WireMessage {
  /// One copy of the key.
  package struct Holder: WireMessage {
    /// The shard's incarnation.
    package var incarnation = Incarnation(0)
    /// False for a copy that only follows.
    package var isOwner = false
    /// Of the copy; none where it has not all of the owner's changes yet.
    package var version = Version.none
    /// The shard's place: `RingMember` as text.
    package var member = ""
    /// Held for as long as the key is hot.
    package var isExtra = false

    package init() {}

    package func encode(into writer: inout ProtobufWriter) {
      writer.fixed64(1, incarnation.number)
      writer.field(2, isOwner)
      writer.field(3, version.generation)
      writer.fixed64(4, version.stamp)
      writer.field(5, member)
      writer.field(6, isExtra)
    }

    package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
      switch reader.field {
      case 1: incarnation = Incarnation(try reader.fixed64())
      case 2: isOwner = try reader.bool()
      case 3: version.generation = try reader.uint64()
      case 4: version.stamp = try reader.fixed64()
      case 5: member = try reader.string()
      case 6: isExtra = try reader.bool()
      default: try reader.skip()
      }
    }
  }

  /// The owner first.
  package var holders: [Holder] = []
  /// The user's bytes: the payload.
  package var payloadBytes: UInt64 = 0
  /// What it takes in the store, key and envelope included.
  package var storedBytes: UInt64 = 0
  /// Milliseconds since the epoch; zero is never.
  package var expiry: UInt64 = 0
  package var isInMemory = false
  /// Whether the synced log has this version.
  package var isLogged = false
  package var watches: UInt64 = 0
  package var subscriptions: UInt64 = 0
  /// Requests for the key in the last `rateSeconds`; that is zero where nobody counts them.
  package var requests: UInt64 = 0
  package var rateSeconds: UInt32 = 0

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.messages(1, holders)
    writer.field(2, payloadBytes)
    writer.field(3, storedBytes)
    writer.field(4, expiry)
    writer.field(5, isInMemory)
    writer.field(6, isLogged)
    writer.field(7, watches)
    writer.field(8, subscriptions)
    writer.field(9, requests)
    writer.field(10, rateSeconds)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: try reader.append(to: &holders)
    case 2: payloadBytes = try reader.uint64()
    case 3: storedBytes = try reader.uint64()
    case 4: expiry = try reader.uint64()
    case 5: isInMemory = try reader.bool()
    case 6: isLogged = try reader.bool()
    case 7: watches = try reader.uint64()
    case 8: subscriptions = try reader.uint64()
    case 9: requests = try reader.uint64()
    case 10: rateSeconds = try reader.uint32()
    default: try reader.skip()
    }
  }
}
