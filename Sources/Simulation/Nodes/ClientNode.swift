import ClusterModel
import Lattices
import WireProtocol

/// A client with one operation at a time, and now and then a burst of calls; it knows what it was
/// promised, and tells the oracles when a promise is broken.
final class ClientNode: Node {
  /// How long after its limit an answer may come: the scheduler waits for a killed executor's end,
  /// and frames travel.
  static let slack = UInt64.seconds(3)
  static let storeTimeLimit = UInt64.seconds(4)

  let number: Int
  let history: History
  private let storage: Node
  private let scheduler: Node?
  private var storageLink: Link?
  private var schedulerLink: Link?
  private var requests: [UInt64: PendingRequest] = [:]
  /// Calls that were answered: a second answer breaks a promise. One that comes after its client gave
  /// up, because the connection broke or the time was over, does not.
  private var answered: Set<UInt64> = []
  private var lastNumber: UInt64 = 0
  private var chance: SplitMix64
  private var session = SimulatedSession()
  /// `History.moment` when it last heard of a restart of the store.
  private var restartedAt = 0
  /// Watches by their number, and the futures they wait for.
  private var futures: [UInt64: PendingFuture] = [:]
  /// Futures that were seen, by key: their bytes may not change.
  private(set) var accepted: [InvocationID] = []
  private(set) var acknowledgedCount = 0
  private(set) var failedCount = 0
  private var isIdle = true
  /// Reads, through a function that may run elsewhere, what the last one wrote.
  private var readBack: Operation?

  init(
    _ number: Int, in network: Network, storage: Node, scheduler: Node?, history: History,
    seed: UInt64
  ) {
    self.number = number
    self.history = history
    self.storage = storage
    self.scheduler = scheduler
    chance = SplitMix64(seed: seed)
    super.init("client\(number)", in: network, clockError: 0)
  }

  var isQuiet: Bool { requests.isEmpty }

  override func begin() {
    storageLink = dial(storage, as: .client, named: nil)
    if let scheduler { schedulerLink = dial(scheduler, as: .client, named: nil) }
    goOn(after: .milliseconds(30))
  }

  private func goOn(after pause: UInt64) {
    isIdle = true
    later(chance.draw(pause / 2...pause)) { [self] in
      guard isIdle, !world.isHealed else { return }
      beginNext()
    }
  }

  private func beginNext() {
    if scheduler != nil, chance.oneIn(40) { burst() }
    lastNumber += 1
    let drawn = Operation.drawn(
      by: number, counting: lastNumber, hasCompute: scheduler != nil, using: &chance,
      profile: world.profile)
    let operation = readBack ?? drawn
    readBack = nil
    isIdle = false
    guard begin(operation, as: lastNumber, isBurst: false) else {
      return goOn(after: .milliseconds(20))
    }
  }

  /// More calls at once than the executors take: some wait, some are refused.
  private func burst() {
    for _ in 0..<chance.draw(5...30) {
      lastNumber += 1
      var operation = Operation(kind: .run("noop"), function: "noop")
      operation.timeLimit = .milliseconds(Int64(chance.draw(50...1000)))
      _ = begin(operation, as: lastNumber, isBurst: true)
    }
  }

  private func begin(_ operation: Operation, as number: UInt64, isBurst: Bool) -> Bool {
    let link = operation.function == nil ? storageLink : schedulerLink
    guard let link, link.isWelcome else { return false }
    var pending = PendingRequest(
      operation, of: self.number, over: link, history: history, isBurst: isBurst)
    let frame: [UInt8]
    if operation.function == nil {
      frame = keyRequest(for: operation).framed(.keyRequest, number: number)
      pending.deadline = now + Self.storeTimeLimit
    } else {
      let invocation = InvocationID.drawn(using: &chance)
      pending.invocation = invocation
      frame = call(for: operation, invocation).framed(.call, number: number)
      pending.deadline = now + operation.timeLimit.wholeMicroseconds * 1000 + Self.slack
    }
    pending.note(in: history)
    requests[number] = pending
    world.note("\(name) begins \(number): \(operation)")
    send(frame, over: link)
    later(pending.deadline - now) { [self] in overdue(number) }
    return true
  }

