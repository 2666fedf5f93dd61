/// Payload: `CounterValue { repeated Entry entries = 1 }` with
/// `Entry { fixed64 actor = 1; uint64 added = 2; uint64 subtracted = 3 }`, ascending by actor.
extension Counter {
  /// Reads the entries in any order, those of one actor merged; unknown fields are skipped.
  public init(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) {
    self.init()
    var reader = ProtobufReader(bytes, of: .counter)
    while let field = try reader.nextField() {
      guard case .bytes(1, let body) = field else { continue }
      let entry = try Self.entry(serialized: body)
      if !entry.isZero { entries.append(entry) }
    }
    normalise()
  }

  public func serialized() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(serializedCount)
    append(to: &bytes)
    return bytes
  }

  public func append(to bytes: inout [UInt8]) {
    for entry in entries {
      bytes.append(ProtobufTag.bytes1)
      bytes.appendVarint(UInt64(entry.serializedCount))
      if entry.actor != 0 {
        bytes.append(ProtobufTag.fixed1)
        bytes.appendLittleEndian(entry.actor)
      }
      if entry.added != 0 {
        bytes.append(ProtobufTag.varint2)
        bytes.appendVarint(entry.added)
      }
      if entry.subtracted != 0 {
        bytes.append(ProtobufTag.varint3)
        bytes.appendVarint(entry.subtracted)
      }
    }
  }

  /// Size in bytes of what `append(to:)` writes.
  public var serializedCount: Int {
    entries.reduce(0) { sum, entry in
      let count = entry.serializedCount
      return sum + 1 + varintCount(UInt64(count)) + count
    }
  }

  private static func entry(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) -> Entry {
    var actor: UInt64 = 0
    var added: UInt64 = 0
    var subtracted: UInt64 = 0
    var reader = ProtobufReader(bytes, of: .counter)
    while let field = try reader.nextField() {
      switch field {
      case .fixed64(1, let value): actor = value
      case .varint(2, let value): added = value
      case .varint(3, let value): subtracted = value
      default: continue
      }
    }
    return Entry(actor: actor, added: added, subtracted: subtracted)
  }
}

extension Counter.Entry {
  /// Size of the entry's body; proto3 leaves out what is zero.
  fileprivate var serializedCount: Int {
    (actor == 0 ? 0 : 9)
      + (added == 0 ? 0 : 1 + varintCount(added))
      + (subtracted == 0 ? 0 : 1 + varintCount(subtracted))
  }
}
