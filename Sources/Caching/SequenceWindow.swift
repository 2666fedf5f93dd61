/// Local writes in the order they were made, and which of them are settled: acknowledged by the owner,
/// or refused and undone.
struct SequenceWindow {
  /// The last number given out.
  private(set) var last: UInt64 = 0
  /// First writes of what the owner does not have; ascending.
  private var open: [(sequence: UInt64, isSettled: Bool)] = []
  private var head = 0

  mutating func next() -> UInt64 {
    last += 1
    return last
  }

  /// Everything from `sequence` on counts as unsettled until `settle` is called with it.
  mutating func open(_ sequence: UInt64) {
    open.append((sequence, false))
  }

  mutating func settle(_ sequence: UInt64) {
    var low = head
    var high = open.count
    while low < high {
      let middle = low + (high - low) / 2
      if open[middle].sequence < sequence { low = middle + 1 } else { high = middle }
    }
    guard low < open.count, open[low].sequence == sequence else { return }
    open[low].isSettled = true
    while head < open.count, open[head].isSettled { head += 1 }
    guard head > 1024 || head == open.count else { return }
    open.removeFirst(head)
    head = 0
  }

  /// All writes up to this one are settled.
  var settled: UInt64 { head < open.count ? open[head].sequence - 1 : last }
}