  private func keyRequest(for operation: Operation) -> KeyRequest {
    var request = KeyRequest()
    request.level = operation.level
    var tuple = KeyTuple(key: operation.key ?? Key("none"))
    switch operation.kind {
    case .read, .run: request.type = .get
    case .write(_, nil): request.type = .delete
    case .write(_, let value?):
      request.type = .put
      tuple.record = Record(lattice: .lastWriterWins, payload: value).encoded()
    case .add(_, let delta):
      request.type = .put
      tuple.counterDelta = delta
    case .insert(_, let element):
      request.type = .put
      let set = GrowSet([element])
      tuple.record = Record(lattice: .set, payload: set.serialized()[...]).encoded()
    }
    request.tuples = [tuple]
    return request
  }

  private func call(for operation: Operation, _ invocation: InvocationID) -> Call {
    var header = CallHeader(invocation: invocation)
    header.remaining = operation.timeLimit
    header.writeLevel = operation.level
    header.session = session.token
    var call = Call()
    call.header = header.encoded()
    call.function = operation.function ?? ""
    call.arguments = SimulatedFunction.arguments(for: operation.kind).map {
      Argument(encoding: 0, value: $0)
    }
    call.submit = operation.isSubmitted
    return call
  }

  override func connected(_ link: Link, _ welcome: Welcome) {
    guard link === storageLink else { return }
    if session.storageIs(welcome.incarnation) { restartedAt = history.moment }
    for number in futures.keys.sorted() { watch(number) }
  }

  /// What was under way is lost, or not: nobody will say.
  override func disconnected(_ link: Link) {
    for number in requests.keys.sorted() where requests[number]?.link === link {
      finish(number, because: "the connection was lost")
    }
  }

  override func take(_ frame: Frame, over link: Link) {
    let number = frame.header.number
    switch frame.header.kind {
    case .keyResponse:
      guard let response = try? KeyResponse.decode(frame.body) else { return }
      take(response, number: number)
    case .result:
      guard let result = try? CallResult.decode(frame.body) else { return }
      take(result, number: number)
    case .watchEvent:
      guard let event = try? KeyResponse.decode(frame.body) else { return }
      takeEvent(event, number: number)
    case .refusal:
      if requests[number] != nil { finish(number, because: "it was refused") }
    default: break
    }
  }

  private func take(_ response: KeyResponse, number: UInt64) {
    // The network repeats answers of the store, and late ones come after their request's end.
    guard let pending = requests[number] else { return }
    let tuple = response.tuples.first
    let failure = response.failure ?? tuple?.failure
    let isAbsent = failure?.code == .keyNotFound
    guard let tuple, failure == nil || isAbsent else {
      return finish(number, because: failure?.description ?? "")
    }
    if let fault = session.take(tuple, at: level(of: pending.operation)) {
      world.violate(.session, "\(name): \(fault)")
    }
    switch pending.operation.kind {
    case .read(let key):
      let finding = isAbsent ? .absent : (try? Record(tuple.record)).flatMap(Finding.init)
      check(finding, of: key, pending)
    default: acknowledge(pending)
    }
    finish(number, because: nil)
  }

  private func take(_ result: CallResult, number: UInt64) {
    guard let pending = requests[number], pending.invocation == result.invocation else {
      if answered.contains(number) {
        world.violate(.everyCallEnds, "\(name): a second answer to call \(number)")
      }
      return
    }
    answered.insert(number)
    if let failure = result.failure {
      if failure.code == .internalError {
        world.violate(.everyCallEnds, "\(name): call \(number) ended with \(failure)")
      }
      return finish(number, because: failure.description)
    }
    if pending.operation.isSubmitted {
      accepted.append(result.invocation)
      futures[number] = PendingFuture(
        invocation: result.invocation, operation: pending.operation, client: self.number,
        storageLife: pending.storageLife)
      watch(number)
    } else {
      ended(pending.operation, with: result, pending)
    }
    finish(number, because: nil)
  }

