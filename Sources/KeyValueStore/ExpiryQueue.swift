/// Which entry expires next: a binary heap by time.
///
/// An item goes stale when its entry got an earlier one.
struct ExpiryQueue {
  struct Item: Equatable {
    /// Milliseconds since the epoch.
    let time: UInt64
    let entry: Int32
  }

  private var items: ContiguousArray<Item> = []
  /// When the queue will look at an entry.
  private var times: [Int32: UInt64] = [:]

  var count: Int { items.count }
  var first: Item? { items.first }

  /// When an entry will be looked at; nil for never.
  func time(of entry: Int) -> UInt64? { times[Int32(entry)] }

  mutating func insert(_ item: Item) {
    times[item.entry] = item.time
    push(item)
  }

  private mutating func push(_ item: Item) {
    items.append(item)
    var child = items.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard Self.precedes(items[child], items[parent]) else { return }
      items.swapAt(child, parent)
      child = parent
    }
  }

  /// Nobody looks at the entry any more; its items are left to go stale.
  mutating func forget(_ entry: Int) { times[Int32(entry)] = nil }

  /// Takes the next item that is due and not stale.
  ///
  /// - Parameter time: milliseconds since the epoch.
  mutating func takeFirst(dueAt time: UInt64) -> Item? {
    while let first = items.first, first.time <= time {
      removeFirst()
      guard times[first.entry] == first.time else { continue }
      times[first.entry] = nil
      return first
    }
    return nil
  }

  private mutating func removeFirst() {
    items.swapAt(0, items.count - 1)
    items.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < items.count && Self.precedes(items[child], items[least]) { least = child }
      guard least != parent else { return }
      items.swapAt(least, parent)
      parent = least
    }
  }

  /// Leaves out what is stale.
  mutating func rebuild() {
    items.removeAll(keepingCapacity: true)
    for (entry, time) in times { push(Item(time: time, entry: entry)) }
  }

  /// How many entries are waited for.
  var entryCount: Int { times.count }

  /// Ties by entry, so that equal times come out in one order everywhere.
  private static func precedes(_ left: Item, _ right: Item) -> Bool {
    (left.time, left.entry) < (right.time, right.entry)
  }
}
