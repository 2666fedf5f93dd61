/// The entries whose state the log does not have yet, in the order they changed, and the requests
/// that wait for it.
///
/// What waits is the entry's number, not its bytes: a key that changes again before its commit goes
/// into the log once, as it is then. So the queue is bounded by the number of keys, and one slow
/// commit gathers the next one's batch.
struct LogQueue {
  /// Sequences up to this one are in the synced log.
  private(set) var persisted: UInt64 = 0
  /// Up to here is under way; equal to `persisted` while the log is idle.
  private(set) var underWay: UInt64 = 0
  /// The entry of sequence `persisted + 1` is at `head`.
  private var entries: ContiguousArray<Int32> = []
  private var head = 0

  var isIdle: Bool { underWay == persisted }
  var isEmpty: Bool { head == entries.count }
  /// Nothing waits behind what is under way.
  var isDrained: Bool { underWay == last }
  /// Of the newest entry.
  var last: UInt64 { persisted + UInt64(entries.count - head) }

  /// Notes a change of an entry.
  ///
  /// - Parameter sequence: the entry's, from its change before.
  /// - Returns: the sequence that covers the change.
  mutating func note(_ entry: Int, sequence: UInt64) -> UInt64 {
    if sequence > underWay { return sequence }
    entries.append(Int32(entry))
    return last
  }

  /// Starts a commit: takes waiting entries, oldest first, until `isFull` says so.
  mutating func startCommit(countMax: Int, isFull: (Int) -> Bool) -> ArraySlice<Int32> {
    precondition(isIdle, "one commit at a time")
    var end = head
    while end < entries.count, end - head < countMax {
      end += 1
      if isFull(Int(entries[end - 1])) { break }
    }
    underWay = persisted + UInt64(end - head)
    return ArraySlice(entries[head..<end])
  }

  mutating func commitEnded() {
    head += Int(underWay - persisted)
    persisted = underWay
    // Moving the rest only once it is the smaller half keeps the cost per entry constant.
    if head * 2 >= entries.count {
      entries.removeFirst(head)
      head = 0
    }
  }

  /// The entries wait again; the next commit takes them as they are then.
  mutating func commitFailed() { underWay = persisted }
}
