import ClusterModel
import Scheduling
import WireProtocol

/// The scheduler process.
final class SchedulerNode: Node {
  private let storage: Node
  private var core: Scheduler?
  private var storageLink: Link?
  private var clients: [Incarnation: PeerID] = [:]
  /// The agents' halves by name, and the lives they said hello with.
  private var members: [String: (link: Link, incarnation: Incarnation)] = [:]
  private var executors: [ExecutorID: PeerID] = [:]
  private let limits: SchedulerLimits
  /// For a planted bug: calls whose executor was lost.
  private var lostCalls = 0
  /// For another: dispatches without a result.
  private var unanswered: Set<UInt64> = []

  init(in network: Network, storage: Node, clockError: Int64) {
    self.storage = storage
    var limits = SchedulerLimits()
    if network.world.profile.tightLimits {
      limits.queuedCallsMax = 8
      limits.creditsPerExecutor = 2
      limits.parkedResultsMax = 2
      limits.storePageSize = 2
      limits.intentPageSize = 2
    }
    self.limits = limits
    super.init("scheduler", in: network, clockError: clockError)
  }

  override func begin() {
    var limits = limits
    if world.planted == .unboundedQueue { limits.queuedCallsMax = 1_000_000 }
    core = Scheduler(incarnation: incarnation, seed: world.nodeChance.next(), limits: limits)
    clients = [:]
    members = [:]
    executors = [:]
    storageLink = dial(storage, as: .scheduler, named: "scheduler#\(incarnation)")
  }

  override func end() { core = nil }

  override func greeted(by link: Link) -> Welcome? {
    switch link.hello.role {
    case .client: clients[link.hello.incarnation] = link.peer
    case .executor: return greet(executor: link)
    case .cache, .supervisor: return Welcome()
    case .scheduler, .storage, .router: return nil
    }
    return Welcome()
  }

  /// An executor is taken once its agent is known in the life that started it: the end of the agent's
  /// earlier life would otherwise be taken for the executor's own.
  private func greet(executor link: Link) -> Welcome? {
    guard let node = link.dialer as? ExecutorNode,
      node.agent.allSatisfy({ half, incarnation in members[half]?.incarnation == incarnation })
    else { return nil }
    return Welcome()
  }

  override func welcomed(_ link: Link) {
    switch link.hello.role {
    case .executor:
      guard let id = ExecutorID(link.hello.name) else { return }
      executors[id] = link.peer
      step(.executorReady(id, processID: link.hello.processID))
    case .cache, .supervisor: greet(member: link)
    default: break
    }
  }

  private func greet(member link: Link) {
    let known = members.updateValue(
      (link, link.hello.incarnation), forKey: link.dialer.name)
    guard let known, known.incarnation != link.hello.incarnation,
      let name = link.dialer.name.split(separator: "/").last
    else { return }
    step(.agentLost(NodeID(String(name))))
  }

  override func lost(peer link: Link) {
    switch link.hello.role {
    case .client:
      guard clients[link.hello.incarnation] == link.peer else { return }
      clients[link.hello.incarnation] = nil
      step(.clientGone(link.hello.incarnation))
    case .executor:
      guard let id = ExecutorID(link.hello.name), executors[id] == link.peer else { return }
      executors[id] = nil
      step(.unreachable(id, number: 0))
    default: break
    }
  }

  override func connected(_ link: Link, _ welcome: Welcome) { step(.storeReady) }

  override func take(_ frame: Frame, over link: Link) {
    let number = frame.header.number
    switch frame.header.kind {
    case .keyResponse:
      guard let response = try? KeyResponse.decode(frame.body) else { return malformed(frame) }
      step(.stored(response, number: number))
    case .call:
      guard let call = try? Call.decode(frame.body) else { return malformed(frame) }
      step(.call(call, number: number, from: link.hello.incarnation))
    case .cancel:
      guard let cancel = try? CancelCall.decode(frame.body) else { return malformed(frame) }
      step(.cancel(cancel.invocation, from: link.hello.incarnation))
    case .result:
      guard let result = try? CallResult.decode(frame.body),
        let id = ExecutorID(link.hello.name)
      else { return malformed(frame) }
      unanswered.remove(number)
      step(.result(result, number: number, from: id))
    case .refusal:
      guard let refusal = try? FailureMessage.decode(frame.body),
        let id = ExecutorID(link.hello.name)
      else { return }
      step(.refused(refusal.failure, number: number, by: id))
    case .released:
      guard let released = try? Released.decode(frame.body) else { return malformed(frame) }
      step(.released(released.entries))
    case .executorLost: takeLoss(frame)
    case .recalled:
      guard let recall = try? Recall.decode(frame.body), let id = ExecutorID(recall.executor) else {
        return malformed(frame)
      }
      step(.recalled(id, started: recall.started, upTo: recall.upTo))
    default: malformed(frame)
    }
  }

