package import ClusterModel
import WireProtocol

extension StoreRoutes {
  mutating func accept(_ request: StoreRequest, _ now: UInt64, _ effects: inout [Effect]) {
    let number = request.number
    if asks[number] != nil || wholes[number] != nil { cancel(number, now, &effects) }
    guard asks.count < limits.openMax else {
      let failure = Failure(
        .overloaded, "\(asks.count) requests to the store are open, which is the limit",
        hint: "wait for some of them")
      return effects.append(.failed(failure, number: number))
    }
    if let deadline = request.deadline { deadlines.insert(number, at: deadline) }
    var ask: Ask
    switch request.body {
    case .one(let frame, let hash):
      ask = Ask(frame: frame, hash: hash, repetition: request.repetition)
      ask.isSpread = true
    case .any(let keys) where keys.type == .list:
      ask = list(keys, request)
    case .any(let keys):
      ask = Ask(
        frame: keys.framed(.keyRequest, number: number), repetition: request.repetition)
      ask.keyCount = keys.tuples.count
      ask.isSpread = keys.isSpread
      if keys.tuples.count == 1 { ask.hash = StableHash.of(keys.tuples[0].key.bytes) }
    }
    asks[number] = ask
    place(number, now, &effects)
  }

  /// A page of one shard; the cursor says whose turn it is.
  private func list(_ keys: KeyRequest, _ request: StoreRequest) -> Ask {
    var keys = keys
    var member: RingMember?
    if table.members.count > 1 {
      var cursor = ListCursor(keys.cursor, epoch: view.epoch)
      if cursor.shard >= table.members.count { cursor = .start }
      keys.cursor = cursor.position
      member = table.members[cursor.shard]
    } else if ListCursor.isOne(keys.cursor) {
      keys.cursor = 0
    }
    var ask = Ask(
      frame: keys.framed(.keyRequest, number: request.number), repetition: request.repetition)
    (ask.isList, ask.member) = (true, member)
    return ask
  }

  /// Sends a request of several keys in parts, one for each shard that is asked now.
  private mutating func split(_ number: UInt64, _ now: UInt64, _ effects: inout [Effect]) {
    guard let ask = asks[number], let keys = request(of: ask) else { return }
    let whole = ask.whole ?? begin(whole: number, of: keys, ask.repetition)
    let places = ask.whole == nil ? Array(keys.tuples.indices) : ask.places
    asks[number] = nil
    wholes[whole]?.parts.remove(number)
    var groups: [(link: Int?, tuples: [Int])] = []
    for index in keys.tuples.indices {
      let hash = StableHash.of(keys.tuples[index].key.bytes)
      let link = choose(hash, nil, isSpread: keys.isSpread, now, &effects)
      if let group = groups.firstIndex(where: { $0.link == link }) {
        groups[group].tuples.append(index)
      } else {
        groups.append((link, [index]))
      }
    }
    for group in groups {
      var part = keys
      part.tuples = group.tuples.map { keys.tuples[$0] }
      let number = add(part, at: group.tuples.map { places[$0] }, of: whole, ask.refusals)
      enqueue(number, at: group.link, now, &effects)
    }
  }

  func request(of ask: Ask) -> KeyRequest? {
    guard let frame = try? Frame(ask.frame[...]) else { return nil }
    return try? KeyRequest.decode(frame.body)
  }

  /// - Returns: its number.
  mutating func begin(
    whole number: UInt64, of keys: KeyRequest, _ repetition: StoreRequest.Repetition
  ) -> UInt64 {
    var response = KeyResponse()
    response.type = keys.type
    response.tuples = keys.tuples.map { KeyTuple(key: $0.key) }
    wholes[number] = Whole(
      response: response, servers: Array(repeating: nil, count: keys.tuples.count),
      repetition: repetition)
    return number
  }

  /// A part of a request, to be placed. - Returns: its number.
  mutating func add(
    _ keys: KeyRequest, at places: [Int], of whole: UInt64, _ refusals: Int
  ) -> UInt64 {
    lastPart += 1
    var ask = Ask(
      frame: keys.framed(.keyRequest, number: lastPart),
      repetition: wholes[whole]?.repetition ?? .left)
    ask.hash = keys.tuples.count == 1 ? StableHash.of(keys.tuples[0].key.bytes) : 0
    ask.keyCount = keys.tuples.count
    ask.isSpread = keys.isSpread
    (ask.whole, ask.places, ask.refusals) = (whole, places, refusals)
    asks[lastPart] = ask
    wholes[whole]?.parts.insert(lastPart)
    return lastPart
  }

  mutating func pause(_ number: UInt64, _ refusals: Int, _ now: UInt64) {
    let pause = min(
      limits.retryPause * (1 << min(max(refusals - 1, 0), 8)), limits.retryPauseMax)
    pauses.remove(number)
    pauses.insert(number, at: now &+ pause.wholeNanoseconds)
  }

  /// Sends an ask, or lets it wait where it belongs now.
  mutating func place(_ number: UInt64, _ now: UInt64, _ effects: inout [Effect]) {
    if asks[number]?.isList == true { relist(number) }
    guard let ask = asks[number] else { return }
    if ask.keyCount > 1, table.members.count > 1 { return split(number, now, &effects) }
    let index = choose(ask.hash, ask.member, isSpread: ask.isSpread, now, &effects)
    enqueue(number, at: index, now, &effects)
  }

