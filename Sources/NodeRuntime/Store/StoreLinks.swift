import ClusterModel
import Connections
import StoreAccess
import WireProtocol
import ZeroMQ

/// Where a process finds the store.
package enum StorePlace: Sendable {
  /// One shard, alone.
  case shard(endpoint: String)
  /// Many, and who tells where they are.
  case router(endpoint: String)

  /// For messages.
  package var endpoint: String {
    switch self {
    case .shard(let endpoint), .router(let endpoint): endpoint
    }
  }
}

/// A loop's way to the store: `StoreRoutes` decides which shard is asked, this carries it there.
///
/// The owner watches it, sends requests, takes all events each turn and then calls `tend`.
struct StoreLinks: ~Copyable {
  enum Source: Hashable {
    case shard(Route)
    case router
  }

  enum Event {
    /// A shard's stream to us begins anew.
    case connected(Route, Welcome)
    /// Nothing more comes from there.
    case lost(Route)
    case refused(Failure)
    case answer(KeyResponse, number: UInt64, by: Servers)
    case failed(Failure, number: UInt64)
    /// Keys may have other owners now.
    case ringChanged
    /// What answers no request: pushes, heartbeats, a status.
    case frame(Frame, from: Source)
  }

  let place: StorePlace
  private(set) var routes: StoreRoutes
  private let context: Context
  private let hello: Hello
  private let name: PeerID?
  private let outbox: BoundedOutbox
  /// By `Route.index`.
  private var links: [DialledLink?] = []
  private var router: DialledLink?
  private var effects: [StoreRoutes.Effect] = []
  /// Not taken yet, oldest first.
  private var events: [Event] = []
  private var taken = 0

  /// - Parameter name: the routing id to dial with; nil lets the other side choose one.
  init(
    to place: StorePlace, as hello: Hello, named name: PeerID?, in context: Context,
    limits: StoreRoutesLimits = StoreRoutesLimits(),
    outbox: BoundedOutbox = BoundedOutbox(framesMax: 100_000, bytesMax: 256 << 20)
  ) {
    self.place = place
    routes = StoreRoutes(limits: limits)
    self.hello = hello
    self.name = name
    self.context = context
    self.outbox = outbox
  }

  /// Dials, too.
  mutating func watch(in poller: inout Poller, now: UInt64) throws {
    switch place {
    case .shard(let endpoint): try step(.bootstrap([endpoint]), now, &poller)
    case .router(let endpoint): router = try dial(endpoint, &poller)
    }
  }

  private func dial(_ endpoint: String, _ poller: inout Poller) throws -> DialledLink {
    let dialer = try Dialer(to: endpoint, as: hello, named: name, in: context, outbox: outbox)
    return try DialledLink(dialer, in: &poller)
  }

  mutating func send(_ request: StoreRequest, now: UInt64, _ poller: inout Poller) throws {
    try step(.request(request), now, &poller)
  }

  mutating func cancel(_ number: UInt64, now: UInt64, _ poller: inout Poller) throws {
    try step(.cancel(number: number), now, &poller)
  }

  /// - Returns: false where nobody is connected there.
  func send(_ frame: [UInt8], to source: Source) throws -> Bool {
    let link: DialledLink?
    switch source {
    case .shard(let route): link = route.index < links.count ? links[route.index] : nil
    case .router: link = router
    }
    guard let link, link.dialer.isConnected else { return false }
    try link.send(frame)
    return true
  }

  /// - Returns: nil when nothing more waits.
  mutating func next(now: UInt64, _ poller: inout Poller) throws -> Event? {
    if taken == events.count { try receive(now, &poller) }
    guard taken < events.count else {
      events.removeAll(keepingCapacity: true)
      taken = 0
      return nil
    }
    defer { taken += 1 }
    return events[taken]
  }

  /// Takes one frame or piece of news from whoever has one.
  private mutating func receive(_ now: UInt64, _ poller: inout Poller) throws {
    for index in links.indices {
      // Any event may end the link.
      while taken == events.count, let link = links[index], let event = try link.dialer.next() {
        try take(event, from: Route(index), now, &poller)
      }
    }
    while taken == events.count, let event = try router?.dialer.next() {
      try take(fromRouter: event, now, &poller)
    }
  }

  private mutating func take(
    _ event: Dialer.Event, from route: Route, _ now: UInt64, _ poller: inout Poller
  ) throws {
    switch event {
    case .connected(let welcome):
      events.append(.connected(route, welcome))
      try step(.connected(route, welcome.incarnation), now, &poller)
    case .lost:
      let unsent = links[route.index]?.takeUnsent() ?? []
      events.append(.lost(route))
      try step(.lost(route, unsent: unsent), now, &poller)
    // It is asked again after a pause, and what waits for it goes on waiting.
    case .refused(let failure): events.append(.refused(failure))
    case .frame(let frame):
      switch frame.header.kind {
      case .keyResponse, .refusal, .ring: try step(.frame(frame, over: route), now, &poller)
      default: events.append(.frame(frame, from: .shard(route)))
      }
    }
  }

  private mutating func take(
    fromRouter event: Dialer.Event, _ now: UInt64, _ poller: inout Poller
  ) throws {
    switch event {
    case .connected: return
    case .lost: _ = router?.takeUnsent()
    case .refused(let failure): events.append(.refused(failure))
    case .frame(let frame) where frame.header.kind == .ring:
      guard let ring = try? RingMessage.decode(frame.body) else { return }
      try step(.ring(ring.view), now, &poller)
    case .frame(let frame): events.append(.frame(frame, from: .router))
    }
  }

  private mutating func step(
    _ input: StoreRoutes.Input, _ now: UInt64, _ poller: inout Poller
  ) throws {
    routes.step(input, at: now, into: &effects)
    let due = effects
    effects.removeAll(keepingCapacity: true)
    for effect in due {
      switch effect {
      case .dial(let route, let endpoint):
        while links.count <= route.index { links.append(nil) }
        links[route.index] = try dial(endpoint, &poller)
      case .hangUp(let route):
        links[route.index]?.stopWatching(in: &poller)
        links[route.index] = nil
        events.append(.lost(route))
      case .send(let frame, let route): try links[route.index]?.send(frame)
      case .answer(let response, let number, let servers):
        events.append(.answer(response, number: number, by: servers))
      case .failed(let failure, let number): events.append(.failed(failure, number: number))
      case .ringChanged: events.append(.ringChanged)
      // Loops have subscriptions, and no watches.
      case .event, .watchFailed: continue
      }
    }
  }

  mutating func tend(now: UInt64, poller: inout Poller) throws {
    for link in links { try link?.tend(now: now, poller: &poller) }
    try router?.tend(now: now, poller: &poller)
    if let due = routes.nextDeadline, due <= now { try step(.timePassed, now, &poller) }
  }

  /// Includes what has happened and was not taken yet.
  var deadline: UInt64? {
    if taken < events.count { return 0 }
    var earliest = routes.nextDeadline
    for link in links { earliest.lower(to: link?.dialer.deadline) }
    earliest.lower(to: router?.dialer.deadline)
    return earliest
  }

  /// Whom to ask for a status: those who can be asked now.
  var sources: [Source] {
    let hasRouter = router?.dialer.isConnected ?? false
    return routes.upRoutes.map(Source.shard) + (hasRouter ? [.router] : [])
  }
}
