/// A set of byte strings that only grows; the union of what its replicas were given.
///
/// Elements are kept bytewise ascending and unique, so equal sets have equal bytes. A delta is simply
/// a small set. An element may be a slice of a received message and then keeps that message alive;
/// `compacted()` lets go of it.
public struct GrowSet: Lattice, Hashable {
  /// Bytewise ascending, unique.
  public internal(set) var elements: [ArraySlice<UInt8>]

  public init() { elements = [] }

  /// Takes elements in any order, repeated or not.
  public init(_ elements: some Sequence<ArraySlice<UInt8>>) {
    self.elements = Array(elements)
    normalise()
  }

  @inlinable public var count: Int { elements.count }
  @inlinable public var isEmpty: Bool { elements.isEmpty }

  public func contains(_ element: ArraySlice<UInt8>) -> Bool {
    let position = lowerBound(of: element, from: 0)
    return position < elements.count && compareBytes(elements[position], element) == 0
  }

  /// - Returns: whether the element is new; if so, `GrowSet([element])` is the delta to send.
  @discardableResult
  public mutating func insert(_ element: ArraySlice<UInt8>) -> Bool {
    let position = lowerBound(of: element, from: 0)
    if position < elements.count, compareBytes(elements[position], element) == 0 { return false }
    elements.insert(element, at: position)
    return true
  }

  /// What `known` lacks of this set: merging it into `known` gives the union.
  public func delta(over known: GrowSet) -> GrowSet {
    var delta = GrowSet()
    delta.elements = known.missing(of: elements)
    return delta
  }

  @discardableResult
  public mutating func merge(_ other: GrowSet) -> Bool {
    let missing = missing(of: other.elements)
    if missing.isEmpty { return false }
    if missing.count <= Self.singleInsertsMax {
      for element in missing { insert(element) }
    } else {
      elements = Self.interleave(elements, missing)
    }
    return true
  }

  /// The same set with its bytes copied into one buffer of their own.
  public func compacted() -> GrowSet {
    let bytes = elements.reduce(into: []) { $0 += $1 }
    var start = 0
    var compacted = GrowSet()
    compacted.elements = elements.map { element in
      defer { start += element.count }
      return bytes[start..<start + element.count]
    }
    return compacted
  }

  /// Up to this many elements are inserted one by one, in place; more rewrite the array once.
  static let singleInsertsMax = 4

  /// First position at or after `start` whose element is not below `element`.
  private func lowerBound(of element: ArraySlice<UInt8>, from start: Int) -> Int {
    var low = start
    var high = elements.count
    while low < high {
      let middle = low + (high - low) / 2
      if compareBytes(elements[middle], element) < 0 { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Those of `candidates` (ascending, unique) that are not in this set.
  private func missing(of candidates: [ArraySlice<UInt8>]) -> [ArraySlice<UInt8>] {
    var missing: [ArraySlice<UInt8>] = []
    var position = 0
    for candidate in candidates {
      var order = position < elements.count ? compareBytes(elements[position], candidate) : 1
      if order < 0 {
        position = lowerBound(of: candidate, from: position + 1)
        order = position < elements.count ? compareBytes(elements[position], candidate) : 1
      }
      if order == 0 { position += 1 } else { missing.append(candidate) }
    }
    return missing
  }

  /// Both inputs ascending and disjoint.
  private static func interleave(
    _ left: [ArraySlice<UInt8>], _ right: [ArraySlice<UInt8>]
  ) -> [ArraySlice<UInt8>] {
    var merged: [ArraySlice<UInt8>] = []
    merged.reserveCapacity(left.count + right.count)
    var next = 0
    for element in left {
      while next < right.count, compareBytes(right[next], element) < 0 {
        merged.append(right[next])
        next += 1
      }
      merged.append(element)
    }
    merged.append(contentsOf: right[next...])
    return merged
  }

  /// Restores order and uniqueness after elements were appended as they came.
  mutating func normalise() {
    var ascending = true
    for index in elements.indices.dropFirst() where ascending {
      ascending = compareBytes(elements[index - 1], elements[index]) < 0
    }
    if ascending { return }
    elements.sort { compareBytes($0, $1) < 0 }
    var kept = 0
    for index in elements.indices.dropFirst()
    where compareBytes(elements[kept], elements[index]) != 0 {
      kept += 1
      elements[kept] = elements[index]
    }
    elements.removeSubrange((kept + 1)...)
  }
}
