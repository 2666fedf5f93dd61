/// A map of which every field is a last-writer-wins value (an LWW-map).
///
/// A removed field keeps its name and stamp, so that an earlier write that arrives late stays removed.
/// A delta is a map with the changed fields alone.
public struct RegisterMap: Lattice, Hashable {
  public struct Field: Hashable, Sendable {
    /// UTF-8.
    public let name: ArraySlice<UInt8>
    /// A hybrid-logical-clock reading; zero on a write: its owner stamps it.
    public internal(set) var stamp: UInt64
    /// Nil where the field was removed.
    public let value: ArraySlice<UInt8>?
    /// How `value` is encoded; opaque here.
    public let encoding: UInt8

    public init(
      name: ArraySlice<UInt8>, stamp: UInt64, value: ArraySlice<UInt8>?, encoding: UInt8 = 0
    ) {
      self.name = name
      self.stamp = stamp
      self.value = value
      self.encoding = value == nil ? 0 : encoding
    }

    /// Order of the writes: stamp, then a value above a removal, then value bytes, then encoding.
    func isSuperseded(by other: Field) -> Bool {
      if stamp != other.stamp { return stamp < other.stamp }
      guard let theirs = other.value else { return false }
      guard let mine = value else { return true }
      let order = compareBytes(mine, theirs)
      return order == 0 ? encoding < other.encoding : order < 0
    }
  }

  /// Ascending by name, one a name, the removed ones among them.
  public internal(set) var fields: [Field]

  public init() { fields = [] }

  /// Takes fields in any order; of one name the later write stays.
  public init(_ fields: some Sequence<Field>) {
    self.fields = Array(fields)
    normalise()
  }

  /// The fields that are there.
  public var present: [Field] { fields.filter { $0.value != nil } }

  public subscript(name: ArraySlice<UInt8>) -> Field? {
    let position = fields.partitioningIndex { compareBytes($0.name, name) >= 0 }
    guard position < fields.count, fields[position].name == name else { return nil }
    return fields[position]
  }

  @discardableResult public mutating func merge(_ other: RegisterMap) -> Bool {
    let before = fields
    fields += other.fields
    normalise()
    return fields != before
  }

  /// Gives every field that has no stamp yet this one.
  public mutating func stampFields(_ stamp: UInt64) {
    for index in fields.indices where fields[index].stamp == 0 { fields[index].stamp = stamp }
  }

  private mutating func normalise() {
    let unordered = zip(fields, fields.dropFirst()).contains {
      compareBytes($0.name, $1.name) >= 0
    }
    guard unordered else { return }
    fields.sort { compareBytes($0.name, $1.name) < 0 }
    var kept = 0
    for index in fields.indices.dropFirst() {
      if compareBytes(fields[index].name, fields[kept].name) == 0 {
        if fields[kept].isSuperseded(by: fields[index]) { fields[kept] = fields[index] }
      } else {
        kept += 1
        fields[kept] = fields[index]
      }
    }
    fields.removeSubrange((kept + 1)...)
  }
}

/// Payload: `RegisterMapValue { repeated Field fields = 1 }` with
/// `Field { string name = 1; fixed64 stamp = 2; bytes value = 3; uint32 encoding = 4; bool removed = 5 }`.
extension RegisterMap {
  public init(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) {
    self.init()
    var repetitions = Repetitions()
    var reader = ProtobufReader(bytes, of: .registerMap)
    while let field = try reader.nextField() {
      guard case .bytes(1, let body) = field else { continue }
      fields.append(try Field(serialized: body))
      if repetitions.areDue(at: fields.count) {
        normalise()
        repetitions.settle(at: fields.count)
      }
    }
    normalise()
  }

  public func serialized() -> [UInt8] {
    var bytes: [UInt8] = []
    for field in fields { bytes.appendField(1, field.serialized()[...]) }
    return bytes
  }
}

extension RegisterMap.Field {
  fileprivate init(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) {
    var name: ArraySlice<UInt8> = []
    var stamp: UInt64 = 0
    var value: ArraySlice<UInt8> = []
    var encoding: UInt8 = 0
    var isRemoved = false
    var reader = ProtobufReader(bytes, of: .registerMap)
    while let field = try reader.nextField() {
      switch field {
      case .bytes(1, let text): name = text
      case .fixed64(2, let number): stamp = number
      case .bytes(3, let bytes): value = bytes
      case .varint(4, let number):
        guard number <= UInt64(UInt8.max) else { throw reader.failure(.outOfRange) }
        encoding = UInt8(number)
      case .varint(5, let flag): isRemoved = flag != 0
      default: continue
      }
    }
    guard isUTF8(name) else { throw reader.failure(.text) }
    self.init(name: name, stamp: stamp, value: isRemoved ? nil : value, encoding: encoding)
  }

  fileprivate func serialized() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(name.count + (value?.count ?? 0) + 24)
    if !name.isEmpty { bytes.appendField(1, name) }
    if stamp != 0 {
      bytes.append(ProtobufTag.fixed2)
      bytes.appendLittleEndian(stamp)
    }
    if let value {
      if !value.isEmpty { bytes.appendField(3, value) }
      if encoding != 0 { bytes.appendNumber(ProtobufTag.varint4, UInt64(encoding)) }
    } else {
      bytes += [ProtobufTag.varint5, 1]
    }
    return bytes
  }
}
