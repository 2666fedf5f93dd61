import ClusterModel
import WireProtocol

/// Results that are also kept under a key of the caller's, before the caller is answered.
extension Scheduler {
  mutating func storeResult(
    of index: Int, _ result: CallResult, under key: Key, at now: Moment,
    into effects: inout [Effect]
  ) {
    observeSession(of: result, at: now)
    let tuple = KeyTuple.value(
      key, result.value, encoding: result.encoding, stamp: stamp(at: now))
    flights[index].stage = .storingResult
    var request = KeyRequest.put([tuple])
    request.level = flights[index].header.writeLevel
    flights[index].storeNumber = send(
      request, for: .result(flight: index), at: now, into: &effects)
  }

  /// The result is stored elsewhere already, being large: it is copied from there.
  mutating func readReference(
    of index: Int, _ result: CallResult, at now: Moment, into effects: inout [Effect]
  ) {
    flights[index].stage = .readingReference
    flights[index].storeNumber = send(
      .get([Key(trusted: result.reference)]), for: .reference(flight: index), at: now,
      into: &effects)
  }

  mutating func takeReference(
    _ response: KeyResponse, of index: Int, at now: Moment, into effects: inout [Effect]
  ) {
    flights[index].storeNumber = nil
    guard let result = flights[index].held, let key = flights[index].resultKey else { return }
    guard let record = response.tuples.first.flatMap({ try? Record($0.record) }),
      response.firstFailure == nil
    else {
      let reason = response.firstFailure ?? response.tuples.first?.failure
      let failure = reason ?? Failure(.storageFailed, "the stored result cannot be read")
      return conclude(index, with: failure, at: now, into: &effects)
    }
    var whole = result
    whole.value = record.payload
    hold(whole, of: index)
    storeResult(of: index, whole, under: key, at: now, into: &effects)
  }

  mutating func takeStoredResult(
    _ response: KeyResponse, of index: Int, at now: Moment, into effects: inout [Effect]
  ) {
    flights[index].storeNumber = nil
    guard var result = flights[index].held else { return }
    if let failure = response.firstFailure {
      return conclude(index, with: failure, at: now, into: &effects)
    }
    // A large value goes back by the reference it came with.
    if !result.reference.isEmpty { result.value = [] }
    if let tuple = response.tuples.first { result.addToSession(tuple.key, tuple.version) }
    conclude(index, with: result, at: now, into: &effects)
  }

  /// The call may have written the very same key: the result has to be later than that.
  private mutating func observeSession(of result: CallResult, at now: Moment) {
    guard let session = try? SessionToken.decode(result.session) else { return }
    for entry in session.entries {
      _ = clock.observe(entry.version.stamp, origin: .native, now: now.wallMilliseconds)
    }
  }
}

extension CallResult {
  /// So that the caller's next call sees its result under the key, wherever it runs.
  fileprivate mutating func addToSession(_ key: Key, _ version: Version) {
    guard version != .none else { return }
    var token = (try? SessionToken.decode(session)) ?? SessionToken()
    token.note(key, version)
    session = token.encoded()
  }
}
