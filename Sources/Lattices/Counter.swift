/// A counter that every actor may raise and lower without coordination (a PN counter).
///
/// Each actor owns one entry of two totals that only grow; merging takes the larger of each. Two
/// writers must therefore never share an actor number, and a restarted one takes a new number.
public struct Counter: Lattice, Hashable {
  public struct Entry: Hashable, Sendable {
    public let actor: UInt64
    public internal(set) var added: UInt64
    public internal(set) var subtracted: UInt64

    public init(actor: UInt64, added: UInt64, subtracted: UInt64) {
      self.actor = actor
      self.added = added
      self.subtracted = subtracted
    }

    /// Says nothing that an absent entry does not say, so it is never kept.
    var isZero: Bool { added == 0 && subtracted == 0 }

    mutating func raise(to other: Entry) -> Bool {
      let before = self
      added = max(added, other.added)
      subtracted = max(subtracted, other.subtracted)
      return self != before
    }
  }

  /// Ascending by actor, one an actor, none zero.
  public internal(set) var entries: [Entry]

  public init() { entries = [] }

  /// Takes entries in any order; those of one actor are merged.
  public init(_ entries: some Sequence<Entry>) {
    self.entries = entries.filter { !$0.isZero }
    normalise()
  }

  /// The sum over all actors, held at the ends of `Int64` where it lies beyond.
  public var value: Int64 {
    var sum: Int128 = 0
    for entry in entries { sum += Int128(entry.added) - Int128(entry.subtracted) }
    return Int64(clamping: sum)
  }

  /// Raises the counter; an actor's total stays at `UInt64.max` once it is there.
  ///
  /// - Returns: the delta to send: the actor's new entry alone, empty if nothing changed.
  @discardableResult
  public mutating func increment(by amount: UInt64 = 1, actor: UInt64) -> Counter {
    change(actor) { $0.added = $0.added.saturatingSum(amount) }
  }

  /// Lowers the counter, by the rules of `increment`.
  @discardableResult
  public mutating func decrement(by amount: UInt64 = 1, actor: UInt64) -> Counter {
    change(actor) { $0.subtracted = $0.subtracted.saturatingSum(amount) }
  }

  @discardableResult
  public mutating func merge(_ other: Counter) -> Bool {
    var changed = false
    var missing: [Entry] = []
    var position = 0
    for entry in other.entries {
      position = lowerBound(of: entry.actor, from: position)
      if position < entries.count, entries[position].actor == entry.actor {
        changed = entries[position].raise(to: entry) || changed
      } else {
        missing.append(entry)
      }
    }
    guard !missing.isEmpty else { return changed }
    entries += missing
    normalise()
    return true
  }

  private mutating func change(_ actor: UInt64, _ apply: (inout Entry) -> Void) -> Counter {
    let position = lowerBound(of: actor, from: 0)
    let known = position < entries.count && entries[position].actor == actor
    let before = known ? entries[position] : Entry(actor: actor, added: 0, subtracted: 0)
    var entry = before
    apply(&entry)
    guard entry != before else { return Counter() }
    if known { entries[position] = entry } else { entries.insert(entry, at: position) }
    return Counter([entry])
  }

  private func lowerBound(of actor: UInt64, from start: Int) -> Int {
    var low = start
    var high = entries.count
    while low < high {
      let middle = low + (high - low) / 2
      if entries[middle].actor < actor { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Restores the order, one entry an actor, after entries were appended as they came.
  mutating func normalise() {
    let unordered = zip(entries, entries.dropFirst()).contains { $0.actor >= $1.actor }
    guard unordered else { return }
    entries.sort { $0.actor < $1.actor }
    var kept = 0
    for index in entries.indices.dropFirst() {
      if entries[index].actor == entries[kept].actor {
        _ = entries[kept].raise(to: entries[index])
      } else {
        kept += 1
        entries[kept] = entries[index]
      }
    }
    entries.removeSubrange((kept + 1)...)
  }
}

extension UInt64 {
  func saturatingSum(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
