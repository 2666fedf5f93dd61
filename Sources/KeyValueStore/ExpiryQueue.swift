/// Which entry expires next: a binary heap by time.
///
/// An item may be out of date (the entry got a new expiry); whoever takes it asks the entry.
struct ExpiryQueue {
  struct Item: Equatable {
    /// Milliseconds since the epoch.
    let time: UInt64
    let entry: Int32
  }

  private var items: ContiguousArray<Item> = []

  var count: Int { items.count }
  var first: Item? { items.first }

  mutating func insert(_ item: Item) {
    items.append(item)
    var child = items.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard Self.precedes(items[child], items[parent]) else { return }
      items.swapAt(child, parent)
      child = parent
    }
  }

  /// - Parameter time: milliseconds since the epoch.
  mutating func takeFirst(dueAt time: UInt64) -> Item? {
    guard let first = items.first, first.time <= time else { return nil }
    items.swapAt(0, items.count - 1)
    items.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < items.count && Self.precedes(items[child], items[least]) { least = child }
      guard least != parent else { return first }
      items.swapAt(least, parent)
      parent = least
    }
  }

  mutating func removeAll() { items.removeAll(keepingCapacity: true) }

  /// Ties by entry, so that equal times come out in one order everywhere.
  private static func precedes(_ left: Item, _ right: Item) -> Bool {
    (left.time, left.entry) < (right.time, right.entry)
  }
}
