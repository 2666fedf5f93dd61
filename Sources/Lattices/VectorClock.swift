/// How many events of each writer a version knows of: the pointwise maximum is the join.
///
/// Writers are named by UTF-8 text, as Anna's are; equal clocks have equal bytes.
public struct VectorClock: Lattice, Hashable {
  public struct Entry: Hashable, Sendable {
    /// UTF-8.
    public let writer: ArraySlice<UInt8>
    public internal(set) var count: UInt32
  }

  /// How two clocks stand to each other.
  public enum Order: Hashable, Sendable {
    case equal, before, after, concurrent
  }

  /// Ascending by writer, one a writer, none zero.
  public internal(set) var entries: [Entry]

  public init() { entries = [] }

  /// Takes entries in any order; those of one writer are merged.
  public init(_ counts: KeyValuePairs<String, UInt32>) {
    entries = counts.map { Entry(writer: ArraySlice($0.key.utf8), count: $0.value) }
    normalise()
  }

  public var isEmpty: Bool { entries.isEmpty }

  /// Events of a writer that are known; zero for one that is not.
  public subscript(writer: String) -> UInt32 {
    let name = ArraySlice(writer.utf8)
    return entries.first { compareBytes($0.writer, name) == 0 }?.count ?? 0
  }

  /// - Returns: nil when the writer's count is used up (2^32 - 1 events).
  public func incremented(by writer: String) -> VectorClock? {
    let count = self[writer]
    guard count < .max else { return nil }
    return merging(VectorClock([writer: count + 1]))
  }

  public func order(to other: VectorClock) -> Order {
    var (isBehind, isAhead) = (false, false)
    var (left, right) = (0, 0)
    while left < entries.count || right < other.entries.count {
      let order = Self.compare(entries, left, other.entries, right)
      if order < 0 {
        isAhead = true
        left += 1
      } else if order > 0 {
        isBehind = true
        right += 1
      } else {
        let (mine, theirs) = (entries[left].count, other.entries[right].count)
        if mine < theirs { isBehind = true }
        if mine > theirs { isAhead = true }
        left += 1
        right += 1
      }
      if isBehind && isAhead { return .concurrent }
    }
    if isBehind { return .before }
    return isAhead ? .after : .equal
  }

  @discardableResult
  public mutating func merge(_ other: VectorClock) -> Bool {
    switch order(to: other) {
    case .equal, .after: return false
    case .before: self = other
    case .concurrent:
      entries += other.entries
      normalise()
    }
    return true
  }

  /// Some total order, for a canonical form of several clocks.
  func precedes(_ other: VectorClock) -> Bool {
    for (mine, theirs) in zip(entries, other.entries) {
      let order = compareBytes(mine.writer, theirs.writer)
      if order != 0 { return order < 0 }
      if mine.count != theirs.count { return mine.count < theirs.count }
    }
    return entries.count < other.entries.count
  }

  /// The writers at two positions; an end is above every writer.
  private static func compare(_ left: [Entry], _ i: Int, _ right: [Entry], _ j: Int) -> Int {
    guard i < left.count else { return 1 }
    guard j < right.count else { return -1 }
    return compareBytes(left[i].writer, right[j].writer)
  }

  /// Restores the order, one entry a writer, after entries were appended as they came.
  mutating func normalise() {
    entries.removeAll { $0.count == 0 }
    let unordered = zip(entries, entries.dropFirst()).contains {
      compareBytes($0.writer, $1.writer) >= 0
    }
    guard unordered else { return }
    entries.sort { compareBytes($0.writer, $1.writer) < 0 }
    var kept = 0
    for index in entries.indices.dropFirst() {
      if compareBytes(entries[index].writer, entries[kept].writer) == 0 {
        entries[kept].count = max(entries[kept].count, entries[index].count)
      } else {
        kept += 1
        entries[kept] = entries[index]
      }
    }
    entries.removeSubrange((kept + 1)...)
  }
}

/// As a field of a message: `map<string, uint32>`, entries ascending by writer.
extension VectorClock {
  /// Takes one `map` entry as it is; the caller normalises after the last.
  mutating func appendEntry(
    serialized bytes: ArraySlice<UInt8>, of payload: LatticeError.Payload
  ) throws(LatticeError) {
    var writer: ArraySlice<UInt8> = []
    var count: UInt32 = 0
    var reader = ProtobufReader(bytes, of: payload)
    while let field = try reader.nextField() {
      switch field {
      case .bytes(1, let name): writer = name
      case .varint(2, let number): count = UInt32(truncatingIfNeeded: number)
      default: continue
      }
    }
    guard isUTF8(writer) else { throw reader.failure(.text) }
    entries.append(Entry(writer: writer, count: count))
  }

  func append(to bytes: inout [UInt8], field number: UInt32) {
    for entry in entries {
      let count = 1 + varintCount(UInt64(entry.writer.count)) + entry.writer.count
      bytes.appendTag(number)
      bytes.appendVarint(UInt64(count + 1 + varintCount(UInt64(entry.count))))
      bytes.appendField(1, entry.writer)
      bytes.append(ProtobufTag.varint2)
      bytes.appendVarint(UInt64(entry.count))
    }
  }
}

/// Whether protobuf takes the bytes as a `string`.
func isUTF8(_ bytes: ArraySlice<UInt8>) -> Bool {
  String(validating: bytes, as: UTF8.self) != nil
}
