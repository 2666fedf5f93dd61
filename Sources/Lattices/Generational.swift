/// A lattice that can be started over: ordered by generation first, by content within a generation.
///
/// A delete is the next generation with an empty content. A write that was concurrent with the delete
/// still carries the old generation and loses outright, so nothing deleted comes back by a late merge.
public struct Generational<Content: Lattice>: Lattice {
  public let generation: UInt64
  public var content: Content

  @inlinable public init(generation: UInt64 = 0, content: Content) {
    self.generation = generation
    self.content = content
  }

  /// The next generation, holding `content`; `nil` when the generations are used up (2^64 deletes,
  /// or a peer that sent the last one: the caller refuses the write).
  @inlinable public func succeeded(by content: Content) -> Generational? {
    guard generation < .max else { return nil }
    return Generational(generation: generation + 1, content: content)
  }

  @inlinable @discardableResult
  public mutating func merge(_ other: Generational) -> Bool {
    if other.generation < generation { return false }
    if other.generation > generation {
      self = other
      return true
    }
    return content.merge(other.content)
  }
}

extension Generational: Hashable where Content: Hashable {}
