import Caching
import ClusterModel
import Connections
import ControlProtocol
import Platform
import SharedCache
import StoreAccess
import SwiftProtobuf
import WireProtocol

extension CacheLoop {
  mutating func performEffects() throws {
    // A second round only for keys that left shared memory within the turn.
    while !effects.isEmpty { try performOnce() }
  }

  private mutating func performOnce() throws {
    commit()
    let performed = effects
    effects = []
    var released: [Incarnation: [Released.Entry]] = [:]
    var acknowledged: [Route: UInt64] = [:]
    for effect in performed {
      switch effect {
      case .release(let entry, let scheduler): released[scheduler, default: []].append(entry)
      case .acknowledgeStream(let number, let owner): acknowledged[owner] = number
      default: try perform(effect)
      }
    }
    for scheduler in released.keys.sorted() {
      let frame = releases.frame(for: released[scheduler] ?? [], to: scheduler)
      // Not taken: it is kept, and sent again at the next connection.
      if let frame { _ = try self.scheduler.send(frame) }
    }
    for (owner, number) in acknowledged {
      _ = try storage.send(
        Empty().framed(.streamAcknowledged, number: number), to: .shard(owner))
    }
  }

  private mutating func perform(_ effect: NodeCache.Effect) throws {
    switch effect {
    case .fetched(let key, let outcome, let number, let peer):
      guard let answer = answer(key, outcome) else {
        step(.notInstalled(key))
        var again = CacheFetch()
        again.key = key
        return step(.fetch(again, number: number, from: peer))
      }
      _ = try listener.send(answer.framed(.cacheFetched, number: number), to: peer)
    case .applied(let number, let peer):
      _ = try listener.send(Empty().framed(.cacheApplied, number: number), to: peer)
    case .refuseWrites(let failure, let number, let peer):
      try listener.refuse(peer, number: number, failure)
    case .request(let request, let number, let deadline):
      // The core asks again itself, in an order that it knows.
      let asked = StoreRequest(
        number: number, body: .any(request), deadline: deadline, repetition: .left)
      try storage.send(asked, now: MonotonicClock.now, &poller)
    case .unsubscribe(let key, let owner):
      var request = WatchRequest()
      request.key = key
      // Not taken: the next push of the key is answered by another one.
      _ = try storage.send(request.framed(.unwatch), to: .shard(owner))
    case .publish(let sequence): writer.publish(acknowledgedSequence: sequence)
    case .startTimer(let pause):
      let at = MonotonicClock.now + pause.wholeNanoseconds
      wakeUpAt = min(wakeUpAt ?? at, at)
    case .install, .remove, .needsRoom, .release, .acknowledgeStream:
      // Performed for the whole turn at once.
      return
    }
  }

  /// - Returns: nil when the record has left shared memory in this turn.
  private func answer(_ key: Key, _ outcome: NodeCache.FetchOutcome) -> CacheFetched? {
    var answer = CacheFetched()
    answer.key = key
    switch outcome {
    case .absent: return answer
    case .failed(let failure): answer.failure = failure
    case .record(let record):
      answer.inCache =
        record.payload.count > configuration.shared.inlineBytesMax
        && (try? writer.read(key))?.isLarge == true
      if !answer.inCache { answer.record = record.encoded() }
    case .resident:
      guard let stored = try? writer.read(key) else { return nil }
      answer.inCache = stored.isLarge
      if !stored.isLarge { answer.record = stored.record.encoded() }
    }
    return answer
  }

  /// Brings shared memory up to date with the turn's effects. Where it has no room: evicts, then
  /// leaves large values out, then starts an empty map, and at last does without one, because a
  /// reader must never find what is out of date.
  private mutating func commit() {
    guard writer.isEnabled else { return leaveOut { _ in true } }
    if apply() == nil { return }
    core.step(.mapFull(writer.takeReferences()), at: coreNow, into: &effects)
    guard let second = apply() else { return }
    if second == .noSpace {
      let largest = configuration.shared.inlineBytesMax
      leaveOut { $0.payload.count > largest }
      if apply() == nil { return }
    }
    do {
      try writer.startGeneration()
      emptied()
      if apply() == nil { return }
    } catch {}
    writer.disable()
    enableAt = MonotonicClock.now + Self.enablePause.wholeNanoseconds
    emptied()
    leaveOut { _ in true }
  }

  /// The turn's changes so far were for a map that is gone.
  private mutating func emptied() {
    effects.removeAll {
      switch $0 {
      case .install, .remove: true
      default: false
      }
    }
    core.step(.cacheEmptied, at: coreNow, into: &effects)
  }

  var coreNow: NodeCache.Now {
    NodeCache.Now(wall: WallClock.milliseconds, monotonic: MonotonicClock.now)
  }

  /// - Returns: why not; nil when it is done.
  private mutating func apply() -> CacheError.Code? {
    do {
      try writer.apply(changes())
      return nil
    } catch {
      return error.code
    }
  }

  /// The last change of each key in this turn, in the order in which the keys first changed.
  private func changes() -> [CacheChange] {
    var places: [Key: Int] = [:]
    var changes: [CacheChange] = []
    for effect in effects {
      let change: CacheChange
      switch effect {
      case .install(let key, let record): change = .put(key, record)
      case .remove(let key): change = .remove(key)
      default: continue
      }
      if let place = places[change.key] {
        changes[place] = change
      } else {
        places[change.key] = changes.count
        changes.append(change)
      }
    }
    return changes
  }

  /// Tells the core that these records stay out of shared memory, and removes what is there.
  private mutating func leaveOut(_ isLeftOut: (Record) -> Bool) {
    var out: [Key] = []
    for change in changes() {
      if case .put(let key, let record) = change, isLeftOut(record) { out.append(key) }
    }
    for key in out {
      core.step(.notInstalled(key), at: coreNow, into: &effects)
      effects.append(.remove(key))
    }
  }

  mutating func enableAgain(now: UInt64) {
    guard let at = enableAt, at <= now else { return }
    do {
      try writer.startGeneration()
      enableAt = nil
      emptied()
    } catch {
      enableAt = now + Self.enablePause.wholeNanoseconds
    }
  }

  /// This node's part of the status; the scheduler merges the parts.
  mutating func answerControl(_ frame: Frame) throws {
    var response = ControlResponse()
    switch (try? ControlRequest(serializedBytes: Array(frame.body)))?.request {
    case .getStatus:
      response.status = status()
    default:
      response = ControlResponse(
        Failure(.badRequest, "a node's cache does not know this control request"))
    }
    var writer = ProtobufWriter()
    FrameHeader(kind: .controlResponse, number: frame.header.number).write(to: &writer)
    let body: [UInt8] = try response.serializedBytes()
    writer.raw(body)
    _ = try scheduler.send(writer.bytes)
  }
}