  private func ended(_ operation: Operation, with result: CallResult, _ pending: PendingRequest) {
    session.take(result, at: level(of: operation))
    if case .read(let key) = operation.kind {
      check(Finding(text: result.value), of: key, pending)
    } else {
      acknowledge(pending)
      if !pending.isBurst, chance.oneIn(2) {
        readBack = operation.key.map { Operation(kind: .read($0), function: "get") }
      }
    }
  }

  private func check(_ finding: Finding?, of key: Key, _ pending: PendingRequest) {
    guard let finding else {
      return world.violate(.inventedValue, "\(name): \(key) cannot be read")
    }
    if let fault = history.fault(in: finding, of: key, by: reader(pending)) {
      world.violate(fault.oracle, "\(name): \(fault.text)")
    }
    // The barrier: what a client was given is not lost with a node. Level `cached` has none.
    if case .value(let value) = finding, pending.operation.level != .cached {
      history.observe(value, of: key, by: self.number)
    }
  }

  /// Who reads from the store itself sees what everybody was acknowledged; through a function, what its
  /// session knows, and the rest with the next push.
  private func reader(_ pending: PendingRequest) -> History.Reader {
    var reader = History.Reader(moment: pending.moment)
    guard pending.operation.function != nil else { return reader }
    reader.client = self.number
    reader.restartedAt = restartedAt
    return reader
  }

  private var standardLevel: WriteLevel { world.profile.hasLog ? .durable : .accepted }

  private func level(of operation: Operation) -> WriteLevel { operation.level ?? standardLevel }

  private func acknowledge(_ pending: PendingRequest) {
    pending.acknowledge(in: history, at: standardLevel)
  }

  private func finish(_ number: UInt64, because reason: String?) {
    guard let pending = requests.removeValue(forKey: number) else { return }
    if let reason {
      failedCount += 1
      world.note("\(name): request \(number) fails: \(reason)")
    } else {
      world.note("\(name): request \(number) succeeds")
      acknowledgedCount += 1
    }
    if !pending.isBurst { goOn(after: .milliseconds(8)) }
  }

  /// An answer is due unless something took it: a lost frame, a broken connection.
  private func overdue(_ number: UInt64) {
    guard let pending = requests[number] else { return }
    let link = pending.link
    if link.epoch == pending.epoch, link.isWelcome, link.lostFrames == pending.lostFrames {
      world.violate(
        .everyCallEnds,
        "\(name): request \(number) (\(pending.operation)) has no answer long after its limit")
    }
    finish(number, because: "its time is over")
  }

  private func watch(_ number: UInt64) {
    guard let future = futures[number], let storageLink else { return }
    var request = WatchRequest()
    request.key = ReservedKeys.future(future.invocation)
    send(request.framed(.watch, number: number), over: storageLink)
  }

  private func takeEvent(_ event: KeyResponse, number: UInt64) {
    guard let future = futures[number], let tuple = event.tuples.first, tuple.failure == nil,
      let record = try? Record(tuple.record)
    else { return }
    futures[number] = nil
    if let storageLink {
      send(WatchRequest().framed(.unwatch, number: number), over: storageLink)
    }
    guard let result = try? CallResult.decode(record.payload),
      result.invocation == future.invocation
    else {
      return world.violate(.everyCallEnds, "\(name): the future of \(number) cannot be read")
    }
    session.take(result, at: level(of: future.operation))
    guard result.failure == nil else { return }
    future.ended(in: history, at: standardLevel)
  }
}
