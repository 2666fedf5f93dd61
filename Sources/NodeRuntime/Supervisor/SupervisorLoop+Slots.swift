import ClusterModel
import ExecutorSlots
import Platform
import Supervision
import WireProtocol

/// What the agent reads from its executors' slots, and takes back from them.
extension SupervisorLoop {
  /// While calls run, the slots are looked at so often. A deadline is the scheduler's to enforce first;
  /// this is for one that is out of reach.
  static let lookInterval = Duration.milliseconds(50)

  /// An executor says that it has begun a call while nobody watched.
  mutating func beginWatching() {
    if lookAt == nil { lookAt = MonotonicClock.now + Self.lookInterval.wholeNanoseconds }
  }

  mutating func lookAtSlots(now: UInt64) throws {
    guard let due = lookAt, due <= now else { return }
    let isBusy = anythingRan()
    for id in children.keys.sorted() {
      guard let running = slots[Int(id.number)].running, let deadline = running.deadline,
        deadline.addingReportingOverflow(Self.lookInterval.wholeNanoseconds).partialValue <= now
      else { continue }
      try step(.overdue(id))
    }
    lookAt = now + Self.lookInterval.wholeNanoseconds
    guard !isBusy else { return }
    slots.isWatched = false
    // One that began before it could see that has told nobody.
    if anythingRan() { slots.isWatched = true } else { lookAt = nil }
  }

  /// Whether an executor runs a call, or began one since the last look.
  private mutating func anythingRan() -> Bool {
    var found = false
    for number in 0..<slots.count {
      let started = slots[number].started
      if started != startedAtLastLook[number] || slots[number].running != nil { found = true }
      startedAtLastLook[number] = started
    }
    return found
  }

  mutating func recall(_ frame: Frame) throws {
    guard let order = try? Recall.decode(frame.body), let id = ExecutorID(order.executor),
      children[id] != nil
    else { return }
    // Of one that has ended the scheduler hears all the same.
    let started = slots[Int(id.number)].recall(upTo: order.upTo)
    try tellScheduler(
      Recall(executor: id, upTo: order.upTo, started: started).framed(.recalled))
  }
}
