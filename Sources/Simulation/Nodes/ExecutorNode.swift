import ClusterModel
import Execution
import Supervision
import WireProtocol

/// An executor process: its core, and the one thread that runs bodies inline.
final class ExecutorNode: Node {
  let id: ExecutorID
  /// The lives of its agent's halves that started it, by their names.
  let agent: [String: Incarnation]
  private let cache: CacheNode
  private let supervisor: SupervisorNode
  private let scheduler: Node
  private let history: History
  private var core: Executor?
  private var cacheLink: Link?
  private var supervisorLink: Link?
  private var schedulerLink: Link?
  private var body: SimulatedBody?
  /// A result that no connection took.
  private var unsentResults: [[UInt8]] = []
  /// The slot in shared memory: the last dispatch begun, and up to which they are recalled.
  private(set) var started: UInt64 = 0
  private var recalledUpTo: UInt64 = 0
  /// Who gave a dispatch, by its number.
  private var schedulers: [UInt64: Incarnation] = [:]
  /// What arrived while the thread was busy with a body.
  private var inbox: [() -> Void] = []
  private var isThreadBusy = false
  /// Whose dispatches are here, by their calls.
  private var owners: [InvocationID: Incarnation] = [:]
  private var run: History.Run?
  private var acknowledged: UInt64 { cache.memory.acknowledged }

  init(
    _ id: ExecutorID, in network: Network, cache: CacheNode, supervisor: SupervisorNode,
    scheduler: Node, history: History
  ) {
    self.id = id
    self.cache = cache
    self.supervisor = supervisor
    self.scheduler = scheduler
    self.history = history
    agent = [cache.name: cache.incarnation, supervisor.name: supervisor.incarnation]
    super.init("\(id.node)/\(id.number)", in: network, clockError: cache.clockError)
  }

  override func begin() {
    var limits = ExecutorLimits()
    if world.profile.tightLimits { limits.overlayBytesMax = 64 }
    core = Executor(identity: id, limits: limits)
    cacheLink = dial(cache, as: .executor, named: id.description)
    supervisorLink = dial(supervisor, as: .executor, named: id.description)
  }

  override func end() {
    core = nil
    endAttempt()
    inbox = []
  }

  /// Ends the process from within: a crash, an exit, or a lost agent.
  private func die(_ ending: Ending) {
    kill()
    supervisor.happen { supervisor.processEnded(id, ending) }
  }

  /// Ends the process from outside.
  func killedFromOutside() { die(.signalled(9)) }

  override func connected(_ link: Link, _ welcome: Welcome) {
    if link === schedulerLink {
      let frames = unsentResults
      unsentResults = []
      for frame in frames { sendResult(frame) }
    }
    guard schedulerLink == nil, cacheLink?.isWelcome == true, supervisorLink?.isWelcome == true
    else { return }
    schedulerLink = dial(scheduler, as: .executor, named: id.description)
  }

  /// Without its agent an executor is of no use.
  override func disconnected(_ link: Link) {
    if link !== schedulerLink { die(.exited(75)) }
  }

  override func take(_ frame: Frame, over link: Link) {
    guard !isThreadBusy else {
      inbox.append { [self] in take(frame, over: link) }
      return
    }
    let number = frame.header.number
    switch frame.header.kind {
    case .dispatch:
      guard var dispatch = try? Dispatch.decode(frame.body),
        var header = try? CallHeader(dispatch.header)
      else { return malformed(frame) }
      schedulers[number] = header.scheduler
      owners[header.invocation] = header.scheduler
      if world.planted == .ignoreMinimumVersions {
        header.session = []
        dispatch.header = header.encoded()
      }
      feed(.dispatched(dispatch, number: number))
    case .cancel:
      guard let cancel = try? CancelCall.decode(frame.body) else { return malformed(frame) }
      feed(.cancelled(cancel.invocation))
    case .cacheFetched:
      guard let fetched = try? CacheFetched.decode(frame.body) else { return malformed(frame) }
      feed(.cacheFetched(fetched, number: number))
    case .cacheApplied: feed(.cacheApplied(number: number))
    case .bundleReady:
      guard let ready = try? BundleReady.decode(frame.body) else { return malformed(frame) }
      feed(.bundleReady(ready))
    case .refusal where link === cacheLink:
      guard let refusal = try? FailureMessage.decode(frame.body) else { return malformed(frame) }
      feed(.cacheRefused(refusal.failure, number: number))
    default: malformed(frame)
    }
  }

  private func malformed(_ frame: Frame) {
    world.violate(.inventedValue, "\(name) got a \(frame.header.kind) it cannot read")
  }

  override var nextDeadline: UInt64? { isThreadBusy ? nil : core?.timer }
  override func timerFired() { feed(.timerFired) }

  private func feed(_ first: Executor.Input) {
    var waiting = [first]
    while !waiting.isEmpty, core != nil {
      let input = waiting.removeFirst()
      var effects: [Executor.Effect] = []
      let readings = Executor.Readings(monotonic: now, wall: wall, acknowledged: acknowledged)
      core?.step(input, at: readings, into: &effects)
      for effect in effects {
        if let answer = perform(effect) { waiting.append(answer) }
      }
    }
  }

