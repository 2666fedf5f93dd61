import ClusterModel
import StoreAccess
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
    if lane == .scheduler { lose(lane, unsent: [], at: now, into: &effects) }
    let isNewLife = connection.incarnation.map { $0 != welcome.incarnation } ?? false
    connections[lane]?.phase = .up
    connections[lane]?.incarnation = welcome.incarnation
    connections[lane]?.refusal = nil
    switch lane {
    case .scheduler:
      self.welcome = welcome
      route(.bootstrap(welcome.storage), at: now, into: &effects)
    case .shard(let index):
      if isNewLife { forgetSession(of: Route(index)) }
      route(.connected(Route(index), welcome.incarnation), at: now, into: &effects)
    }
    flush(lane, at: now, into: &effects)
  }

  /// News from a scheduler that we are connected to: the shards are elsewhere now.
  private mutating func follow(
    _ welcome: Welcome, over lane: Lane, at now: UInt64, into effects: inout [Effect]
  ) {
    guard lane == .scheduler, connections[lane]?.incarnation == welcome.incarnation else { return }
    self.welcome = welcome
    route(.bootstrap(welcome.storage), at: now, into: &effects)
  }

  /// A refusal of the hello itself: nothing that waits for this connection can succeed.
  mutating func takeRefusal(
    _ failure: Failure, over lane: Lane, at now: UInt64, into effects: inout [Effect]
  ) {
    if case .shard(let index) = lane {
      return route(.refused(Route(index), failure), at: now, into: &effects)
    }
    let waiting = connections[lane]?.waiting ?? []
    connections[lane]?.refusal = failure
    connections[lane]?.waiting = []
    for ticket in waiting { finish(ticket, .failed(failure), into: &effects) }
  }

  /// What was on its way is lost: asked again where that does no harm, else failed.
  mutating func lose(
    _ lane: Lane, unsent: [UInt64], at now: UInt64, into effects: inout [Effect]
  ) {
    if case .shard(let index) = lane {
      return route(.lost(Route(index), unsent: unsent), at: now, into: &effects)
    }
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
