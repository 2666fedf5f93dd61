import ClusterModel
import WireProtocol

extension StoreRoutes {
  mutating func take(
    _ frame: Frame, over index: Int, _ now: UInt64, _ effects: inout [Effect]
  ) {
    guard index < links.count, links[index] != nil else { return }
    heard(index, now)
    let number = frame.header.number
    do throws(WireError) {
      switch frame.header.kind {
      case .keyResponse where asks[number] != nil:
        take(try KeyResponse.decode(frame.body), of: number, from: index, now, &effects)
      case .refusal where number != 0:
        take(
          refusal: try FailureMessage.decode(frame.body).failure, of: number, index, now, &effects)
      case .watchEvent where watches[number] != nil:
        take(
          event: try KeyResponse.decode(frame.body), of: number, from: index, now, &effects)
      case .ring where !frame.body.isEmpty:
        adopt(try RingMessage.decode(frame.body).view, now, &effects)
      case .hotKeys: take(try HotKeyList.decode(frame.body), from: index)
      default: break
      }
    } catch {
      let failure = Failure(
        .internalError, "an answer (\(frame.header.kind)) could not be read: \(error)")
      fail(number, failure, now, &effects)
    }
  }

  private mutating func take(
    refusal: Failure, of number: UInt64, _ index: Int, _ now: UInt64, _ effects: inout [Effect]
  ) {
    if watches[number] != nil {
      return refuse(watch: number, refusal, now, &effects)
    }
    guard asks[number] != nil else { return }
    var response = KeyResponse()
    response.failure = refusal
    take(response, of: number, from: index, now, &effects)
  }

  /// Whether a shard that says so has done nothing, and another one may.
  func isForAnother(_ failure: Failure?) -> Bool {
    switch failure?.code {
    case .wrongOwner: true
    case .stopping, .fenced: table.members.count > 1
    default: false
    }
  }

  /// A node whose clock is wrong writes nothing, but another may. One that says when to ask again has
  /// done nothing, either: its lease has run out, or a list waits for keys that move.
  private func isToBeAskedAgain(_ failure: Failure?) -> Bool {
    switch failure?.code {
    case .clockSkew: table.members.count > 1
    case .unavailable: failure?.retryAfter != nil
    default: false
    }
  }

  private mutating func take(
    _ response: KeyResponse, of number: UInt64, from index: Int, _ now: UInt64,
    _ effects: inout [Effect]
  ) {
    guard let ask = asks[number] else { return }
    // The owners can be asked at once, and so can anybody by a newer ring.
    var isAtOnce = view.epoch > ask.epoch
    if isForAnother(response.failure) || isToBeAskedAgain(response.failure) {
      if forgetReplicas(of: ask.hash) { isAtOnce = true }
      return repeatAll(number, ask, response.failure, isAtOnce, now, &effects)
    }
    let wrong = response.tuples.indices.filter { isForAnother(response.tuples[$0].failure) }
    if !wrong.isEmpty {
      for tuple in wrong where forgetReplicas(of: StableHash.of(response.tuples[tuple].key.bytes)) {
        isAtOnce = true
      }
      avoid(index, response.tuples[wrong[0]].failure, now)
      guard ask.keyCount > 1 || ask.whole != nil else {
        return repeatAll(
          number, ask, response.tuples[wrong[0]].failure, isAtOnce, now, &effects)
      }
      return repeatSome(wrong, number, ask, response, isAtOnce, now, &effects)
    }
    remove(number, now, &effects)
    if ask.whole != nil {
      fill(number, ask, with: response, except: [], from: index, &effects)
    } else {
      deadlines.remove(number)
      let answer = ask.isList && !isOneShard ? paged(response, ask) : response
      effects.append(.answer(answer, number: number, by: .one(Route(index))))
    }
  }

  /// Where the next page of the whole list begins.
  private func paged(_ response: KeyResponse, _ ask: Ask) -> KeyResponse {
    var response = response
    guard response.failure == nil else { return response }
    // Asked by another ring: what has moved since may have been passed over, so from the start.
    var next: ListCursor? = .start
    if let member = ask.member, let shard = table.members.firstIndex(of: member),
      ask.epoch == view.epoch
    {
      let isLast = shard + 1 == min(table.members.count, ListCursor.shardsMax)
      let following = isLast ? nil : ListCursor(shard: shard + 1, position: 0)
      next =
        response.cursor == 0 ? following : ListCursor(shard: shard, position: response.cursor)
    }
    response.cursor = next?.number(epoch: view.epoch) ?? 0
    return response
  }

