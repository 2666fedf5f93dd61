package import ClusterModel
package import WireProtocol

/// The way to the key-value tier: which shard is asked for which key, over which connection, and who
/// is asked next when one is lost, silent or no owner any more.
///
/// Holds the newest ring it was told; the endpoints it begins with say the rest. A request for keys
/// of several shards goes out in parts and has one answer, tuples in order. It waits where nobody can
/// be reached, as long as its asker does. Every request that enters leaves by one `answer` or `failed`.
package struct StoreRoutes: Sendable {
  package enum Input: Sendable {
    /// Where to begin; what is not there any more is left.
    case bootstrap([String])
    /// From the membership itself. Its shards are dialled at once, up to a limit.
    case ring(RingView)
    case request(StoreRequest)
    case cancel(number: UInt64)
    /// Tells of every state of a key from now on, wherever its owner is.
    case watch(number: UInt64, Key)
    case unwatch(number: UInt64)
    /// The shard's welcome has come.
    case connected(Route, Incarnation)
    /// With the numbers of requests that never left this process.
    case lost(Route, unsent: [UInt64])
    /// The shard has forgotten us and did not look at this request; a welcome follows.
    case unread(number: UInt64, Route)
    /// The shard does not want us: what waits for it alone fails with that.
    case refused(Route, Failure)
    case frame(Frame, over: Route)
    /// `nextDeadline` has come.
    case timePassed
  }

  package enum Effect: Equatable, Sendable {
    case dial(Route, endpoint: String)
    case hangUp(Route)
    case send([UInt8], over: Route)
    case answer(KeyResponse, number: UInt64, by: Servers)
    case failed(Failure, number: UInt64)
    /// A watched key's state; after a change of the shard, the whole state again.
    case event(KeyResponse, watch: UInt64, by: Route)
    /// No more events.
    case watchFailed(Failure, watch: UInt64)
    /// There is another ring: owners may have changed.
    case ringChanged
  }

  let limits: StoreRoutesLimits
  /// The newest ring known; `RingView.none` before the first.
  package internal(set) var view = RingView.none
  var table = OwnerTable.none
  /// By `Route.index`; nil is free.
  var links: [Link?] = []
  /// The links to the table's members.
  var memberLinks: [Int?] = []
  var bootstrap: [String] = []
  /// Requests that one shard answers, and the parts of others, by the number of their frame.
  var asks: [UInt64: Ask] = [:]
  var wholes: [UInt64: Whole] = [:]
  var lastPart: UInt64 = Self.partBit
  /// Asks with nowhere to wait: no endpoint is known at all.
  var unplaced: [UInt64] = []
  var watches: [UInt64: Watch] = [:]
  /// Of requests that have one.
  var deadlines = DeadlineQueue()
  /// Asks and watches that are asked again after a pause.
  var pauses = DeadlineQueue()

  /// Numbers of parts have it, those of askers do not.
  static let partBit: UInt64 = 1 << 63

  /// What each first owner has told last of its hot keys, by link.
  var hotLists: [Int: HotKeyList] = [:]
  /// Who serves a hot key besides its owners, by the hash of the key: indexes of the table's members.
  var extraReplicas: [UInt64: [Int]] = [:]
  /// Which of the shards that serve a hot key this process asks: always the same one, so that it sees
  /// its own writes at any level. Zero: the owner.
  let spread: UInt64

  /// - Parameter spread: of chance, where a hot key's load is to be spread; zero: its owner is asked.
  package init(limits: StoreRoutesLimits = StoreRoutesLimits(), spread: UInt64 = 0) {
    self.limits = limits
    self.spread = spread
  }

  /// A connection to a shard.
  struct Link {
    enum Phase: Equatable {
      /// Dialled a moment ago, never up since. Next: up, down.
      case dialling(since: UInt64)
      /// Next: down, dialling (it has forgotten us).
      case up
      /// Lost, or dialled in vain; redialling goes on. Next: up.
      case down
    }

    let endpoint: String
    /// Named by `bootstrap`.
    var isBootstrap = false
    var isMember = false
    /// Left by the ring, to be hung up once it owes nothing.
    var isLeaving = false
    var phase: Phase
    /// Of the latest welcome.
    var incarnation: Incarnation?
    var refusal: Failure?
    /// A watch waits for it.
    var isWanted = false
    /// Not sent yet, in order.
    var waiting: [UInt64] = []
    /// Asks sent and not answered.
    var underWay = 0
    var heardAt: UInt64 = 0
    var isSilent = false
    var avoidedUntil: UInt64 = 0

    var isUp: Bool { phase == .up }

    /// When a first dialling that somebody waits for counts as in vain.
    func dialDeadline(_ patience: Duration) -> UInt64? {
      guard case .dialling(let since) = phase, isWanted || !waiting.isEmpty else { return nil }
      return since &+ patience.wholeNanoseconds
    }

    /// When it counts as silent.
    func silenceDeadline(_ silence: Duration) -> UInt64? {
      isUp && underWay > 0 && !isSilent ? heardAt &+ silence.wholeNanoseconds : nil
    }
  }

  /// What one shard is asked.
  struct Ask {
    let frame: [UInt8]
    /// Of its key, where it has one only.
    var hash: UInt64 = 0
    var keyCount = 1
    var isList = false
    /// Any shard that serves a hot key can answer it.
    var isSpread = false
    /// Of a LIST: the one member of the ring that is asked; nil where there is no other.
    var member: RingMember?
    /// The request that this is a part of, and which of its tuples it has.
    var whole: UInt64?
    var places: [Int] = []
    let repetition: StoreRequest.Repetition
    var link: Int?
    var isSent = false
    /// Of the ring by which it was sent.
    var epoch: UInt64 = 0
    var refusals = 0
  }

  /// A request in parts.
  struct Whole {
    var response: KeyResponse
    var servers: [Route?]
    let repetition: StoreRequest.Repetition
    var parts: Set<UInt64> = []
  }

  struct Watch {
    let key: Key
    let hash: UInt64
    /// Where it was asked; nil while it is not.
    var link: Int?
    /// Seen last, and the life of the shard it came from: another may have lost what that one knew.
    var known = Version.none
    var incarnation: Incarnation?
    var refusals = 0
  }

  package var openCount: Int { asks.count }

  /// Whether one shard has everything, as far as is known.
  package var isOneShard: Bool { table.members.count <= 1 }

  /// Connections that are up, ascending.
  package var upRoutes: [Route] {
    links.indices.filter { links[$0]?.isUp == true }.map(Route.init)
  }

  /// Whether any of the connections is up.
  package var isConnected: Bool { links.contains { $0?.isUp == true } }

  /// When `.timePassed` is due, in nanoseconds of the monotonic clock.
  package var nextDeadline: UInt64? {
    var earliest = deadlines.earliest
    earliest.lower(to: pauses.earliest)
    for link in links {
      guard let link else { continue }
      earliest.lower(to: link.dialDeadline(limits.dialPatience))
      if table.width > 1 { earliest.lower(to: link.silenceDeadline(limits.silenceMax)) }
    }
    return earliest
  }

  /// - Parameter now: nanoseconds of the monotonic clock.
  package mutating func step(_ input: Input, at now: UInt64, into effects: inout [Effect]) {
    switch input {
    case .bootstrap(let endpoints): begin(at: endpoints, now, &effects)
    case .ring(let view): follow(view, now, &effects)
    case .request(let request): accept(request, now, &effects)
    case .cancel(let number): cancel(number, now, &effects)
    case .watch(let number, let key): watch(key, as: number, now, &effects)
    case .unwatch(let number): unwatch(number, &effects)
    case .connected(let route, let incarnation): connected(route.index, incarnation, now, &effects)
    case .lost(let route, let unsent): lose(route.index, unsent: unsent, now, &effects)
    case .unread(let number, let route): takeBack(number, from: route.index, now)
    case .refused(let route, let failure): refused(route.index, failure, &effects)
    case .frame(let frame, let route): take(frame, over: route.index, now, &effects)
    case .timePassed: passTime(now, &effects)
    }
  }

  private mutating func passTime(_ now: UInt64, _ effects: inout [Effect]) {
    for index in links.indices {
      guard let link = links[index] else { continue }
      if let due = link.dialDeadline(limits.dialPatience), due <= now {
        giveUpDialling(index, now, &effects)
      }
      if table.width > 1, let due = link.silenceDeadline(limits.silenceMax), due <= now {
        passOver(silent: index, now, &effects)
      }
    }
    while let number = pauses.popDue(at: now) { askAgain(number, now, &effects) }
    while let number = deadlines.popDue(at: now) { expire(number, now, &effects) }
  }
}
