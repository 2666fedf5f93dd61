package import ClusterModel

/// One shard's word to another about the extra replicas of a hot key.
package struct ReplicaWord: WireMessage {
  package enum Kind: UInt32, CaseIterable, Sendable {
    /// Says nothing.
    case none = 0
    /// From an owner: hold a replica. With the owner's record, if it has one, and who else is to hold one.
    case host = 1
    /// To an owner: it is held. With how often the key was asked for there, and whether all owners agree.
    case hosted = 2
    /// From an owner: serve it no more.
    case dismiss = 3
    /// To an owner: nothing is served there any more.
    case left = 4
    /// From the first owner to the others: the key is hot; host it there as well.
    case invite = 5
    /// The same: it is not hot any more.
    case uninvite = 6
  }

  package var kind = Kind.none
  /// Of the ring by which the sender is an owner or a replica.
  package var epoch: UInt64 = 0
  package var key = Key(trusted: [])
  package var record: ArraySlice<UInt8> = []
  /// The shards that are to hold extra replicas, each as `RingMember` gives it.
  package var replicas: [String] = []
  /// Of the owner's choice; what a replica says names that which it was told last.
  package var number: UInt64 = 0
  /// In the time that a shard counts requests for.
  package var requests: UInt64 = 0
  package var isServing = false

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, kind.rawValue)
    writer.field(2, epoch)
    writer.field(3, key.bytes)
    writer.field(4, record)
    for replica in replicas { writer.element(5, replica) }
    writer.field(6, number)
    writer.field(7, requests)
    writer.field(8, isServing)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1:
      guard let kind = Kind(rawValue: try reader.uint32()) else { throw .badValue(field: 1) }
      self.kind = kind
    case 2: epoch = try reader.uint64()
    case 3: key = Key(trusted: try reader.bytesField())
    case 4: record = try reader.bytesField()
    case 5: try reader.append(to: &replicas)
    case 6: number = try reader.uint64()
    case 7: requests = try reader.uint64()
    case 8: isServing = try reader.bool()
    default: try reader.skip()
    }
  }
}

/// The hot keys of a shard that is their first owner, and who serves them besides all their owners; each
/// list takes the place of the one before. Who goes by an old one is told `WRONG_OWNER`.
package struct HotKeyList: WireMessage {
  package struct Entry: WireMessage {
    /// `StableHash` of the key.
    package var hash: UInt64 = 0
    /// Each as `RingMember` gives it.
    package var replicas: [String] = []

    package init() {}

    package func encode(into writer: inout ProtobufWriter) {
      writer.fixed64(1, hash)
      for replica in replicas { writer.element(2, replica) }
    }

    package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
      switch reader.field {
      case 1: hash = try reader.fixed64()
      case 2: try reader.append(to: &replicas)
      default: try reader.skip()
      }
    }
  }

  package var epoch: UInt64 = 0
  package var keys: [Entry] = []

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, epoch)
    writer.messages(2, keys)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: epoch = try reader.uint64()
    case 2: try reader.append(to: &keys)
    default: try reader.skip()
    }
  }
}
