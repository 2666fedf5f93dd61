/// A map whose fields are lattices of any kind, maps included; the pointwise join.
///
/// A field is named by text and kind together. So two writers that gave one name two kinds keep both
/// where their writes meet, and every replica agrees; who takes a write (`conflicts(with:)`) refuses
/// the second kind. Fields are not removed. A delta is a map with the changed fields alone, each
/// holding its delta.
public struct LatticeMap: Lattice, Hashable {
  public struct Field: Hashable, Sendable {
    /// UTF-8.
    public let name: ArraySlice<UInt8>
    public internal(set) var value: AnyLattice
    /// How the user's bytes in `value` are encoded, as the envelope says it of a record.
    public internal(set) var encoding: UInt8

    public init(name: ArraySlice<UInt8>, value: AnyLattice, encoding: UInt8 = 0) {
      self.name = name
      self.value = value
      self.encoding = encoding
    }

    /// Order of the fields: name, then kind.
    func compare(to other: Field) -> Int {
      let order = compareBytes(name, other.name)
      return order == 0 ? Int(value.kind.rawValue) - Int(other.value.kind.rawValue) : order
    }

    /// Of a field with the same name and kind.
    mutating func merge(_ other: Field) {
      // Of a priority value, the bytes that survive bring their encoding along.
      if case .priority(let mine) = value, case .priority(let its) = other.value {
        if mine.isSuperseded(by: its) {
          self = other
        } else if mine == its {
          encoding = max(encoding, other.encoding)
        }
        return
      }
      value.merge(other.value)
      encoding = max(encoding, other.encoding)
    }
  }

  /// Ascending by name and kind, unique.
  public internal(set) var fields: [Field]

  /// Maps within maps: so many levels below the outermost, and a payload with more is refused.
  public static let depthMax = 4

  public init() { fields = [] }

  /// Takes fields in any order; those of one name and kind are merged.
  public init(_ fields: some Sequence<Field>) {
    self.fields = Array(fields)
    normalise()
  }

  /// The fields of a name: one, except where two writers gave it two kinds.
  public subscript(name: ArraySlice<UInt8>) -> [Field] {
    fields.filter { compareBytes($0.name, name) == 0 }
  }

  public var isWithinLimits: Bool { isWithinLimits(depth: 0) }

  func isWithinLimits(depth: Int) -> Bool {
    guard depth <= Self.depthMax else { return false }
    return fields.allSatisfy { field in
      if case .map(let inner) = field.value { return inner.isWithinLimits(depth: depth + 1) }
      return field.value.isWithinLimits
    }
  }

  /// Whether `write` gives a field another kind than it has here.
  public func conflicts(with write: LatticeMap) -> Bool {
    write.fields.contains { theirs in
      let mine = self[theirs.name]
      guard !mine.isEmpty else { return false }
      for field in mine {
        if case (.map(let inner), .map(let other)) = (field.value, theirs.value) {
          return inner.conflicts(with: other)
        }
      }
      return !mine.contains { $0.value.kind == theirs.value.kind }
    }
  }

  @discardableResult public mutating func merge(_ other: LatticeMap) -> Bool {
    let before = fields
    fields += other.fields
    normalise()
    return fields != before
  }

  private mutating func normalise() {
    let unordered = zip(fields, fields.dropFirst()).contains { $0.compare(to: $1) >= 0 }
    guard unordered else { return }
    fields.sort { $0.compare(to: $1) < 0 }
    var kept = 0
    for index in fields.indices.dropFirst() {
      if fields[index].compare(to: fields[kept]) == 0 {
        fields[kept].merge(fields[index])
      } else {
        kept += 1
        fields[kept] = fields[index]
      }
    }
    fields.removeSubrange((kept + 1)...)
  }
}

/// Payload: `MapValue { repeated Field fields = 1 }` with
/// `Field { string name = 1; uint32 type = 2; bytes payload = 3; uint32 encoding = 4 }`.
extension LatticeMap {
  /// - Throws: for a kind that this build does not know, too: it could not be merged.
  public init(serialized bytes: ArraySlice<UInt8>) throws(LatticeError) {
    try self.init(serialized: bytes, depth: 0)
  }

  init(serialized bytes: ArraySlice<UInt8>, depth: Int) throws(LatticeError) {
    self.init()
    var repetitions = Repetitions()
    var reader = ProtobufReader(bytes, of: .map)
    guard depth <= Self.depthMax else { throw reader.failure(.tooLarge) }
    while let field = try reader.nextField() {
      guard case .bytes(1, let body) = field else { continue }
      fields.append(try Field(serialized: body, depth: depth))
      if repetitions.areDue(at: fields.count) {
        normalise()
        repetitions.settle(at: fields.count)
      }
    }
    normalise()
  }

  public func serialized() -> [UInt8] {
    var bytes: [UInt8] = []
    for field in fields {
      var body: [UInt8] = []
      let payload = field.value.serialized()
      if !field.name.isEmpty { body.appendField(1, field.name) }
      body.appendNumber(ProtobufTag.varint2, UInt64(field.value.kind.rawValue))
      if !payload.isEmpty { body.appendField(3, payload[...]) }
      if field.encoding != 0 { body.appendNumber(ProtobufTag.varint4, UInt64(field.encoding)) }
      bytes.appendField(1, body[...])
    }
    return bytes
  }
}

extension LatticeMap.Field {
  fileprivate init(serialized bytes: ArraySlice<UInt8>, depth: Int) throws(LatticeError) {
    var name: ArraySlice<UInt8> = []
    var kind: AnyLattice.Kind?
    var payload: ArraySlice<UInt8> = []
    var encoding: UInt8 = 0
    var reader = ProtobufReader(bytes, of: .map)
    while let field = try reader.nextField() {
      switch field {
      case .bytes(1, let text): name = text
      case .varint(2, let number): kind = UInt8(exactly: number).flatMap(AnyLattice.Kind.init)
      case .bytes(3, let bytes): payload = bytes
      case .varint(4, let number):
        guard number <= UInt64(UInt8.max) else { throw reader.failure(.outOfRange) }
        encoding = UInt8(number)
      default: continue
      }
    }
    guard isUTF8(name) else { throw reader.failure(.text) }
    guard let kind else { throw reader.failure(.outOfRange) }
    let value = try AnyLattice(serialized: payload, as: kind, depth: depth + 1)
    self.init(name: name, value: value, encoding: encoding)
  }
}
