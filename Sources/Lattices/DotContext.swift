/// One event of one actor: the `number`-th, counted from 1.
public struct Dot: Hashable, Comparable, Sendable {
  public let actor: UInt64
  public let number: UInt64

  public init(actor: UInt64, number: UInt64) {
    self.actor = actor
    self.number = number
  }

  public static func < (left: Dot, right: Dot) -> Bool {
    (left.actor, left.number) < (right.actor, right.number)
  }
}

/// A set of dots, kept as the fewest ranges: an actor whose every dot is known takes one.
public struct DotContext: Lattice, Hashable {
  public struct Range: Hashable, Sendable {
    public let actor: UInt64
    public let first: UInt64
    public internal(set) var last: UInt64
  }

  /// Ascending by actor and first number; of one actor neither overlapping nor adjacent.
  public internal(set) var ranges: [Range]

  public init() { ranges = [] }

  public func contains(_ dot: Dot) -> Bool {
    let above = ranges.partitioningIndex { ($0.actor, $0.first) > (dot.actor, dot.number) }
    guard above > 0 else { return false }
    let range = ranges[above - 1]
    return range.actor == dot.actor && dot.number <= range.last
  }

  public mutating func insert(_ dot: Dot) { insert([dot]) }

  mutating func insert(_ dots: [Dot]) {
    guard dots.contains(where: { !contains($0) }) else { return }
    ranges += dots.map { Range(actor: $0.actor, first: $0.number, last: $0.number) }
    normalise()
  }

  @discardableResult public mutating func merge(_ other: DotContext) -> Bool {
    guard !other.ranges.isEmpty else { return false }
    let before = ranges
    ranges += other.ranges
    normalise()
    return ranges != before
  }

  /// Restores the fewest ranges after some were appended as they came.
  mutating func normalise() {
    ranges.sort { ($0.actor, $0.first, $0.last) < ($1.actor, $1.first, $1.last) }
    var joined: [Range] = []
    for range in ranges {
      if let last = joined.last, last.actor == range.actor,
        range.first <= last.last || range.first - last.last == 1
      {
        joined[joined.count - 1].last = max(last.last, range.last)
      } else {
        joined.append(range)
      }
    }
    ranges = joined
  }
}
