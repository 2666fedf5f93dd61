import ClusterModel
import Platform
import WireProtocol
import ZeroMQ

/// What lives on the loop's thread: the core, the sockets, and who waits for what.
final class LoopBody {
  private let inbox: LoopInbox
  private let context: Context
  private let executor: UnownedTaskExecutor
  private var poller = Poller()
  private var sockets: [LaneSocket] = []
  private var waiters: [UInt64: UnsafeContinuation<Outcome, Never>] = [:]
  private var sinks: [UInt64: WatchSink] = [:]
  private var closers: [UnsafeContinuation<Void, Never>] = []
  private var isClosing = false
  private var effects: [ClientCore.Effect] = []
  /// An empty array with room, to change with `effects` while they are performed.
  private var room: [ClientCore.Effect] = []

  /// Messages taken from one connection before the others have their turn.
  private static let messagesPerTurn = 256
  /// Rounds of tasks that run before the connections have their turn.
  private static let roundsPerTurn = 64

  init(inbox: LoopInbox, context: Context, executor: UnownedTaskExecutor) {
    self.inbox = inbox
    self.context = context
    self.executor = executor
  }

  /// - Returns: who waits for the end, to be told after this object is gone.
  func run(
    endpoint: String, hello: Hello, limits: ClientLimits
  ) -> [UnsafeContinuation<Void, Never>] {
    let signal = poller.watch(descriptor: inbox.descriptor)
    var core = ClientCore(endpoint: endpoint, hello: hello, limits: limits, into: &effects)
    perform(&core)
    while true {
      takeInbox(&core)
      if isClosing { break }
      let deadline = inbox.fallAsleep() ? core.nextDeadline : 0
      do throws(ZeroMQError) {
        _ = try poller.wait(until: deadline)
      } catch {
        // The context is shut down or the kernel refuses to poll: there is nothing left to wait on.
        close(&core)
        break
      }
      inbox.wakeUp()
      if poller.isReadable(signal) { inbox.clearSignal() }
      for socket in sockets { read(socket, &core) }
      if let due = core.nextDeadline, due <= MonotonicClock.now { step(.timePassed, &core) }
    }
    poller.stopWatching(signal)
    return closers
  }

  private func takeInbox(_ core: inout ClientCore) {
    var commands: [LoopInbox.Command] = []
    var jobs: [UnownedJob] = []
    for _ in 0..<Self.roundsPerTurn {
      guard inbox.take(&commands, &jobs) else { return }
      for command in commands { take(command, &core) }
      commands.removeAll(keepingCapacity: true)
      for job in jobs { job.runSynchronously(on: executor) }
      jobs.removeAll(keepingCapacity: true)
    }
  }

  private func take(_ command: LoopInbox.Command, _ core: inout ClientCore) {
    switch command {
    case .request(let request, let continuation):
      waiters[request.ticket] = continuation
      step(.request(request), &core)
    case .cancel(let ticket): step(.cancel(ticket: ticket), &core)
    case .watch(let ticket, let key, let sink):
      sinks[ticket] = sink
      step(.watch(ticket: ticket, key), &core)
    case .unwatch(let ticket):
      sinks[ticket] = nil
      step(.unwatch(ticket: ticket), &core)
    case .close(let continuation):
      if let continuation { closers.append(continuation) }
      close(&core)
    }
  }

  private func close(_ core: inout ClientCore) {
    isClosing = true
    step(.close, &core)
  }

  private func step(_ input: ClientCore.Input, _ core: inout ClientCore) {
    core.step(input, at: MonotonicClock.now, into: &effects)
    perform(&core)
  }

  /// Effects may cause inputs (a full queue is a lost connection), which cause effects.
  private func perform(_ core: inout ClientCore) {
    while !effects.isEmpty {
      var batch: [ClientCore.Effect] = []
      swap(&batch, &room)
      swap(&batch, &effects)
      for effect in batch { perform(effect, &core) }
      batch.removeAll(keepingCapacity: true)
      swap(&batch, &room)
    }
  }