  private mutating func avoid(_ index: Int, _ failure: Failure?, _ now: UInt64) {
    guard let failure, failure.code != .wrongOwner else { return }
    links[index]?.avoidedUntil = now &+ limits.avoidance.wholeNanoseconds
  }

  /// Nothing was done of an ask: once more.
  private mutating func repeatAll(
    _ number: UInt64, _ ask: Ask, _ failure: Failure?, _ isAtOnce: Bool, _ now: UInt64,
    _ effects: inout [Effect]
  ) {
    // Only one shard can tell its part of a list.
    if let index = ask.link, !ask.isList { avoid(index, failure, now) }
    remove(number, now, &effects)
    var again = ask
    again.isSent = false
    again.link = nil
    again.refusals += 1
    asks[number] = again
    askAgain(number, again.refusals, isAtOnce, now, &effects)
  }

  private mutating func askAgain(
    _ number: UInt64, _ refusals: Int, _ isAtOnce: Bool, _ now: UInt64, _ effects: inout [Effect]
  ) {
    guard !isAtOnce else { return place(number, now, &effects) }
    pause(number, refusals, now)
    if refusals.isMultiple(of: 4) { askForRing(now, &effects) }
  }

  private mutating func repeatSome(
    _ wrong: [Int], _ number: UInt64, _ ask: Ask, _ response: KeyResponse, _ isAtOnce: Bool,
    _ now: UInt64, _ effects: inout [Effect]
  ) {
    guard var keys = request(of: ask), let index = ask.link else { return }
    remove(number, now, &effects)
    let whole = ask.whole ?? begin(whole: number, of: keys, ask.repetition)
    let places = ask.whole == nil ? Array(keys.tuples.indices) : ask.places
    var placed = ask
    (placed.whole, placed.places) = (whole, places)
    let again = wrong.filter { $0 < keys.tuples.count }
    keys.tuples = again.map { keys.tuples[$0] }
    let rest = add(keys, at: again.map { places[$0] }, of: whole, ask.refusals + 1)
    fill(number, placed, with: response, except: Set(again), from: index, &effects)
    askAgain(rest, ask.refusals + 1, isAtOnce, now, &effects)
  }

  /// Puts a part's answer into its whole's, which is given when nothing is missing any more.
  private mutating func fill(
    _ number: UInt64, _ ask: Ask, with response: KeyResponse, except: Set<Int>, from index: Int,
    _ effects: inout [Effect]
  ) {
    guard let whole = ask.whole, wholes[whole] != nil else { return }
    for (offset, place) in ask.places.enumerated() where !except.contains(offset) {
      if offset < response.tuples.count {
        wholes[whole]?.response.tuples[place] = response.tuples[offset]
        wholes[whole]?.servers[place] = Route(index)
      } else {
        let missing = Failure(.unavailable, "the shard's answer is incomplete")
        wholes[whole]?.response.tuples[place].failure = response.failure ?? missing
      }
    }
    let clock = wholes[whole]?.response.clock ?? 0
    wholes[whole]?.response.clock = max(clock, response.clock)
    finish(part: number, of: whole, &effects)
  }

  private mutating func finish(
    part number: UInt64, of whole: UInt64, _ effects: inout [Effect]
  ) {
    wholes[whole]?.parts.remove(number)
    guard wholes[whole]?.parts.isEmpty == true, let done = wholes.removeValue(forKey: whole) else {
      return
    }
    deadlines.remove(whole)
    effects.append(.answer(done.response, number: whole, by: .each(done.servers)))
  }

  /// Ends an ask that nothing will come of.
  mutating func fail(
    _ number: UInt64, _ failure: Failure, _ now: UInt64, _ effects: inout [Effect]
  ) {
    guard asks[number] != nil else {
      if watches[number] != nil { end(watch: number, failure, &effects) }
      return
    }
    let ask = asks[number]
    remove(number, now, &effects)
    end(number, ask, failure, &effects)
  }

  /// As `fail`, of one that its connection does not count any more.
  mutating func end(_ number: UInt64, _ failure: Failure, _ effects: inout [Effect]) {
    let ask = asks.removeValue(forKey: number)
    if let ask, ask.refusals > 0 { pauses.remove(number) }
    end(number, ask, failure, &effects)
  }

  private mutating func end(
    _ number: UInt64, _ ask: Ask?, _ failure: Failure, _ effects: inout [Effect]
  ) {
    guard let ask else { return }
    guard let whole = ask.whole else {
      deadlines.remove(number)
      return effects.append(.failed(failure, number: number))
    }
    for place in ask.places { wholes[whole]?.response.tuples[place].failure = failure }
    finish(part: number, of: whole, &effects)
  }
}
