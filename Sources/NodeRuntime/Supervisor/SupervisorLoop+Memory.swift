import ClusterModel
import Platform
import Supervision

/// When the executors' memory is looked at, and what it was the last time. Output that was dropped
/// meanwhile is told of then, too.
///
/// The kernel keeps an executor's private memory within `RLIMIT_DATA`; this look is for what that does
/// not count: shared memory that a function makes, and the processes it starts.
struct MemoryWatch {
  /// While nothing changes.
  static let calmInterval = Duration.milliseconds(500)
  /// While some executor's memory changes.
  static let busyInterval = Duration.milliseconds(50)
  /// Of an executor's descendants, so many are counted.
  static let descendantsMax = 64

  var due: UInt64?
  var last: [ExecutorID: ProcessMemory.Usage] = [:]
}

extension SupervisorLoop {
  /// Only while calls run or a note of dropped output is owed: an idle node sleeps.
  var memoryDue: UInt64? {
    guard !isStopping, lookAt != nil || children.values.contains(where: { $0.budget.dropped > 0 })
    else { return nil }
    return children.isEmpty ? nil : memory.due ?? 0
  }

  mutating func watchMemory(now: UInt64) throws {
    var hasChanged = false
    var seen: [ExecutorID: ProcessMemory.Usage] = [:]
    for id in children.keys.sorted() {
      guard let child = children[id] else { continue }
      try noteDropped(of: child, id, now: now, isEnd: false)
      guard let usage = child.memory?.usage() else { continue }
      seen[id] = usage
      let descendants = child.memory?.children() ?? []
      guard memory.last[id] != usage || !descendants.isEmpty else { continue }
      hasChanged = true
      let limit = child.memory?.limit ?? .max
      let used = memoryUsed(by: usage, descendants)
      if used > limit { try step(.overMemory(id, used: used, limit: limit)) }
    }
    memory.last = seen
    let interval = hasChanged ? MemoryWatch.busyInterval : MemoryWatch.calmInterval
    memory.due = now + interval.wholeNanoseconds
  }

  /// Its own and its descendants' private memory, and the shared memory that cannot be the cache's.
  private func memoryUsed(by usage: ProcessMemory.Usage, _ descendants: [Int32]) -> UInt64 {
    let known = configuration.sharedBytesKnown
    var used = usage.privateBytes + (usage.sharedBytes > known ? usage.sharedBytes - known : 0)
    var waiting = descendants
    var counted = 0
    while let id = waiting.popLast(), counted < MemoryWatch.descendantsMax {
      counted += 1
      guard let memory = ProcessMemory(of: id) else { continue }
      used += memory.usage()?.privateBytes ?? 0
      waiting += memory.children()
    }
    return used
  }
}
