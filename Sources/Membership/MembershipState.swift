package import ClusterModel
package import WireProtocol

/// A member's name in its role: what stays from one of its lives to the next.
package struct MemberID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let role: PeerRole
  package let name: String

  package init(role: PeerRole, name: String) {
    self.role = role
    self.name = name
  }

  package var description: String { "\(role) \(name)" }

  package static func < (left: MemberID, right: MemberID) -> Bool {
    (left.role.rawValue, left.name) < (right.role.rawValue, right.name)
  }
}

/// Lives of one name that are over for ever.
///
/// They are kept one by one, because a life that was drawn after a step back of the clock may have a
/// lower number than one that is over. Beyond ``exactMax`` the lowest give way to a floor.
package struct Fence: WireMessage {
  package static let exactMax = 64

  package var member = MemberID(role: .storage, name: "")
  /// Every life up to here is over.
  package var floor = Incarnation(0)
  /// Ascending.
  package var ended: [Incarnation] = []

  package init() {}

  package init(of member: MemberID) { self.member = member }

  package func bars(_ life: Incarnation) -> Bool { life <= floor || ended.contains(life) }

  mutating func bar(_ life: Incarnation) {
    guard !bars(life) else { return }
    ended.append(life)
    ended.sort()
    if ended.count > Self.exactMax { floor = ended.removeFirst() }
  }

  package func encode(into writer: inout ProtobufWriter) {
    writer.field(1, UInt32(member.role.rawValue))
    writer.field(2, member.name)
    writer.fixed64(3, floor.number)
    for life in ended {
      var number = ProtobufWriter()
      number.word(life.number)
      writer.element(4, number.bytes[...])
    }
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1:
      guard let role = PeerRole(rawValue: try reader.uint8()) else { throw .badValue(field: 1) }
      member = MemberID(role: role, name: member.name)
    case 2: member = MemberID(role: member.role, name: try reader.string())
    case 3: floor = Incarnation(try reader.fixed64())
    case 4:
      let bytes = try reader.bytesField()
      guard bytes.count == 8 else { throw .badValue(field: 4) }
      ended.append(Incarnation(bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }))
    default: try reader.skip()
    }
  }
}

/// What a membership must not forget: on disk before anybody is told.
package struct MembershipState: WireMessage {
  package var ring = RingMessage()
  /// Of storage members, by name.
  package var fences: [Fence] = []

  package init() {}

  package func encode(into writer: inout ProtobufWriter) {
    writer.message(1, ring)
    writer.messages(2, fences)
  }

  package mutating func decodeField(from reader: inout ProtobufReader) throws(WireError) {
    switch reader.field {
    case 1: ring = try reader.message(RingMessage.self)
    case 2: try reader.append(to: &fences)
    default: try reader.skip()
    }
  }
}

/// Where a membership keeps its state. The built-in one is a file beside the router.
package protocol MembershipStore: Sendable {
  /// - Returns: nil where nothing was ever kept.
  /// - Throws: where something was, and cannot be read.
  func load() throws -> MembershipState?
  /// Returns once the state outlives a loss of power.
  func save(_ state: MembershipState) throws
}
