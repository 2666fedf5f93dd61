/// Deadlines by ticket, earliest first, each removable in O(log n).
package struct DeadlineQueue: Sendable {
  private struct Entry {
    let deadline: UInt64
    let ticket: UInt64
  }

  /// A binary heap; ties go to the lower ticket.
  private var heap: [Entry] = []
  private var positions: [UInt64: Int] = [:]

  package init() {}

  package var count: Int { heap.count }
  package var earliest: UInt64? { heap.first?.deadline }

  package mutating func insert(_ ticket: UInt64, at deadline: UInt64) {
    precondition(positions[ticket] == nil, "a ticket has one deadline")
    heap.append(Entry(deadline: deadline, ticket: ticket))
    positions[ticket] = heap.count - 1
    siftUp(from: heap.count - 1)
  }

  package mutating func remove(_ ticket: UInt64) {
    guard let position = positions.removeValue(forKey: ticket) else { return }
    let last = heap.removeLast()
    guard position < heap.count else { return }
    heap[position] = last
    positions[last.ticket] = position
    siftUp(from: position)
    siftDown(from: position)
  }

  /// - Returns: a ticket whose deadline has come, if there is one; it is no longer in the queue.
  package mutating func popDue(at now: UInt64) -> UInt64? {
    guard let first = heap.first, first.deadline <= now else { return nil }
    remove(first.ticket)
    return first.ticket
  }

  /// Empties the queue. - Returns: its tickets, earliest first.
  package mutating func removeAll() -> [UInt64] {
    defer { (heap, positions) = ([], [:]) }
    return heap.sorted { ($0.deadline, $0.ticket) < ($1.deadline, $1.ticket) }.map(\.ticket)
  }

  private func precedes(_ left: Int, _ right: Int) -> Bool {
    (heap[left].deadline, heap[left].ticket) < (heap[right].deadline, heap[right].ticket)
  }

  private mutating func exchange(_ left: Int, _ right: Int) {
    heap.swapAt(left, right)
    positions[heap[left].ticket] = left
    positions[heap[right].ticket] = right
  }

  private mutating func siftUp(from start: Int) {
    var position = start
    while position > 0, precedes(position, (position - 1) / 2) {
      exchange(position, (position - 1) / 2)
      position = (position - 1) / 2
    }
  }

  private mutating func siftDown(from start: Int) {
    var position = start
    while true {
      var least = position
      for child in [2 * position + 1, 2 * position + 2]
      where child < heap.count && precedes(child, least) {
        least = child
      }
      guard least != position else { return }
      exchange(position, least)
      position = least
    }
  }
}
