import ClusterModel
import WireProtocol

extension ClientCore {
  /// A dialled endpoint, as far as the protocol goes: ZeroMQ redials by itself.
  struct Connection {
    enum Phase: Equatable {
      /// Next: greeting.
      case dialling
      /// A hello is on its way, to be repeated at that time. Next: up, dialling.
      case greeting(again: UInt64)
      /// Next: greeting (the peer does not know us any more), dialling.
      case up
    }

    let endpoint: String
    var phase = Phase.dialling
    /// Of the peer's latest welcome.
    var incarnation: Incarnation?
    /// Tickets not sent yet, in order.
    var waiting: [UInt64] = []
    var sent: Set<UInt64> = []
    /// Why it is not up, where the peer said so; requests fail with it until it is gone.
    var refusal: Failure?

    init(endpoint: String) { self.endpoint = endpoint }

    /// Takes them out, so that nothing is copied while some of them are sent; nil for none.
    mutating func takeWaiting() -> [UInt64]? {
      guard !waiting.isEmpty else { return nil }
      defer { waiting = [] }
      return waiting
    }
  }

  mutating func greet(_ lane: Lane, at now: UInt64, into effects: inout [Effect]) {
    guard connections[lane] != nil else { return }
    var hello = hello
    // The scheduler's cluster may be another one after a restart; its shards belong to it.
    if lane != .scheduler { hello.cluster = welcome?.cluster ?? 0 }
    connections[lane]?.phase = .greeting(again: now + limits.helloInterval.timerNanoseconds)
    effects.append(.send(hello.framed(.hello), over: lane))
  }

  mutating func takeWelcome(
    _ welcome: Welcome, over lane: Lane, at now: UInt64, into effects: inout [Effect]
  ) {
    guard let connection = connections[lane] else { return }
    guard connection.phase != .up else {
      return follow(welcome, over: lane, at: now, into: &effects)
    }
    // Whatever was sent before this hello went to a connection that is gone.
    lose(lane, unsent: [], at: now, into: &effects)
    let isNewLife = connection.incarnation.map { $0 != welcome.incarnation } ?? false
    connections[lane]?.phase = .up
    connections[lane]?.incarnation = welcome.incarnation
    connections[lane]?.refusal = nil
    if lane == .scheduler {
      self.welcome = welcome
      ring = Self.ring(of: welcome)
      route(to: welcome.storage, at: now, into: &effects)
    } else {
      if isNewLife { forgetSession(of: lane) }
      resumeWatches(over: lane, into: &effects)
    }
    flush(lane, at: now, into: &effects)
  }

  /// News from a scheduler that we are connected to: the shards are elsewhere now.
  private mutating func follow(
    _ welcome: Welcome, over lane: Lane, at now: UInt64, into effects: inout [Effect]
  ) {
    guard lane == .scheduler, connections[lane]?.incarnation == welcome.incarnation else { return }
    self.welcome = welcome
    ring = Self.ring(of: welcome)
    route(to: welcome.storage, at: now, into: &effects)
  }

  /// A refusal of the hello itself: nothing that waits for this connection can succeed.
  mutating func takeRefusal(
    _ failure: Failure, over lane: Lane, into effects: inout [Effect]
  ) {
    let waiting = connections[lane]?.waiting ?? []
    connections[lane]?.refusal = failure
    connections[lane]?.waiting = []
    for ticket in waiting { finish(ticket, .failed(failure), into: &effects) }
  }

  /// Follows the shards to where they are now; a restarted cluster's are elsewhere.
  private mutating func route(
    to endpoints: [String], at now: UInt64, into effects: inout [Effect]
  ) {
    for lane in connections.lanes {
      guard case .shard(let index) = lane else { continue }
      let stays = index < endpoints.count && endpoints[index] == connections[lane]?.endpoint
      if !stays { drop(lane, at: now, into: &effects) }
    }
    for (index, endpoint) in endpoints.enumerated() where connections[.shard(index)] == nil {
      connections[.shard(index)] = Connection(endpoint: endpoint)
      effects.append(.dial(.shard(index), endpoint: endpoint))
    }
    let tickets = unrouted.sorted()
    unrouted = []
    for ticket in tickets { enqueue(ticket, at: now, into: &effects) }
  }

  /// A shard has moved: what waited for it is routed anew, and its memory may be gone.
  private mutating func drop(_ lane: Lane, at now: UInt64, into effects: inout [Effect]) {
    lose(lane, unsent: [], at: now, into: &effects)
    forgetSession(of: lane)
    for ticket in connections[lane]?.waiting ?? [] {
      entries[ticket]?.lane = nil
      unrouted.append(ticket)
    }
    for ticket in watches.keys.sorted() where watches[ticket]?.lane == lane {
      watches[ticket]?.lane = nil
    }
    connections[lane] = nil
    effects.append(.hangUp(lane))
  }

  private mutating func forgetSession(of lane: Lane) {
    let ring = ring
    session.forgetVolatile { Self.shard(of: $0, on: ring) == lane }
  }

  /// What was on its way is lost: asked again where that does no harm, else failed.
  mutating func lose(
    _ lane: Lane, unsent: [UInt64], at now: UInt64, into effects: inout [Effect]
  ) {
    guard let connection = connections[lane], !connection.sent.isEmpty else { return }
    connections[lane]?.sent = []
    var again: [UInt64] = []
    for ticket in connection.sent.sorted() {
      guard let request = entries[ticket]?.request else { continue }
      if request.isIdempotent || unsent.contains(ticket) {
        entries[ticket]?.isSent = false
        again.append(ticket)
      } else {
        finish(ticket, .failed(.lostConnection(request, connection.endpoint)), into: &effects)
      }
    }
    connections[lane]?.waiting.insert(contentsOf: again, at: 0)
  }

  static func ring(of welcome: Welcome) -> HashRing? {
    guard welcome.storage.count > 1 else { return nil }
    let members = welcome.storage.indices.map { RingMember(name: "storage", shard: UInt16($0)) }
    return HashRing(epoch: welcome.ringEpoch, members: members)
  }

  /// - Returns: nil while no shard is known.
  func shard(of key: Key) -> Lane? {
    guard let count = welcome?.storage.count, count > 0 else { return nil }
    return Self.shard(of: key, on: ring)
  }

  static func shard(of key: Key, on ring: HashRing?) -> Lane {
    .shard(Int(ring?.owner(of: StableHash.of(key.bytes))?.shard ?? 0))
  }
}

extension Failure {
  fileprivate static func lostConnection(_ request: Request, _ endpoint: String) -> Failure {
    Failure(
      .unavailable,
      "\(request.subject) was under way when the connection to \(endpoint) was lost; "
        + "whether it took effect is not known",
      hint: "cbctl status --endpoint \(endpoint)")
  }
}

extension Duration {
  /// Nanoseconds; never negative, and far enough from the end that a time can be added.
  var timerNanoseconds: UInt64 { min(wholeNanoseconds, .max / 2) }
}
