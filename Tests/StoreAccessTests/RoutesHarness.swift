import ClusterModel
import StoreAccess
import WireProtocol

/// Drives `StoreRoutes` by hand, as a client of shards `s0`, `s1`, … at `tcp://s0`, `tcp://s1`, ….
struct RoutesHarness {
  var routes: StoreRoutes
  var now: UInt64 = 1_000_000_000
  /// Where each route was dialled to; nil once it is hung up.
  private(set) var endpoints: [Route: String] = [:]
  private(set) var effects: [StoreRoutes.Effect] = []

  init(spread: UInt64 = 0, _ adjust: (inout StoreRoutesLimits) -> Void = { _ in }) {
    var limits = StoreRoutesLimits()
    adjust(&limits)
    routes = StoreRoutes(limits: limits, spread: spread)
  }

  /// Knows the ring of that many shards and is connected to all of them.
  init(
    shards: Int, copies: Int = 2, spread: UInt64 = 0,
    _ adjust: (inout StoreRoutesLimits) -> Void = { _ in }
  ) {
    self.init(spread: spread, adjust)
    step(.bootstrap(["tcp://s0"]))
    connect("s0")
    tell(Self.view(1, shards: Array(0..<shards), copies: copies), by: "s0")
    // Every shard is dialled for a key of its own.
    for shard in 0..<shards {
      step(.watch(number: 1_000_000 + UInt64(shard), key(of: "s\(shard)")))
      if shard > 0 { connect("s\(shard)") }
      step(.unwatch(number: 1_000_000 + UInt64(shard)))
    }
    effects = []
  }

  static func view(_ epoch: UInt64, shards: [Int], copies: Int = 2, living: [Int]? = nil)
    -> RingView
  {
    let members = shards.map { RingMember(name: "s\($0)", shard: 0) }
    return RingView(
      epoch: epoch, copies: copies,
      shards: (living ?? shards).map {
        ShardAddress(
          member: RingMember(name: "s\($0)", shard: 0), incarnation: Incarnation(UInt64(100 + $0)),
          endpoint: "tcp://s\($0)")
      }, placed: members)
  }

  /// A key whose copies, in order, begin with these shards.
  func key(of owners: String..., avoiding others: Set<Key> = []) -> Key {
    for number in 0..<100_000 {
      let key = Key("key-\(number)")
      let names = routes.view.owners(of: StableHash.of(key.bytes)).map(\.name)
      if names.starts(with: owners), !others.contains(key) { return key }
    }
    preconditionFailure("the ring has keys for every order of its shards")
  }

  func route(_ shard: String) -> Route {
    guard let route = endpoints.first(where: { $0.value == "tcp://\(shard)" })?.key else {
      preconditionFailure("\(shard) was dialled")
    }
    return route
  }

  var dialled: [String] { endpoints.values.map { String($0.dropFirst(6)) }.sorted() }

  mutating func step(_ input: StoreRoutes.Input) {
    var fresh: [StoreRoutes.Effect] = []
    routes.step(input, at: now, into: &fresh)
    for effect in fresh {
      switch effect {
      case .dial(let route, let endpoint): endpoints[route] = endpoint
      case .hangUp(let route): endpoints[route] = nil
      default: break
      }
    }
    effects += fresh
  }

  /// The effects since the last call.
  mutating func taken() -> [StoreRoutes.Effect] {
    defer { effects = [] }
    return effects
  }

  mutating func connect(_ shard: String, incarnation: UInt64? = nil) {
    let life = incarnation ?? 100 + (UInt64(shard.dropFirst()) ?? 0)
    step(.connected(route(shard), Incarnation(life)))
  }

  mutating func lose(_ shard: String, unsent: [UInt64] = []) {
    step(.lost(route(shard), unsent: unsent))
  }

  mutating func tell(_ view: RingView, by shard: String) {
    receive(RingMessage(view).framed(.ring), from: shard)
  }

  mutating func receive(_ bytes: [UInt8], from shard: String) {
    guard let frame = try? Frame(bytes[...]) else { preconditionFailure("a frame of ours") }
    step(.frame(frame, over: route(shard)))
  }

  mutating func pass(_ time: Duration) {
    now += time.wholeNanoseconds
    if let due = routes.nextDeadline, due <= now { step(.timePassed) }
  }

  mutating func get(
    _ number: UInt64, _ keys: [Key], within limit: Duration? = nil,
    _ repetition: StoreRequest.Repetition = .harmless
  ) {
    request(number, .get, keys, within: limit, repetition)
  }

  mutating func request(
    _ number: UInt64, _ type: KeyRequestType, _ keys: [Key], cursor: UInt64 = 0,
    within limit: Duration? = nil, _ repetition: StoreRequest.Repetition = .harmless
  ) {
    var request = KeyRequest()
    request.type = type
    request.cursor = cursor
    request.tuples = keys.map { KeyTuple(key: $0) }
    step(
      .request(
        StoreRequest(
          number: number, body: .any(request), deadline: limit.map { now + $0.wholeNanoseconds },
          repetition: repetition)))
  }
}

/// A key request on its way.
struct SentRequest: Equatable {
  let shard: String
  let number: UInt64
  let keys: [Key]
  let cursor: UInt64

  /// As a shard that answers each key with its own name as the version's stamp would.
  func answer(failing failures: [Key: ErrorCode] = [:], cursor: UInt64 = 0) -> [UInt8] {
    var response = KeyResponse()
    response.cursor = cursor
    response.tuples = keys.map { key in
      var tuple = KeyTuple(key: key)
      tuple.version.stamp = UInt64(shard.dropFirst()) ?? 0
      tuple.failure = failures[key].map { Failure($0, "as the test says") }
      return tuple
    }
    return response.framed(.keyResponse, number: number)
  }
}

extension RoutesHarness {
  /// The key requests sent since the last call; other effects are kept.
  mutating func takeRequests() -> [SentRequest] {
    var requests: [SentRequest] = []
    effects.removeAll { effect in
      guard case .send(let bytes, let route) = effect, let frame = try? Frame(bytes[...]),
        frame.header.kind == .keyRequest, let request = try? KeyRequest.decode(frame.body)
      else { return false }
      requests.append(
        SentRequest(
          shard: String(endpoints[route]?.dropFirst(6) ?? "nowhere"), number: frame.header.number,
          keys: request.tuples.map(\.key), cursor: request.cursor))
      return true
    }
    return requests
  }

  /// How requests ended since the last call: number and, of each tuple, the shard or the failure.
  mutating func takeEnds() -> [String] {
    let ends = effects.compactMap { effect -> String? in
      switch effect {
      case .answer(let response, let number, _):
        let tuples = response.tuples.map { $0.failure?.code.name ?? "s\($0.version.stamp)" }
        return "\(number) \(tuples.joined(separator: " "))"
      case .failed(let failure, let number): return "\(number) failed \(failure.code.name)"
      default: return nil
      }
    }
    effects = []
    return ends
  }
}
