/// What is to happen, by virtual time; at one time, in the order in which it was planned. So the same
/// plans give the same history, whatever the heap's shape.
struct EventHeap {
  struct Event {
    /// Nanoseconds since the world began.
    let time: UInt64
    let sequence: UInt64
    let action: () -> Void
  }

  private var heap: [Event] = []
  private var lastSequence: UInt64 = 0

  var count: Int { heap.count }

  mutating func insert(at time: UInt64, _ action: @escaping () -> Void) {
    lastSequence += 1
    heap.append(Event(time: time, sequence: lastSequence, action: action))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard Self.precedes(heap[child], heap[parent]) else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func takeFirst(upTo time: UInt64) -> Event? {
    guard let first = heap.first, first.time <= time else { return nil }
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < heap.count && Self.precedes(heap[child], heap[least]) { least = child }
      guard least != parent else { return first }
      heap.swapAt(least, parent)
      parent = least
    }
  }

  private static func precedes(_ left: Event, _ right: Event) -> Bool {
    (left.time, left.sequence) < (right.time, right.sequence)
  }
}
