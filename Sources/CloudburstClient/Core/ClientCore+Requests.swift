import ClusterModel
import StoreAccess
import WireProtocol

extension ClientCore {
  mutating func accept(_ request: Request, at now: UInt64, into effects: inout [Effect]) {
    precondition(entries[request.ticket] == nil, "a ticket names one request")
    guard !isClosed else {
      effects.append(.finish(ticket: request.ticket, .failed(.closed)))
      return
    }
    guard entries.count < limits.requestsMax else {
      let failure = Failure.tooManyRequests(limits.requestsMax)
      effects.append(.finish(ticket: request.ticket, .failed(failure)))
      return
    }
    entries[request.ticket] = Entry(request: request)
    deadlines.insert(request.ticket, at: request.deadline)
    enqueue(request.ticket, at: now, into: &effects)
  }

  mutating func enqueue(_ ticket: UInt64, at now: UInt64, into effects: inout [Effect]) {
    guard let request = entries[ticket]?.request else { return }
    if let input = request.storeInput { return route(input, at: now, into: &effects) }
    let lane = Lane.scheduler
    entries[ticket]?.lane = lane
    if let refusal = connections[lane]?.refusal {
      finish(ticket, .failed(refusal), into: &effects)
      return
    }
    connections[lane]?.waiting.append(ticket)
    flush(lane, at: now, into: &effects)
  }

  /// Sends what waits, as far as the connection is up and has room.
  mutating func flush(_ lane: Lane, at now: UInt64, into effects: inout [Effect]) {
    guard connections[lane]?.phase == .up else { return }
    var room = limits.inFlightMax - (connections[lane]?.sent.count ?? 0)
    guard room > 0, let waiting = connections[lane]?.takeWaiting() else { return }
    var taken = 0
    for ticket in waiting {
      guard room > 0 else { break }
      taken += 1
      if send(ticket, over: lane, at: now, into: &effects) { room -= 1 }
    }
    if taken < waiting.count { connections[lane]?.waiting = Array(waiting[taken...]) }
  }

  /// - Returns: whether a frame went out; a request to connect has its answer already.
  private mutating func send(
    _ ticket: UInt64, over lane: Lane, at now: UInt64, into effects: inout [Effect]
  ) -> Bool {
    // Gone when the answer to an earlier sending came late, over the old connection.
    guard let request = entries[ticket]?.request else { return false }
    let frame: [UInt8]
    switch request.body {
    case .connect:
      finish(ticket, .welcomed(welcome ?? Welcome()), into: &effects)
      return false
    case .call(let call, let header):
      frame = framed(call, header, of: request, at: now)
    case .control(let whole): frame = whole
    case .keys, .store, .presence: preconditionFailure("the routes send what is for the store")
    }
    entries[ticket]?.isSent = true
    connections[lane]?.sent.insert(ticket)
    effects.append(.send(frame, over: lane))
    return true
  }

  private mutating func framed(
    _ call: Call, _ header: CallHeader, of request: Request, at now: UInt64
  ) -> [UInt8] {
    var (call, header) = (call, header)
    let left = request.deadline > now ? request.deadline - now : 0
    // Rounded up: zero would say that there is no limit.
    header.remainingMicroseconds = max(1, left / 1000)
    var references = call.arguments.compactMap(\.referencedKey)
    for input in call.inputs { references += input.arguments.compactMap(\.referencedKey) }
    header.session = session.token(for: references)
    call.header = header.encoded()
    return call.framed(.call, number: request.ticket)
  }

  /// Ends a request and gives its place to the next.
  mutating func finish(_ ticket: UInt64, _ outcome: Outcome, into effects: inout [Effect]) {
    guard let entry = entries.removeValue(forKey: ticket) else { return }
    deadlines.remove(ticket)
    if let lane = entry.lane { connections[lane]?.sent.remove(ticket) }
    effects.append(.finish(ticket: ticket, outcome))
  }

  mutating func cancel(_ ticket: UInt64, at now: UInt64, into effects: inout [Effect]) {
    guard let entry = entries[ticket] else { return }
    withdraw(ticket, at: now, into: &effects)
    finish(ticket, .cancelled, into: &effects)
    if let lane = entry.lane { flush(lane, at: now, into: &effects) }
  }

