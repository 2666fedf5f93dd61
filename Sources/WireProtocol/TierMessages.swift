package import ClusterModel

/// The ring and who lives, from the membership to its members, and from a shard to whoever asks it
/// for a key of another; see `RingView`.
package struct RingMessage: WireMessage {
  package struct Shard: WireMessage {
    package var node = ""
    package var shard: UInt16 = 0
    package var incarnation = Incarnation(0)
    /// Empty in a list of holders.
    package var endpoint = ""
    /// Is to hold keys.
    package var isPlaced = false
    /// In a list of holders: see `RingView.Holder`.
    package var overtakenBy: [String] = []

    package init() {}

    package func encode(into writer: inout ProtobufWriter) {
      writer.field(1, node)
      writer.field(2, UInt32(shard))
      writer.fixed64(3, incarnation.number)
      writer.field(4, endpoint)
      writer.field(5, isPlaced)
      for node in overtakenBy { writer.element(6, node) }
    }

    package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
      switch reader.field {
      case 1: node = try reader.string()
      case 2:
        guard let number = UInt16(exactly: try reader.uint32()) else { throw .badValue(field: 2) }
        shard = number
      case 3: incarnation = Incarnation(try reader.fixed64())
      case 4: endpoint = try reader.string()
      case 5: isPlaced = try reader.bool()
      case 6: try reader.append(to: &overtakenBy)
      default: try reader.skip()
      }
    }
  }

  package var epoch: UInt64 = 0
  package var copies: UInt32 = 0
  package var shards: [Shard] = []
  package var holders: [Shard] = []
  package var origin: UInt64 = 0

  package init() {}

  package init(_ view: RingView) {
    epoch = view.epoch
    origin = view.origin
    copies = UInt32(clamping: view.copies)
    let placed = Set(view.ring.members)
    shards = view.shards.map { address in
      var shard = Shard()
      shard.node = address.member.name
      shard.shard = address.member.shard
      shard.incarnation = address.incarnation
      shard.endpoint = address.endpoint
      shard.isPlaced = placed.contains(address.member)
      return shard
    }
    holders = view.holders.map { holder in
      var shard = Shard()
      shard.node = holder.member.name
      shard.shard = holder.member.shard
      shard.incarnation = holder.incarnation
      shard.overtakenBy = holder.overtakenBy
      return shard
    }
  }

  package var view: RingView {
    let addresses = shards.map {
      ShardAddress(
        member: RingMember(name: $0.node, shard: $0.shard), incarnation: $0.incarnation,
        endpoint: $0.endpoint)
    }
    return RingView(
      epoch: epoch, origin: origin, copies: Int(min(copies, 64)), shards: addresses,
      placed: zip(shards, addresses).filter(\.0.isPlaced).map(\.1.member),
      holders: holders.map {
        .init(
          member: RingMember(name: $0.node, shard: $0.shard), incarnation: $0.incarnation,
          overtakenBy: $0.overtakenBy)
      })
  }

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, epoch)
    writer.field(2, copies)
    writer.messages(3, shards)
    writer.messages(4, holders)
    writer.field(5, origin)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: epoch = try reader.uint64()
    case 2: copies = try reader.uint32()
    case 3: try reader.append(to: &shards)
    case 4: try reader.append(to: &holders)
    case 5: origin = try reader.uint64()
    default: try reader.skip()
    }
  }
}

/// From a member to the membership, at once when something changed and then several times a lease:
/// the whole of what it has to say, so that one that is lost is made up for by the next.
package struct MemberReport: WireMessage {
  package var role = PeerRole.storage
  /// Of the node or process; unique among the members of a role.
  package var name = ""
  package var incarnation = Incarnation(0)
  /// Where it listens; of a storage node, index = shard.
  package var endpoints: [String] = []
  /// The newest ring it knows whole. A membership that lost its disk goes on from the highest.
  package var ring = RingMessage()
  /// Of a storage node: the last epoch in which all of its shards have what they are to hold.
  package var settledEpoch: UInt64 = 0
  /// Wants to hand over its keys and go.
  package var isLeaving = false
  /// The sender's wall clock in milliseconds since the epoch, to be judged by the membership's.
  package var wallClock: UInt64 = 0
  package var processID: UInt32 = 0

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, UInt32(role.rawValue))
    writer.field(2, name)
    writer.fixed64(3, incarnation.number)
    for endpoint in endpoints { writer.element(4, endpoint) }
    writer.message(5, ring)
    writer.field(6, settledEpoch)
    writer.field(7, isLeaving)
    writer.field(8, wallClock)
    writer.field(9, processID)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1:
      guard let role = PeerRole(rawValue: try reader.uint8()) else { throw .badValue(field: 1) }
      self.role = role
    case 2: name = try reader.string()
    case 3: incarnation = Incarnation(try reader.fixed64())
    case 4: try reader.append(to: &endpoints)
    case 5: ring = try reader.message(RingMessage.self)
    case 6: settledEpoch = try reader.uint64()
    case 7: isLeaving = try reader.bool()
    case 8: wallClock = try reader.uint64()
    case 9: processID = try reader.uint32()
    default: try reader.skip()
    }
  }
}

/// The answer to a `MemberReport`: for how long the sender may act as a member, counted from when it
/// sent the report. A refusal `FENCED` says that this life is over.
package struct Lease: WireMessage {
  package var milliseconds: UInt32 = 0
  /// The newest there is; a `ring` frame came before where the report named an older one.
  package var ringEpoch: UInt64 = 0
  /// The sender's wall clock less the membership's, in milliseconds.
  package var clockLead: Int64 = 0
  /// Has handed over everything, and may go.
  package var mayLeave = false

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, milliseconds)
    writer.field(2, ringEpoch)
    writer.zigzag(3, clockLead)
    writer.field(4, mayLeave)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: milliseconds = try reader.uint32()
    case 2: ringEpoch = try reader.uint64()
    case 3: clockLead = try reader.zigzag()
    case 4: mayLeave = try reader.bool()
    default: try reader.skip()
    }
  }
}

/// Records from one shard to another that is to hold them too: a stream, numbered from 1 for each
/// pair of incarnations, acknowledged by `Replicated`.
package struct Replicate: WireMessage {
  /// Of the ring by which the sender chose whom to tell.
  package var epoch: UInt64 = 0
  /// Keys and whole records (tombstones too).
  package var tuples: [KeyTuple] = []
  /// Everything the sender had to hand over for `epoch` is in this stream up to here.
  package var handsOver = false
  package var clock: UInt64 = 0

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, epoch)
    writer.messages(2, tuples)
    writer.field(3, handsOver)
    writer.fixed64(4, clock)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: epoch = try reader.uint64()
    case 2: try reader.append(to: &tuples)
    case 3: handsOver = try reader.bool()
    case 4: clock = try reader.fixed64()
    default: try reader.skip()
    }
  }
}

/// How far a stream of `Replicate` has come at its receiver; both are cumulative.
package struct Replicated: WireMessage {
  /// The last frame merged into memory.
  package var merged: UInt64 = 0
  /// The last frame whose records are in the synced log.
  package var logged: UInt64 = 0
  package var clock: UInt64 = 0

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, merged)
    writer.field(2, logged)
    writer.fixed64(3, clock)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: merged = try reader.uint64()
    case 2: logged = try reader.uint64()
    case 3: clock = try reader.fixed64()
    default: try reader.skip()
    }
  }
}
