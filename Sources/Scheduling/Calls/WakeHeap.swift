/// When each flight, or executor, wants to be looked at: a binary heap by their indices in which an
/// entry can be moved or removed, so that a call that ends long before its time limit leaves nothing
/// behind.
struct WakeHeap {
  private struct Entry {
    var time: UInt64
    var flight: Int
  }

  private var heap: [Entry] = []
  /// Index into `heap` by flight, or -1.
  private var position: [Int] = []

  var earliest: UInt64? { heap.first?.time }

  /// The flight to look at, if its time has come.
  func due(at now: UInt64) -> Int? {
    guard let first = heap.first, first.time <= now else { return nil }
    return first.flight
  }

  mutating func set(_ flight: Int, to time: UInt64) {
    while position.count <= flight { position.append(-1) }
    let index = position[flight]
    if index < 0 {
      position[flight] = heap.count
      heap.append(Entry(time: time, flight: flight))
      siftUp(heap.count - 1)
    } else {
      heap[index].time = time
      settle(index)
    }
  }

  mutating func remove(_ flight: Int) {
    guard flight < position.count, position[flight] >= 0 else { return }
    let index = position[flight]
    position[flight] = -1
    let moved = heap.removeLast()
    guard moved.flight != flight else { return }
    heap[index] = moved
    position[moved.flight] = index
    settle(index)
  }

  private mutating func settle(_ index: Int) {
    if index > 0, precedes(index, (index - 1) / 2) { siftUp(index) } else { siftDown(index) }
  }

  private mutating func siftUp(_ start: Int) {
    var index = start
    while index > 0, precedes(index, (index - 1) / 2) {
      swap(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  private mutating func siftDown(_ start: Int) {
    var index = start
    while true {
      var least = index
      let child = 2 * index + 1
      if child < heap.count, precedes(child, least) { least = child }
      if child + 1 < heap.count, precedes(child + 1, least) { least = child + 1 }
      guard least != index else { return }
      swap(index, least)
      index = least
    }
  }

  /// Equal times are looked at in the order of their flights' indices, whatever the heap's history.
  private func precedes(_ left: Int, _ right: Int) -> Bool {
    (heap[left].time, heap[left].flight) < (heap[right].time, heap[right].flight)
  }

  private mutating func swap(_ left: Int, _ right: Int) {
    heap.swapAt(left, right)
    position[heap[left].flight] = left
    position[heap[right].flight] = right
  }
}
