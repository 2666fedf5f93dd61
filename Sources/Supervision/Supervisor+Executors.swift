import ClusterModel
import WireProtocol

extension Supervisor {
  mutating func begin(
    now: UInt64, using random: inout some RandomNumberGenerator, into effects: inout [Effect]
  ) {
    precondition(slots.isEmpty, "a supervisor begins once")
    slots = (0..<configuration.executors).map { number in
      Slot(
        id: ExecutorID(
          node: configuration.node, number: UInt32(number), incarnation: Incarnation(0)),
        restartAt: now)
    }
    fillEmptySlots(now: now, using: &random, into: &effects)
  }

  mutating func fillEmptySlots(
    now: UInt64, using random: inout some RandomNumberGenerator, into effects: inout [Effect]
  ) {
    guard !isStopping else { return }
    for index in slots.indices {
      guard slots[index].state == .empty, let at = slots[index].restartAt else { continue }
      guard at <= now else {
        effects.append(.wakeUp(after: .nanoseconds(at - now)))
        continue
      }
      let old = slots[index]
      var slot = Slot(
        id: ExecutorID(
          node: old.id.node, number: old.id.number,
          incarnation: Incarnation(random.next() >> 1)))
      slot.state = .starting
      slot.earlyDeaths = old.earlyDeaths
      slots[index] = slot
      effects.append(.spawn(slot.id))
    }
  }

  mutating func kill(_ order: KillExecutor, into effects: inout [Effect]) {
    guard let id = ExecutorID(order.executor),
      let index = slots.firstIndex(where: { $0.id == id }), slots[index].state != .empty
    else {
      // Already gone: say so again, in case the first word was lost.
      var loss = ExecutorLost()
      loss.executor = order.executor
      loss.cause = Failure(order.reason, "the executor had ended already")
      effects.append(.reportLoss(loss))
      return
    }
    condemn(index, for: Failure(order.reason, "the executor was ended at its call's deadline"))
    effects.append(.kill(id))
  }

  /// - Parameters: memory in use and the limit, in bytes.
  mutating func endForMemory(
    _ id: ExecutorID, used: UInt64, limit: UInt64, into effects: inout [Effect]
  ) {
    guard let index = slots.firstIndex(where: { $0.id == id }),
      slots[index].state == .running || slots[index].state == .starting
    else { return }
    condemn(
      index, for: .memoryExceeded("the function took \(used >> 20) MiB of memory", limit: limit))
    effects.append(.kill(id))
  }

  private mutating func condemn(_ index: Int, for reason: Failure) {
    slots[index].killedFor = slots[index].killedFor ?? reason
    slots[index].state = .ending
  }

  mutating func executorEnded(
    _ id: ExecutorID, _ ending: Ending, lastStarted: UInt64, now: UInt64,
    into effects: inout [Effect]
  ) {
    guard let slot = slots.first(where: { $0.id == id }) else { return }
    var loss = ExecutorLost()
    loss.executor = id.description
    loss.knowsStarted = true
    loss.lastStarted = lastStarted
    loss.cause = ending.cause(slot.lastWords)
    // One that ended by itself before the kill reached it ended of its own fault.
    if let reason = slot.killedFor, ending == .signalled(9) { loss.cause = reason }
    loss.cause.node = "\(id.node)/\(id.number)"
    note(id, "ended: \(loss.cause.message)", level: isStopping ? 2 : 3, at: 0)
    if !isStopping { restarts += 1 }
    effects.append(.reportLoss(loss))
    slotEnded(id, now: now, into: &effects)
  }

  /// Frees the slot and says when to fill it again.
  mutating func slotEnded(_ id: ExecutorID, now: UInt64, into effects: inout [Effect]) {
    guard let index = slots.firstIndex(where: { $0.id == id }) else { return }
    let diedEarly = slots[index].state == .starting
    slots[index].state = .empty
    slots[index].processID = 0
    slots[index].earlyDeaths = diedEarly ? slots[index].earlyDeaths + 1 : 0
    let delay = restartDelay(afterEarlyDeaths: slots[index].earlyDeaths)
    slots[index].restartAt = now + delay.wholeNanoseconds
    if !isStopping { effects.append(.wakeUp(after: delay)) }
  }

  func restartDelay(afterEarlyDeaths deaths: Int) -> Duration {
    guard deaths > 0 else { return .zero }
    let factor = 1 << min(deaths - 1, 16)
    return min(configuration.restartDelayMin * factor, configuration.restartDelayMax)
  }

  mutating func stop(into effects: inout [Effect]) {
    isStopping = true
    for slot in slots where slot.state != .empty { effects.append(.kill(slot.id)) }
  }
}
