package import ClusterModel
import StoreAccess
package import WireProtocol

/// A client's side of the protocol: which requests are open, over which connection each goes, when
/// it ends, and what is asked again after a restart. `ClientLoop` runs it.
///
/// Every request that enters by `.request` leaves by exactly one `.finish`.
package struct ClientCore {
  package enum Input: Sendable {
    case request(Request)
    case cancel(ticket: UInt64)
    /// Tells of every state of a key from now on, by `update` effects with this ticket.
    case watch(ticket: UInt64, Key)
    case unwatch(ticket: UInt64)
    /// ZeroMQ has shaken hands with whoever listens at the lane's endpoint.
    case connected(Lane)
    /// With the tickets of frames that never left this process.
    case disconnected(Lane, unsent: [UInt64])
    /// The endpoint cannot be dialled at all.
    case unreachable(Lane, Failure)
    case received(Bytes, over: Lane)
    /// `nextDeadline` has come.
    case timePassed
    case close
  }

  package enum Effect: Equatable, Sendable {
    case dial(Lane, endpoint: String)
    case hangUp(Lane)
    case send([UInt8], over: Lane)
    case finish(ticket: UInt64, Outcome)
    /// The watched key's state now; nil is absent.
    case update(ticket: UInt64, Record?)
    /// No more updates; nil: because the client was closed.
    case endWatch(ticket: UInt64, Failure?)
  }

  struct Entry {
    let request: Request
    /// Nil for what the routes have.
    var lane: Lane?
    var isSent = false
    /// Past its deadline; the cluster's own word on that is awaited for `deadlineGrace`.
    var isOverdue = false
  }

  let limits: ClientLimits
  let hello: Hello
  var connections = LaneTable<Connection>()
  /// Of the latest welcome of the scheduler.
  var welcome: Welcome?
  var entries: [UInt64: Entry] = [:]
  var watches: [UInt64: Watch] = [:]
  var routes: StoreRoutes
  /// What the routes want done, while it is being done.
  var routed: [StoreRoutes.Effect] = []
  var isRouting = false
  var deadlines = DeadlineQueue()
  package internal(set) var session = SessionVersions()
  var isClosed = false

  /// - Parameter endpoint: of the scheduler; where the shards are, its welcome says.
  package init(
    endpoint: String, hello: Hello, limits: ClientLimits = ClientLimits(),
    into effects: inout [Effect]
  ) {
    self.limits = limits
    self.hello = hello
    var routesLimits = StoreRoutesLimits()
    routesLimits.inFlightMax = limits.inFlightMax
    var chance = SplitMix64(seed: hello.incarnation.number)
    routes = StoreRoutes(limits: routesLimits, spread: max(1, chance.next()))
    connections[.scheduler] = Connection(endpoint: endpoint)
    effects.append(.dial(.scheduler, endpoint: endpoint))
  }

  package var openRequests: Int { entries.count }

  /// When `.timePassed` is due, in nanoseconds of the monotonic clock.
  package var nextDeadline: UInt64? {
    var earliest = deadlines.earliest
    earliest.lower(to: routes.nextDeadline)
    connections.forEach { connection in
      if case .greeting(let again) = connection.phase { earliest.lower(to: again) }
    }
    return earliest
  }

  /// - Parameter now: nanoseconds of the monotonic clock.
  package mutating func step(_ input: Input, at now: UInt64, into effects: inout [Effect]) {
    switch input {
    case .request(let request): accept(request, at: now, into: &effects)
    case .cancel(let ticket): cancel(ticket, at: now, into: &effects)
    case .watch(let ticket, let key): watch(key, as: ticket, at: now, into: &effects)
    case .unwatch(let ticket): unwatch(ticket, at: now, into: &effects)
    case .connected(let lane): greet(lane, at: now, into: &effects)
    case .disconnected(let lane, let unsent):
      connections[lane]?.phase = .dialling
      connections[lane]?.refusal = nil
      lose(lane, unsent: unsent, at: now, into: &effects)
    case .unreachable(let lane, let failure):
      takeRefusal(failure, over: lane, at: now, into: &effects)
    case .received(let bytes, let lane): receive(bytes, over: lane, at: now, into: &effects)
    case .timePassed: passTime(at: now, into: &effects)
    case .close: close(at: now, into: &effects)
    }
    assert(entries.count <= limits.requestsMax)
  }

  private mutating func close(at now: UInt64, into effects: inout [Effect]) {
    guard !isClosed else { return }
    isClosed = true
    for ticket in entries.keys.sorted() {
      abandon(ticket, at: now, into: &effects)
      finish(ticket, .failed(.closed), into: &effects)
    }
    for ticket in watches.keys.sorted() { effects.append(.endWatch(ticket: ticket, nil)) }
    watches = [:]
    for lane in connections.lanes { effects.append(.hangUp(lane)) }
    connections = LaneTable()
  }
}

/// What one client may hold; relations are checked at construction.
package struct ClientLimits: Sendable {
  /// Requests open at a time; beyond them a request fails at once with `OVERLOADED`.
  package var requestsMax = 16_384
  /// Of these, requests that are on their way over one connection; the rest wait in order.
  package var inFlightMax = 4096
  /// Beyond them a watch ends at once with `OVERLOADED`.
  package var watchesMax = 4096
  /// How long after a call's deadline the cluster's own answer, which names the cause, is awaited.
  package var deadlineGrace = Duration.milliseconds(500)
  /// A hello without an answer is repeated after this time.
  package var helloInterval = Duration.seconds(1)

  package init() {}
}

extension Failure {
  static let closed = Failure(.unavailable, "the client is closed", hint: "connect again")
}