  private func perform(_ effect: ClientCore.Effect, _ core: inout ClientCore) {
    switch effect {
    case .dial(let lane, let endpoint): dial(lane, endpoint, &core)
    case .hangUp(let lane): hangUp(lane)
    case .send(let frame, let lane): send(frame, over: lane, &core)
    case .finish(let ticket, let outcome):
      waiters.removeValue(forKey: ticket)?.resume(returning: outcome)
    case .update(let ticket, let record): sinks[ticket]?.yield(record)
    case .endWatch(let ticket, let failure):
      let sink = sinks.removeValue(forKey: ticket)
      if let failure {
        sink?.finish(throwing: CloudburstError(failure))
      } else {
        sink?.finish()
      }
    }
  }

  private func dial(_ lane: Lane, _ endpoint: String, _ core: inout ClientCore) {
    do throws(ZeroMQError) {
      sockets.append(
        try LaneSocket(lane, endpoint: endpoint, in: context, watchedBy: &poller))
    } catch {
      let failure = Failure(
        .usage, "\(endpoint) cannot be dialled: \(error)",
        hint: "an endpoint looks like tcp://127.0.0.1:7700")
      core.step(.unreachable(lane, failure), at: MonotonicClock.now, into: &effects)
    }
  }

  private func hangUp(_ lane: Lane) {
    guard let index = sockets.firstIndex(where: { $0.lane == lane }) else { return }
    poller.stopWatching(sockets[index].slot)
    poller.stopWatching(sockets[index].events)
    sockets.remove(at: index)
  }

  private func send(_ frame: [UInt8], over lane: Lane, _ core: inout ClientCore) {
    guard let socket = sockets.first(where: { $0.lane == lane }) else { return }
    if (try? socket.send(frame, poller: &poller)) != true { lose(socket, &core) }
  }

  /// Gives the connection up; ZeroMQ keeps the old one, which the next hello renews.
  private func lose(_ socket: LaneSocket, _ core: inout ClientCore) {
    let unsent = socket.discard(poller: &poller)
    let now = MonotonicClock.now
    core.step(.disconnected(socket.lane, unsent: unsent), at: now, into: &effects)
    core.step(.connected(socket.lane), at: now, into: &effects)
  }

  private func read(_ socket: LaneSocket, _ core: inout ClientCore) {
    let readiness = poller.readiness(of: socket.slot)
    do throws(ZeroMQError) {
      // What happened to the connection comes before what came over the new one.
      if poller.isReadable(socket.events) { try readEvents(socket, &core) }
      if readiness.contains(.writable) { try socket.flush(poller: &poller) }
      if readiness.contains(.readable) { try readMessages(socket, &core) }
    } catch {
      lose(socket, &core)
      perform(&core)
    }
  }

  private func readEvents(_ socket: LaneSocket, _ core: inout ClientCore) throws(ZeroMQError) {
    while let event = try socket.socket.nextConnectionEvent() {
      switch event {
      case .ready: step(.connected(socket.lane), &core)
      case .lost:
        let unsent = socket.discard(poller: &poller)
        step(.disconnected(socket.lane, unsent: unsent), &core)
      case .handshakeFailed, .retrying, .accepted, .acceptFailed: break
      }
    }
  }

  private func readMessages(_ socket: LaneSocket, _ core: inout ClientCore) throws(ZeroMQError) {
    var message = ReceivedMessage()
    for _ in 0..<Self.messagesPerTurn {
      switch try socket.socket.tryReceive(into: &message) {
      case .nothing: return
      case .malformed: continue
      case .message:
        step(.received(message.body[...], over: socket.lane), &core)
        // A new welcome may have hung this connection up.
        guard sockets.contains(where: { $0 === socket }) else { return }
      }
    }
  }
}