  /// Takes a request back before it is finished from this side.
  private mutating func withdraw(
    _ ticket: UInt64, at now: UInt64, into effects: inout [Effect]
  ) {
    guard let entry = entries[ticket] else { return }
    if entry.isSent || entry.lane == nil {
      abandon(ticket, at: now, into: &effects)
    } else if let lane = entry.lane {
      connections[lane]?.waiting.removeAll { $0 == ticket }
    }
  }

  /// Tells the peer that nobody waits for the answer any more.
  mutating func abandon(_ ticket: UInt64, at now: UInt64, into effects: inout [Effect]) {
    guard let entry = entries[ticket] else { return }
    switch entry.request.body {
    case .call(let call, let header) where !call.submit:
      guard entry.isSent, let lane = entry.lane else { return }
      var cancel = CancelCall()
      cancel.invocation = header.invocation
      effects.append(.send(cancel.framed(.cancel, number: ticket), over: lane))
    case .presence: route(.unwatch(number: ticket), at: now, into: &effects)
    case .keys, .store: route(.cancel(number: ticket), at: now, into: &effects)
    default: break
    }
  }

  mutating func passTime(at now: UInt64, into effects: inout [Effect]) {
    for lane in connections.lanes {
      if case .greeting(let again) = connections[lane]?.phase, again <= now {
        greet(lane, at: now, into: &effects)
      }
    }
    if let due = routes.nextDeadline, due <= now { route(.timePassed, at: now, into: &effects) }
    var freed: Set<Lane> = []
    while let ticket = deadlines.popDue(at: now) {
      expire(ticket, at: now, freeing: &freed, into: &effects)
    }
    for lane in freed.sorted() { flush(lane, at: now, into: &effects) }
  }

  private mutating func expire(
    _ ticket: UInt64, at now: UInt64, freeing lanes: inout Set<Lane>, into effects: inout [Effect]
  ) {
    guard let entry = entries[ticket] else { return }
    if entry.isSent, entry.request.isCall, !entry.isOverdue {
      entries[ticket]?.isOverdue = true
      deadlines.insert(ticket, at: now + limits.deadlineGrace.timerNanoseconds)
      return
    }
    let failure = lateness(of: entry)
    withdraw(ticket, at: now, into: &effects)
    finish(ticket, .failed(failure), into: &effects)
    if let lane = entry.lane { lanes.insert(lane) }
  }

  private func lateness(of entry: Entry) -> Failure {
    let subject = entry.request.subject
    let isForStore = entry.request.storeInput != nil
    if isForStore, let late = routes.lateness(of: entry.request.ticket), late.code == .timedOut {
      return Failure(.timedOut, "\(subject): \(late.message)")
    }
    if entry.isSent {
      return Failure(.timedOut, "\(subject) was sent, but not answered within its time limit")
    }
    let lane = entry.lane ?? .scheduler
    guard let connection = connections[lane], connection.phase == .up else {
      let endpoint = connections[lane]?.endpoint ?? ""
      return Failure(
        .unavailable, "no cluster answers at \(endpoint): \(subject) ran out of time",
        hint: "start one on this machine with: cbctl dev")
    }
    if isForStore {
      guard welcome?.storage.isEmpty == false else {
        return Failure(
          .unavailable, "the cluster names no storage shard: \(subject) ran out of time")
      }
      guard let late = routes.lateness(of: entry.request.ticket) else {
        return Failure(.timedOut, "\(subject) ran out of time")
      }
      return Failure(late.code, "\(subject): \(late.message)", hint: late.hint)
    }
    return Failure(
      .overloaded,
      "\(subject) waited behind \(limits.inFlightMax) requests in flight and ran out of time")
  }
}

extension Failure {
  static func tooManyRequests(_ count: Int) -> Failure {
    Failure(
      .overloaded, "\(count) requests of this client are open, which is its limit",
      hint: "wait for some of them, or raise ClientConfiguration.requestsMax")
  }
}