  private mutating func enqueue(
    _ number: UInt64, at index: Int?, _ now: UInt64, _ effects: inout [Effect]
  ) {
    guard let index else {
      unplaced.append(number)
      return
    }
    if let refusal = links[index]?.refusal { return end(number, refusal, &effects) }
    asks[number]?.link = index
    links[index]?.waiting.append(number)
    flush(index, now, &effects)
  }

  /// A list whose shard holds no keys any more begins anew.
  private mutating func relist(_ number: UInt64) {
    guard let ask = asks[number], table.members.count > 1,
      !(ask.member.map(table.members.contains) ?? false), var keys = request(of: ask)
    else { return }
    keys.cursor = 0
    var again = Ask(
      frame: keys.framed(.keyRequest, number: number), repetition: ask.repetition)
    (again.isList, again.member, again.refusals) = (true, table.members.first, ask.refusals)
    asks[number] = again
  }

  /// Sends what waits, as far as the connection is up and has room.
  mutating func flush(_ index: Int, _ now: UInt64, _ effects: inout [Effect]) {
    guard let link = links[index], link.isUp, !link.waiting.isEmpty else { return }
    var room = limits.inFlightMax - link.underWay
    guard room > 0 else { return }
    let waiting = link.waiting
    links[index]?.waiting = []
    var taken = 0
    for number in waiting {
      guard room > 0 else { break }
      taken += 1
      // Ended meanwhile, by a late answer.
      guard let ask = asks[number], ask.link == index, !ask.isSent else { continue }
      asks[number]?.isSent = true
      asks[number]?.epoch = view.epoch
      if links[index]?.underWay == 0 { links[index]?.heardAt = now }
      links[index]?.underWay += 1
      effects.append(.send(ask.frame, over: Route(index)))
      room -= 1
    }
    if taken < waiting.count { links[index]?.waiting = Array(waiting[taken...]) }
  }

  mutating func cancel(_ number: UInt64, _ now: UInt64, _ effects: inout [Effect]) {
    deadlines.remove(number)
    for part in wholes.removeValue(forKey: number)?.parts.sorted() ?? [] {
      remove(part, now, &effects)
    }
    remove(number, now, &effects)
  }

  /// Forgets an ask; what waits behind it moves up.
  mutating func remove(_ number: UInt64, _ now: UInt64, _ effects: inout [Effect]) {
    guard let ask = asks.removeValue(forKey: number) else { return }
    if ask.refusals > 0 { pauses.remove(number) }
    guard let index = ask.link else { return unplaced.removeAll { $0 == number } }
    if ask.isSent {
      links[index]?.underWay -= 1
      if links[index]?.waiting.isEmpty == false { flush(index, now, &effects) }
      leaveIfDone(index, now, &effects)
    } else {
      links[index]?.waiting.removeAll { $0 == number }
    }
  }

  private mutating func leaveIfDone(_ index: Int, _ now: UInt64, _ effects: inout [Effect]) {
    guard let link = links[index], link.isLeaving, link.underWay == 0 else { return }
    placeAll(drop(index, now, &effects), now, &effects)
    resumeWatches(now, &effects)
  }

  /// After a pause, or once there is a newer ring.
  mutating func askAgain(_ number: UInt64, _ now: UInt64, _ effects: inout [Effect]) {
    if asks[number]?.isSent == false {
      place(number, now, &effects)
    } else if watches[number] != nil {
      ask(watch: number, now, &effects)
    }
  }

  mutating func expire(_ number: UInt64, _ now: UInt64, _ effects: inout [Effect]) {
    let failure = lateness(of: number) ?? Failure(.timedOut, "the store did not answer in time")
    if wholes[number] != nil {
      cancel(number, now, &effects)
      effects.append(.failed(failure, number: number))
    } else if asks[number] != nil {
      remove(number, now, &effects)
      effects.append(.failed(failure, number: number))
    }
  }

  /// Why a request is not answered yet: named when its time is over. Nil where it is not open.
  package func lateness(of number: UInt64) -> Failure? {
    if let whole = wholes[number] {
      return whole.parts.sorted().lazy.compactMap(lateness).first
    }
    guard let ask = asks[number] else { return nil }
    if ask.isSent {
      let endpoint = ask.link.flatMap { links[$0]?.endpoint } ?? ""
      return Failure(.timedOut, "\(endpoint) was asked, but did not answer in time")
    }
    if ask.refusals > 0 {
      return Failure(
        .unavailable, "the storage shards do not agree on whose key it is: their ring is changing",
        hint: "try again")
    }
    guard let index = ask.link, let link = links[index] else {
      return Failure(.unavailable, "no storage shard is known")
    }
    if link.isUp {
      return Failure(
        .overloaded, "\(limits.inFlightMax) requests to \(link.endpoint) were before it")
    }
    return Failure(
      .unavailable, "no storage node with a copy can be reached (\(copies(for: ask, at: link)))",
      hint: "cbctl status")
  }

  private func copies(for ask: Ask, at link: Link) -> String {
    guard !isOneShard, ask.member == nil else { return link.endpoint }
    return table.owners(of: ask.hash).map { owner in
      let member = table.members[Int(owner)]
      return "\(member) at \(view.shard(member)?.endpoint ?? "nowhere")"
    }.joined(separator: ", ")
  }
}