  private func perform(_ effect: Executor.Effect) -> Executor.Input? {
    switch effect {
    case .refuse(let failure, let number):
      if let schedulerLink {
        send(FailureMessage(failure).framed(.refusal, number: number), over: schedulerLink)
      }
    case .claim(let claim):
      started = claim.number
      guard world.planted == .beginRecalled || recalledUpTo < claim.number else {
        return .claimed(false)
      }
      noteRun(of: claim)
      return .claimed(true)
    case .giveBack(let number):
      let recall = Recall(executor: id, upTo: number, started: number - 1)
      if let schedulerLink { send(recall.framed(.recalled), over: schedulerLink) }
    case .requestBundle(let digest):
      var request = BundleRequest()
      request.digest = digest.bytes
      if let supervisorLink { send(request.framed(.bundleRequest), over: supervisorLink) }
    case .load(let digest, _): return .bundleLoaded(digest, nil)
    case .run(let run): start(run)
    case .lookUp(let key, let read):
      return .lookedUp(cache.memory[key].map(Lookup.record) ?? .absent, read: read)
    case .fetch(let fetch, let number):
      if let cacheLink { send(fetch.framed(.cacheFetch, number: number), over: cacheLink) }
    case .answer(let answer, let token): later(1) { [self] in goOn(after: answer, token: token) }
    case .writeRefused: body?.isRefused = true
    case .sendWrites(let writes, let number):
      let frame = writes.framed(.cacheWrites, number: number)
      if let cacheLink, send(frame, over: cacheLink) { break }
      let failure = Failure(.unavailable, "the node's cache does not take writes")
      return .cacheRefused(failure, number: number)
    case .sendResult(var result, let number):
      if world.planted == .releaseAtOnce { result.awaitsRelease = false }
      sendResult(result.framed(.result, number: number))
    case .retire: later(1) { [self] in die(.exited(0)) }
    }
    return nil
  }

  private func sendResult(_ frame: [UInt8]) {
    if let schedulerLink, send(frame, over: schedulerLink) { return }
    unsentResults.append(frame)
  }

  private func noteRun(of claim: Executor.Claim) {
    guard let scheduler = schedulers.removeValue(forKey: claim.number) else { return }
    let attempt = History.Attempt(
      scheduler: scheduler, invocation: claim.invocation, number: claim.attempt)
    if !history.begin(attempt) {
      world.violate(
        .oneRunAnAttempt, "attempt \(claim.attempt) of \(claim.invocation) ran on \(id) again")
    }
  }

  /// By its agent, through shared memory.
  func recall(upTo number: UInt64) -> UInt64 {
    recalledUpTo = number
    return started
  }

  private func start(_ run: StageRun) {
    let arguments = run.arguments.map { argument in
      switch argument {
      case .value(_, let bytes): bytes
      case .mapped: Bytes()
      }
    }
    let steps = SimulatedFunction.steps(
      of: run.function, arguments, attempt: run.attempt, using: &world.nodeChance)
    let started = SimulatedBody(steps: steps)
    body = started
    begin(run.invocation)
    later(1) { [self] in
      if body === started { goOn(started) }
    }
  }

  private func begin(_ invocation: InvocationID) {
    let begun = History.Run(
      invocation: invocation, scheduler: owners[invocation] ?? Incarnation(0))
    run = begun
    if let other = history.start(begun, in: name) {
      world.violate(.oneAttempt, "\(invocation) runs in \(name) and in \(other)")
    }
  }

  private func endAttempt() {
    body = nil
    if let run { history.end(run, in: name) }
    run = nil
  }

  /// Performs the body's steps until it waits, is busy, or ends.
  private func goOn(_ running: SimulatedBody) {
    while body === running, let step = running.next() {
      switch step {
      case .read(let key):
        running.token += 1
        return feed(.read(key, token: running.token))
      case .write(let write):
        if write.kind == .addToCounter { history.attempt(write.delta, on: write.key) }
        feed(.write(write))
      case .work(let time): return beBusy(for: time, running)
      case .suspend(let time):
        feed(.stageSuspended)
        return later(time) { [self] in
          if body === running { goOn(running) }
        }
      case .fail: return finish(.failed(code: "USER_ERROR", message: "it failed on purpose"))
      case .crash: return die(.signalled(4))
      case .exit: return die(.exited(3))
      case .loopForever:
        isThreadBusy = true
        return
      }
    }
    if body === running { finish(running.outcome) }
  }

  private func beBusy(for time: UInt64, _ running: SimulatedBody) {
    isThreadBusy = true
    later(time) { [self] in
      isThreadBusy = false
      if body === running { goOn(running) }
      while !isThreadBusy, !inbox.isEmpty, isAlive { inbox.removeFirst()() }
    }
  }

  private func goOn(after answer: ReadAnswer, token: UInt64) {
    guard let body, body.token == token else { return }
    body.found = answer
    goOn(body)
  }

  private func finish(_ outcome: StageOutcome) {
    endAttempt()
    feed(.stageEnded(outcome))
  }
}

/// A body between its start and its end.
final class SimulatedBody {
  private var steps: ArraySlice<SimulatedFunction.Step>
  /// Of the read under way.
  var token: UInt64 = 0
  /// What the last read found.
  var found: ReadAnswer?
  /// A write was refused.
  var isRefused = false

  init(steps: [SimulatedFunction.Step]) { self.steps = steps[...] }

  func next() -> SimulatedFunction.Step? { steps.popFirst() }

  var outcome: StageOutcome {
    if isRefused { return .failed(code: "USER_ERROR", message: "a write was refused") }
    switch found {
    case nil: return .result(encoding: 0, [])
    case .missing: return .result(encoding: 0, Finding.absent.text)
    case .value(_, let bytes): return .result(encoding: 0, Finding.value(bytes).text)
    case .counter(let value): return .result(encoding: 0, Finding.counter(value).text)
    case .set(_, let elements): return .result(encoding: 0, Finding.set(elements).text)
    case .failed(let failure): return .failed(code: failure.code.name, message: failure.message)
    case .mapped: return .failed(code: "USER_ERROR", message: "no value here is large")
    }
  }
}
