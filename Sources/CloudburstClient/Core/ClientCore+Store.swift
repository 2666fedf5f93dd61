import ClusterModel
import StoreAccess
import WireProtocol

/// Keys and watches: `StoreRoutes` decides which shard is asked, over which lane.
extension ClientCore {
  /// Gives the routes an input and does what they say, which may be another input.
  mutating func route(
    _ input: StoreRoutes.Input, at now: UInt64, into effects: inout [Effect]
  ) {
    routes.step(input, at: now, into: &routed)
    guard !isRouting else { return }
    isRouting = true
    var next = 0
    while next < routed.count {
      let effect = routed[next]
      next += 1
      perform(effect, at: now, into: &effects)
    }
    routed.removeAll(keepingCapacity: true)
    isRouting = false
  }

  private mutating func perform(
    _ effect: StoreRoutes.Effect, at now: UInt64, into effects: inout [Effect]
  ) {
    switch effect {
    case .dial(let route, let endpoint):
      connections[.shard(route.index)] = Connection(endpoint: endpoint)
      effects.append(.dial(.shard(route.index), endpoint: endpoint))
    case .hangUp(let route): hangUp(.shard(route.index), into: &effects)
    case .send(let frame, let route): effects.append(.send(frame, over: .shard(route.index)))
    case .answer(let response, let ticket, _):
      guard let access = entries[ticket]?.request.access else { return }
      take(response, of: ticket, access, into: &effects)
    case .failed(let failure, let ticket):
      guard let request = entries[ticket]?.request else { return }
      finish(ticket, .failed(failure.naming(request)), into: &effects)
    case .event(let event, let ticket, let route):
      do throws(WireError) {
        try takeEvent(event, of: ticket, over: route, at: now, into: &effects)
      } catch {
        let failure = Failure(
          .internalError, "an event of a watched key could not be read: \(error)")
        self.route(.unwatch(number: ticket), at: now, into: &effects)
        finishWatch(ticket, failure, into: &effects)
      }
    case .watchFailed(let failure, let ticket): finishWatch(ticket, failure, into: &effects)
    case .ringChanged: return
    }
  }

  /// A shard that has gone away may have taken what was not durable.
  private mutating func hangUp(_ lane: Lane, into effects: inout [Effect]) {
    let isPlanned = connections[lane]?.phase == .up && !routes.isOneShard
    if !isPlanned { session.forgetVolatile { _ in true } }
    connections[lane] = nil
    effects.append(.hangUp(lane))
  }

  /// A shard's next life has not what the one before only accepted.
  mutating func forgetSession(of route: Route) {
    let routes = routes
    session.forgetVolatile { routes.isAsked(route, for: $0) }
  }

  /// Ends a watch, or the request that waits for a key's presence.
  func isPresence(_ ticket: UInt64) -> Bool {
    if case .presence = entries[ticket]?.request.body { true } else { false }
  }

  private mutating func finishWatch(
    _ ticket: UInt64, _ failure: Failure, into effects: inout [Effect]
  ) {
    if watches[ticket] != nil { endWatch(ticket, failure, into: &effects) }
    if isPresence(ticket) { finish(ticket, .failed(failure), into: &effects) }
  }
}

extension Request {
  var access: KeyAccess? {
    switch body {
    case .keys(_, _, let access), .store(_, let access): access
    case .connect, .call, .presence, .control: nil
    }
  }

  /// Nil for what goes to the scheduler.
  var storeInput: StoreRoutes.Input? {
    let repetition: StoreRequest.Repetition = isIdempotent ? .harmless : .harmful
    switch body {
    case .connect, .call, .control: return nil
    case .presence(let key): return .watch(number: ticket, key)
    case .keys(let frame, let key, _):
      return .request(
        StoreRequest(
          number: ticket, body: .one(frame: frame, hash: StableHash.of(key.bytes)),
          repetition: repetition))
    case .store(let request, _):
      return .request(
        StoreRequest(number: ticket, body: .any(request), repetition: repetition))
    }
  }
}

extension Failure {
  /// The same of the request it befell.
  fileprivate func naming(_ request: Request) -> Failure {
    guard code == .unavailable || code == .timedOut else { return self }
    return Failure(code, "\(request.subject): \(message)", hint: hint)
  }
}