  private func takeLoss(_ frame: Frame) {
    guard let loss = try? ExecutorLost.decode(frame.body), let id = ExecutorID(loss.executor)
    else { return malformed(frame) }
    executors[id] = nil
    let lastStarted = loss.knowsStarted ? loss.lastStarted : nil
    step(.executorLost(id, cause: loss.cause, lastStarted: lastStarted))
  }

  private func malformed(_ frame: Frame) {
    world.violate(.inventedValue, "\(name) got a \(frame.header.kind) it cannot read")
  }

  override var nextDeadline: UInt64? { core?.nextDeadline }
  override func timerFired() { step(.timeReached) }

  var inFlightCount: Int { core?.inFlightCount ?? 0 }

  override func checkBounds() {
    guard let core else { return }
    // The core's own allowance for what comes back from lost executors and earlier lives.
    let allowance = core.queuedCallsBound - core.limits.queuedCallsMax
    if core.queuedCount > limits.queuedCallsMax + allowance {
      world.violate(
        .bounded,
        "\(core.queuedCount) calls are queued; queuedCallsMax is \(limits.queuedCallsMax)")
    }
    // What the executors have when the limit is reached may all end, those just lost included.
    let executors = core.executorStatus.count + world.profile.executorsPerNode * 2
    let parkedMost = limits.parkedResultsMax + executors * limits.creditsPerExecutor
    if core.parkedResultCount > parkedMost {
      world.violate(
        .bounded,
        "\(core.parkedResultCount) results are parked; parkedResultsMax is "
          + "\(limits.parkedResultsMax)")
    }
  }

  private func step(_ input: Scheduler.Input) {
    guard core != nil else { return }
    var effects: [Scheduler.Effect] = []
    core?.step(input, at: .init(nanoseconds: now, wallMilliseconds: wall), into: &effects)
    for effect in effects { perform(effect) }
  }

  private func perform(_ effect: Scheduler.Effect) {
    switch effect {
    case .answer(let result, let number, let client): answer(result, number: number, to: client)
    case .dispatch(let dispatch, let number, let id, _):
      let frame = dispatch.framed(.dispatch, number: number)
      guard let peer = executors[id], send(frame, to: peer) else {
        return later(0) { [self] in step(.unreachable(id, number: number)) }
      }
      if world.planted == .retryRunningAttempt { suspect(id, running: number) }
    case .cancel(let invocation, let id):
      var cancel = CancelCall()
      cancel.invocation = invocation
      if let peer = executors[id] { send(cancel.framed(.cancel), to: peer) }
    case .recall(let id, let upTo):
      let order = Recall(executor: id, upTo: upTo)
      if let supervisor = members["supervisor/\(id.node)"] {
        send(order.framed(.recall), to: supervisor.link.peer)
      }
    case .kill(let id, let invocation, let reason):
      var order = KillExecutor()
      order.executor = id.description
      order.invocation = invocation
      order.reason = reason
      if let supervisor = members["supervisor/\(id.node)"] {
        send(order.framed(.killExecutor), to: supervisor.link.peer)
      }
    case .store(let request, let number):
      if let storageLink { send(request.framed(.keyRequest, number: number), over: storageLink) }
    case .probe, .answerRegistry, .ready, .drained: break
    case .warn(let text): world.note("scheduler warns: \(text)")
    }
  }

  /// For a planted bug: a slow executor is taken for a dead one.
  private func suspect(_ id: ExecutorID, running number: UInt64) {
    unanswered.insert(number)
    later(.milliseconds(20)) { [self] in
      guard unanswered.contains(number) else { return }
      step(.executorLost(id, cause: Failure(.executorLost, "it does not answer")))
    }
  }

  private func answer(_ result: CallResult, number: UInt64, to client: Incarnation) {
    guard let peer = clients[client] else { return }
    if world.planted == .forgetLostCalls, result.attempt > 1 || result.failure != nil {
      lostCalls += 1
      if lostCalls.isMultiple(of: 2) { return }
    }
    let frame = result.framed(.result, number: number)
    send(frame, to: peer)
    if world.planted == .answerTwice { send(frame, to: peer) }
  }
}
