package import ClusterModel
package import WireProtocol

/// What the shared cache has of a key, now.
package enum Lookup: Equatable, Sendable {
  case absent
  case record(Record)
  /// The payload is left out of the record: the shell has it mapped.
  case mapped(Record)
}

/// What a read found.
package enum ReadAnswer: Equatable, Sendable {
  case missing
  case value(encoding: UInt8, Bytes)
  /// The value that this read's look-up found too large to copy; the shell has it mapped.
  case mapped(encoding: UInt8, read: UInt64)
  case counter(Int64)
  /// Elements in ascending byte order.
  case set(encoding: UInt8, [Bytes])
  case failed(Failure)
}

/// A read that is not answered yet.
struct PendingRead {
  enum Purpose: Equatable { case body(UInt64), argument }
  /// lookingUp → answered or fetching; fetching → answered or lookingUp (the value is too large for
  /// a message); awaitingApplied → lookingUp.
  enum State: Equatable {
    case lookingUp
    case fetching(sentAt: UInt64)
    /// The shared cache may or may not hold the call's own increments that are on their way to it.
    case awaitingApplied
  }

  let number: UInt64
  let key: Key
  let purpose: Purpose
  var state = State.lookingUp
  var fetches = 0
}

extension Executor {
  mutating func read(
    _ key: Key, for purpose: PendingRead.Purpose, at readings: Readings,
    into effects: inout [Effect]
  ) {
    var read = PendingRead(number: nextNumber(), key: key, purpose: purpose)
    guard let base = call?.overlay.base(of: key) else {
      preconditionFailure("a read belongs to a call")
    }
    if call?.isCancelled == true {
      return answer(read, .failed(.cancelled), at: readings, into: &effects)
    }
    guard reads.count < limits.readsMax else {
      let full = Failure(.overloaded, "\(limits.readsMax) reads of this call are under way")
      return answer(read, .failed(full), at: readings, into: &effects)
    }
    switch base {
    case .settled(let value):
      return answer(read, value.answer(), at: readings, into: &effects)
    case .needed: effects.append(.lookUp(key, read: read.number))
    case .neededOnceApplied: read.state = .awaitingApplied
    }
    reads.append(read)
  }

  mutating func take(
    _ lookup: Lookup, read number: UInt64, at readings: Readings, into effects: inout [Effect]
  ) {
    // The call may have ended while the shell was looking.
    guard let place = reads.firstIndex(where: { $0.number == number }),
      reads[place].state == .lookingUp
    else { return }
    let read = reads[place]
    guard let record = lookup.record, isGoodEnough(record, for: read.key) else {
      return fetch(at: place, at: readings, into: &effects)
    }
    conclude(read, with: lookup, at: readings, into: &effects)
  }

  /// A partial record holds only what this node wrote; an older one is older than the session.
  func isGoodEnough(_ record: Record, for key: Key) -> Bool {
    !record.flags.contains(.partial) && record.version >= call?.known.minimum(of: key) ?? .none
  }

  private mutating func fetch(
    at place: Int, at readings: Readings, into effects: inout [Effect]
  ) {
    let read = reads[place]
    guard read.fetches < limits.fetchesPerReadMax else {
      let failure = Failure(
        .unavailable, "\(read.key) was fetched \(read.fetches) times and evicted each time")
      reads.remove(at: place)
      return answer(read, .failed(failure), at: readings, into: &effects)
    }
    reads[place].fetches += 1
    reads[place].state = .fetching(sentAt: readings.monotonic)
    effects.append(.fetch(request(for: read), number: read.number))
  }

  func request(for read: PendingRead) -> CacheFetch {
    var request = CacheFetch()
    request.key = read.key
    request.minimum = call?.known.minimum(of: read.key) ?? .none
    return request
  }

  mutating func take(
    _ fetched: CacheFetched, number: UInt64, at readings: Readings, into effects: inout [Effect]
  ) {
    // A second answer to a request that was repeated, or one to a call that is over.
    guard let place = reads.firstIndex(where: { $0.number == number }),
      case .fetching = reads[place].state
    else { return }
    let read = reads[place]
    if let failure = fetched.failure, failure.code != .keyNotFound {
      reads.remove(at: place)
      return answer(read, .failed(failure), at: readings, into: &effects)
    }
    if fetched.inCache {
      reads[place].state = .lookingUp
      return effects.append(.lookUp(read.key, read: read.number))
    }
    guard !fetched.record.isEmpty, fetched.failure == nil else {
      return conclude(read, with: .absent, at: readings, into: &effects)
    }
    do {
      let record = try Record(fetched.record)
      conclude(read, with: .record(record), at: readings, into: &effects)
    } catch {
      reads.remove(at: place)
      let failure = Failure(.internalError, "the cache's record of \(read.key): \(error)")
      answer(read, .failed(failure), at: readings, into: &effects)
    }
  }

  /// The state below the call's own writes is known.
  ///
  /// The agent's answers arrive in the order it gave them. So a fetched record holds exactly those of
  /// the call's writes that are no longer in the overlay, and none is counted twice or left out.
  private mutating func conclude(
    _ read: PendingRead, with lookup: Lookup, at readings: Readings, into effects: inout [Effect]
  ) {
    reads.removeAll { $0.number == read.number }
    if let record = lookup.record {
      call?.note(record, of: read.key, acknowledged: readings.acknowledged)
    }
    let result: ReadAnswer
    do {
      let base = try StoredValue(lookup, read: read.number, wall: readings.wall)
      result = try (call?.overlay.applying(to: base, at: read.key) ?? base).answer()
    } catch {
      result = .failed(error)
    }
    answer(read, result, at: readings, into: &effects)
  }

  private mutating func answer(
    _ read: PendingRead, _ result: ReadAnswer, at readings: Readings, into effects: inout [Effect]
  ) {
    guard case .argument = read.purpose else {
      if case .body(let token) = read.purpose { effects.append(.answer(result, token: token)) }
      return
    }
    do {
      let argument = try result.argument(from: read.key)
      fillArguments(with: argument, of: read.key, at: readings, into: &effects)
    } catch {
      finish(.failure(error), at: readings, into: &effects)
    }
  }

  mutating func failBodyReads(_ failure: Failure, into effects: inout [Effect]) {
    let failed = reads
    reads.removeAll()
    for case .body(let token) in failed.map(\.purpose) {
      effects.append(.answer(.failed(failure), token: token))
    }
  }

  mutating func take(
    _ failure: Failure, number: UInt64, at readings: Readings, into effects: inout [Effect]
  ) {
    if let place = reads.firstIndex(where: { $0.number == number }) {
      let read = reads.remove(at: place)
      return answer(read, .failed(failure), at: readings, into: &effects)
    }
    guard call?.overlay.take(applied: number) == true else { return }
    if call?.writeFailure == nil { call?.writeFailure = failure }
    resumeReads(into: &effects)
  }
}

extension Lookup {
  var record: Record? {
    switch self {
    case .absent: nil
    case .record(let record), .mapped(let record): record
    }
  }
}
