/// Payloads: Anna's `SingleKeyCausalValue` and `MultiKeyCausalValue`. Where there are several versions
/// their own fields hold the join of all, which is what Anna's clients read, and field 100 says which
/// clock and dependencies belong to which values.
extension CausalValue {
  public enum Form: Sendable {
    /// `vector_clock = 1, values = 2`; no dependencies.
    case singleKey
    /// `vector_clock = 1, dependencies = 2, values = 3`.
    case multiKey

    var payload: LatticeError.Payload { self == .singleKey ? .singleKeyCausal : .multiKeyCausal }
    var valuesField: UInt32 { self == .singleKey ? 2 : 3 }
    static let versionsField: UInt32 = 100
  }

  /// - Throws: for text that is not UTF-8, for a version of values that are not there, and beyond the
  ///   limits, too.
  public init(serialized bytes: ArraySlice<UInt8>, as form: Form) throws(LatticeError) {
    self.init()
    var summary = Version(clock: VectorClock(), values: GrowSet())
    var values: [ArraySlice<UInt8>] = []
    var bodies: [ArraySlice<UInt8>] = []
    var budget = Budget()
    var reader = ProtobufReader(bytes, of: form.payload)
    while let field = try reader.nextField() {
      switch field {
      case .bytes(1, let entry):
        guard budget.takeEntry() else { throw reader.failure(.tooLarge) }
        try summary.clock.appendEntry(serialized: entry, of: form.payload)
      case .bytes(form.valuesField, let value): values.append(value)
      case .bytes(2, let dependency):
        summary.dependencies.append(try Dependency(serialized: dependency, form, &budget))
      case .bytes(Form.versionsField, let version):
        guard bodies.count < Self.versionsMax else { throw reader.failure(.tooLarge) }
        bodies.append(version)
      default: continue
      }
    }
    guard !bodies.isEmpty else {
      summary.clock.normalise()
      summary.dependencies = Version.normalised(summary.dependencies)
      summary.values = GrowSet(values)
      absorb([summary])
      return
    }
    budget = Budget()
    for body in bodies {
      absorb([try Version(serialized: body, of: values, form, &budget)])
    }
  }

  public func serialized(as form: Form) -> [UInt8] {
    var bytes: [UInt8] = []
    let values = self.values
    clock.append(to: &bytes, field: 1)
    if form == .multiKey { Dependency.append(dependencies, to: &bytes) }
    for value in values.elements { bytes.appendField(form.valuesField, value) }
    guard versions.count > 1 else { return bytes }
    for version in versions {
      var body: [UInt8] = []
      version.clock.append(to: &body, field: 1)
      if form == .multiKey { Dependency.append(version.dependencies, to: &body) }
      var indexes: [UInt8] = []
      for index in values.positions(of: version.values) { indexes.appendVarint(UInt64(index)) }
      if !indexes.isEmpty { body.appendField(3, indexes[...]) }
      bytes.appendField(Form.versionsField, body[...])
    }
    return bytes
  }

  private mutating func absorb(_ versions: [Version]) { merge(CausalValue(versions)) }

  /// Clock entries that a payload may still hold.
  fileprivate struct Budget {
    private var left = CausalValue.clockEntriesMax

    mutating func takeEntry() -> Bool {
      left -= 1
      return left >= 0
    }
  }
}

extension CausalValue.Version {
  /// - Parameter values: as written; the version names them by position.
  fileprivate init(
    serialized bytes: ArraySlice<UInt8>, of values: [ArraySlice<UInt8>], _ form: CausalValue.Form,
    _ budget: inout CausalValue.Budget
  ) throws(LatticeError) {
    self.init(clock: VectorClock(), values: GrowSet())
    var mine: [ArraySlice<UInt8>] = []
    var reader = ProtobufReader(bytes, of: form.payload)
    while let field = try reader.nextField() {
      switch field {
      case .bytes(1, let entry):
        guard budget.takeEntry() else { throw reader.failure(.tooLarge) }
        try clock.appendEntry(serialized: entry, of: form.payload)
      case .bytes(2, let dependency) where form == .multiKey:
        dependencies.append(
          try CausalValue.Dependency(serialized: dependency, form, &budget))
      case .bytes(3, let packed):
        var indexes = ProtobufReader(packed, of: form.payload)
        while let index = try indexes.nextVarint() {
          guard index < UInt64(values.count), mine.count < values.count else {
            throw indexes.failure(.reference)
          }
          mine.append(values[Int(index)])
        }
      default: continue
      }
    }
    clock.normalise()
    dependencies = Self.normalised(dependencies)
    self.values = GrowSet(mine)
  }
}

extension CausalValue.Dependency {
  /// `KeyVersion { string key = 1; map<string, uint32> vector_clock = 2 }`.
  fileprivate init(
    serialized bytes: ArraySlice<UInt8>, _ form: CausalValue.Form,
    _ budget: inout CausalValue.Budget
  ) throws(LatticeError) {
    var key: ArraySlice<UInt8> = []
    var clock = VectorClock()
    var reader = ProtobufReader(bytes, of: form.payload)
    guard budget.takeEntry() else { throw reader.failure(.tooLarge) }
    while let field = try reader.nextField() {
      switch field {
      case .bytes(1, let name): key = name
      case .bytes(2, let entry):
        guard budget.takeEntry() else { throw reader.failure(.tooLarge) }
        try clock.appendEntry(serialized: entry, of: form.payload)
      default: continue
      }
    }
    guard isUTF8(key) else { throw reader.failure(.text) }
    clock.normalise()
    self.init(key: key, clock: clock)
  }

  fileprivate static func append(_ dependencies: [Self], to bytes: inout [UInt8]) {
    for dependency in dependencies {
      var body: [UInt8] = []
      body.appendField(1, dependency.key)
      dependency.clock.append(to: &body, field: 2)
      bytes.appendField(2, body[...])
    }
  }
}

extension GrowSet {
  /// Where the elements of a subset are.
  func positions(of subset: GrowSet) -> [Int] {
    var positions: [Int] = []
    var position = 0
    for element in subset.elements {
      while compareBytes(elements[position], element) < 0 { position += 1 }
      positions.append(position)
    }
    return positions
  }
}
