import CloudburstClient
import ClusterModel
import WireProtocol

/// Drives a `ClientCore` by hand: no socket, no clock; collects what it wants done.
struct CoreHarness {
  var core: ClientCore
  var now: UInt64 = 1_000_000_000
  private var pending: [ClientCore.Effect] = []

  init(_ adjust: (inout ClientLimits) -> Void = { _ in }) {
    var limits = ClientLimits()
    adjust(&limits)
    core = ClientCore(endpoint: "tcp://front", hello: Hello(), limits: limits, into: &pending)
  }

  /// - Returns: the effects since the last call.
  @discardableResult
  mutating func step(_ input: ClientCore.Input? = nil) -> [ClientCore.Effect] {
    if let input { core.step(input, at: now, into: &pending) }
    defer { pending = [] }
    return pending
  }

  /// Says hello and takes the welcome, of the scheduler and then of its one shard.
  mutating func connect(incarnation: UInt64 = 1, level: WriteLevel = .accepted) {
    welcome(.scheduler, incarnation: incarnation, level: level)
    welcome(.shard(0), incarnation: incarnation, level: level)
  }

  @discardableResult
  mutating func welcome(
    _ lane: Lane, incarnation: UInt64 = 1, level: WriteLevel = .accepted
  ) -> [ClientCore.Effect] {
    var welcome = Welcome()
    welcome.incarnation = Incarnation(incarnation)
    welcome.storage = ["tcp://shard"]
    welcome.writeLevel = level
    step(.connected(lane))
    return step(.received(welcome.framed(.welcome)[...], over: lane))
  }

  mutating func call(
    _ ticket: UInt64, _ arguments: [Argument] = [], limit: Duration = .seconds(30)
  ) -> [ClientCore.Effect] {
    var call = Call()
    call.function = "f"
    call.arguments = arguments
    let header = CallHeader(invocation: InvocationID(high: 0, low: ticket))
    return step(
      .request(request(ticket, .call(call, header), limit: limit, isIdempotent: false)))
  }

  mutating func get(_ ticket: UInt64, _ key: String) -> [ClientCore.Effect] {
    let frame = KeyRequest().framed(.keyRequest, number: ticket)
    return step(
      .request(request(ticket, .keys(frame: frame, at: Key(key), .read), isIdempotent: true)))
  }

  mutating func put(_ ticket: UInt64, _ key: String, level: WriteLevel? = nil)
    -> [ClientCore.Effect]
  {
    let frame = KeyRequest().framed(.keyRequest, number: ticket)
    return step(
      .request(
        request(ticket, .keys(frame: frame, at: Key(key), .write(level)), isIdempotent: false)))
  }

  /// The shard's answer to a put: the version it got.
  mutating func stored(_ ticket: UInt64, _ key: String, stamp: UInt64) {
    var response = KeyResponse()
    var tuple = KeyTuple(key: Key(key))
    tuple.version = Version(generation: 0, stamp: stamp)
    response.tuples = [tuple]
    step(.received(response.framed(.keyResponse, number: ticket)[...], over: .shard(0)))
  }

  mutating func event(_ ticket: UInt64, stamp: UInt64?) -> [ClientCore.Effect] {
    var response = KeyResponse()
    var tuple = KeyTuple(key: Key("k"))
    if let stamp {
      let version = Version(generation: 0, stamp: stamp)
      tuple.record = Record(lattice: .lastWriterWins, version: version, payload: []).encoded()
    }
    response.tuples = [tuple]
    return step(.received(response.framed(.watchEvent, number: ticket)[...], over: .shard(0)))
  }

  private func request(
    _ ticket: UInt64, _ body: Request.Body, limit: Duration = .seconds(30), isIdempotent: Bool
  ) -> Request {
    Request(
      ticket: ticket, body: body, deadline: now + limit.wholeNanoseconds, isIdempotent: isIdempotent
    )
  }
}

extension [ClientCore.Effect] {
  /// The frames sent, as (kind, number).
  var sent: [String] {
    compactMap { effect in
      guard case .send(let bytes, _) = effect, let header = try? Frame(bytes[...]).header else {
        return nil
      }
      return "\(header.kind) \(header.number)"
    }
  }

  /// How requests ended: "1 UNAVAILABLE", "2 result".
  var ends: [String] {
    compactMap { effect in
      guard case .finish(let ticket, let outcome) = effect else { return nil }
      return switch outcome {
      case .failed(let failure): "\(ticket) \(failure.code.name)"
      case .welcomed: "\(ticket) welcomed"
      case .result: "\(ticket) result"
      case .keys: "\(ticket) keys"
      case .present: "\(ticket) present"
      case .control: "\(ticket) control"
      case .cancelled: "\(ticket) cancelled"
      }
    }
  }

  /// Of the calls sent: what the session's token holds.
  var sessions: [[String: UInt64]] {
    compactMap { effect in
      guard case .send(let bytes, _) = effect, let frame = try? Frame(bytes[...]),
        frame.header.kind == .call, let call = try? Call.decode(frame.body),
        let header = try? CallHeader(call.header),
        let token = try? SessionToken.decode(header.session)
      else { return nil }
      return Dictionary(
        uniqueKeysWithValues: token.entries.map { ($0.key.description, $0.version.stamp) })
    }
  }
}
