import ClusterModel
import WireProtocol

/// Why a write of a body was not taken; nothing was changed.
package enum WriteRefusal: Equatable, Sendable {
  /// The key is the platform's.
  case reserved
  case valueTooLarge
  /// The call itself gave the key a value of another lattice type.
  case lattice
  /// Too many bytes are on their way to the cache; taking its answers makes room.
  case full
}

extension Executor {
  mutating func take(
    _ write: CacheWrite, at readings: Readings, into effects: inout [Effect]
  ) {
    guard call != nil else { preconditionFailure("a write belongs to a call") }
    if let refusal = refusal(of: write) { return effects.append(.writeRefused(refusal)) }
    call?.overlay.append(write)
    call?.wrote = true
    if call?.flushDue == nil { call?.flushDue = readings.monotonic + limits.flushNanoseconds }
    let isFull = call.map { $0.overlay.unsentByteCount > limits.overlayBytesMax } ?? false
    if isFull || call?.flushDue.map({ $0 <= readings.monotonic }) == true { flush(into: &effects) }
  }

  private func refusal(of write: CacheWrite) -> WriteRefusal? {
    if write.key.isReserved { return .reserved }
    if write.value.count > Limits.valueBytesMax { return .valueTooLarge }
    if call?.overlay.sentByteCount ?? 0 > limits.unappliedBytesMax { return .full }
    return call?.overlay.conflicts(with: write) == true ? .lattice : nil
  }

  /// Sends what the call has written so far; it stays readable here until the cache has it.
  mutating func flush(into effects: inout [Effect]) {
    guard call?.overlay.unsentByteCount ?? 0 > 0 else { return }
    let number = nextNumber()
    guard let writes = call?.takeWrites(as: number) else { return }
    effects.append(.sendWrites(writes, number: number))
  }

  mutating func take(applied number: UInt64, into effects: inout [Effect]) {
    guard call?.overlay.take(applied: number) == true else { return }
    resumeReads(into: &effects)
  }

  /// Reads that waited for the call's own increments to arrive may look again.
  mutating func resumeReads(into effects: inout [Effect]) {
    for place in reads.indices where reads[place].state == .awaitingApplied {
      let key = reads[place].key
      guard case .needed? = call?.overlay.base(of: key) else { continue }
      reads[place].state = .lookingUp
      effects.append(.lookUp(key, read: reads[place].number))
    }
  }

  mutating func fireTimers(at readings: Readings, into effects: inout [Effect]) {
    guard let running = call else { return }
    let now = readings.monotonic
    if let due = running.flushDue, due <= now { flush(into: &effects) }
    if let deadline = running.deadline, deadline <= now {
      guard running.phase == .running else {
        return finish(.failure(.deadline(before: running.function)), at: readings, into: &effects)
      }
      return failBodyReads(.deadline(before: "the read's answer"), into: &effects)
    }
    let retryBefore =
      now < limits.requestRetryNanoseconds ? 0 : now - limits.requestRetryNanoseconds
    if let asked = running.bundleRequestedAt, asked <= retryBefore {
      call?.bundleRequestedAt = now
      effects.append(.requestBundle(running.bundles[running.stage]))
    }
    for place in reads.indices {
      guard case .fetching(let sent) = reads[place].state, sent <= retryBefore else { continue }
      reads[place].state = .fetching(sentAt: now)
      effects.append(.fetch(request(for: reads[place]), number: reads[place].number))
    }
  }
}

extension RunningCall {
  /// What is unsent, as the message that sends it.
  mutating func takeWrites(as number: UInt64) -> CacheWrites {
    flushDue = nil
    return cacheWrites(overlay.takeUnsent(as: number))
  }

  private func cacheWrites(_ writes: [CacheWrite]) -> CacheWrites {
    var message = CacheWrites()
    message.invocation = header.invocation
    message.attempt = UInt32(header.attempt)
    message.writes = writes
    message.level = header.writeLevel
    message.clock = clock
    return message
  }
}
