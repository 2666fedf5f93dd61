/// A set whose elements can be added and removed; of an addition and a removal that have not seen each
/// other, the addition stays.
///
/// Every addition has a dot of its own (who, and the how-manieth). A removal takes away the dots that
/// its author saw, and says so by a context of dots without elements; no trace of the element itself
/// remains. The optimised form of Bieniusa et al. (2012), with the causal context of delta-CRDTs
/// (Almeida et al. 2018): a delta is a set of the same kind, and merging it is all a store does.
///
/// Two writers must never share an actor, nor one use a dot twice.
public struct ObservedRemoveSet: Lattice, Hashable {
  public struct Element: Hashable, Sendable {
    public let value: ArraySlice<UInt8>
    /// How `value` is encoded; opaque here, but two encodings are two elements.
    public let encoding: UInt8
    /// Ascending, at least one.
    public internal(set) var dots: [Dot]

    /// Order of elements: value bytes, then encoding.
    func compare(to other: Element) -> Int {
      let order = compareBytes(value, other.value)
      return order == 0 ? Int(encoding) - Int(other.encoding) : order
    }
  }

  /// Ascending by value and encoding, unique.
  public internal(set) var elements: [Element]
  /// All dots ever seen, of elements that are here and that were removed.
  public internal(set) var seen: DotContext

  public init() {
    elements = []
    seen = DotContext()
  }

  /// The delta of an addition.
  public static func adding(
    _ value: ArraySlice<UInt8>, encoding: UInt8 = 0, as dot: Dot
  ) -> ObservedRemoveSet {
    var delta = ObservedRemoveSet()
    delta.elements = [Element(value: value, encoding: encoding, dots: [dot])]
    delta.seen.insert(dot)
    return delta
  }

  /// The delta that takes away every addition of an element that is seen here; nil where there is none.
  public func removing(_ value: ArraySlice<UInt8>, encoding: UInt8 = 0) -> ObservedRemoveSet? {
    let wanted = Element(value: value, encoding: encoding, dots: [])
    let position = elements.partitioningIndex { $0.compare(to: wanted) >= 0 }
    guard position < elements.count, elements[position].compare(to: wanted) == 0 else { return nil }
    var delta = ObservedRemoveSet()
    for dot in elements[position].dots { delta.seen.insert(dot) }
    return delta
  }

  public func contains(_ value: ArraySlice<UInt8>, encoding: UInt8 = 0) -> Bool {
    removing(value, encoding: encoding) != nil
  }

  @discardableResult public mutating func merge(_ other: ObservedRemoveSet) -> Bool {
    let before = self
    var joined: [Element] = []
    joined.reserveCapacity(max(elements.count, other.elements.count))
    var (left, right) = (0, 0)
    while left < elements.count || right < other.elements.count {
      let order =
        left == elements.count
        ? 1
        : right == other.elements.count
          ? -1 : elements[left].compare(to: other.elements[right])
      var element = order <= 0 ? elements[left] : other.elements[right]
      element.dots = Self.surviving(
        order <= 0 ? elements[left].dots : [], order >= 0 ? other.elements[right].dots : [],
        seen, other.seen)
      if !element.dots.isEmpty { joined.append(element) }
      if order <= 0 { left += 1 }
      if order >= 0 { right += 1 }
    }
    elements = joined
    seen.merge(other.seen)
    return self != before
  }

  /// Dots that both have, and those of one that the other has never seen.
  private static func surviving(
    _ mine: [Dot], _ theirs: [Dot], _ seenByMe: DotContext, _ seenByThem: DotContext
  ) -> [Dot] {
    let kept =
      mine.filter { theirs.contains(sorted: $0) || !seenByThem.contains($0) }
      + theirs.filter { !mine.contains(sorted: $0) && !seenByMe.contains($0) }
    return kept.sorted()
  }

  /// Restores order, uniqueness and the context after elements were appended as they came.
  mutating func normalise() {
    elements.removeAll { $0.dots.isEmpty }
    for index in elements.indices { elements[index].dots.sort() }
    elements.sort { $0.compare(to: $1) < 0 }
    var unique: [Element] = []
    for element in elements {
      if let last = unique.last, last.compare(to: element) == 0 {
        unique[unique.count - 1].dots = (last.dots + element.dots).sorted()
      } else {
        unique.append(element)
      }
    }
    for index in unique.indices { unique[index].dots.removeRepetitions() }
    elements = unique
    seen.insert(elements.flatMap(\.dots))
  }
}

extension [Dot] {
  fileprivate func contains(sorted dot: Dot) -> Bool {
    let position = partitioningIndex { $0 >= dot }
    return position < count && self[position] == dot
  }

  fileprivate mutating func removeRepetitions() {
    var kept: [Dot] = []
    kept.reserveCapacity(count)
    for dot in self where kept.last != dot { kept.append(dot) }
    self = kept
  }
}
