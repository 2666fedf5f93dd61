import ClusterModel
import Platform
import Synchronization
import WireProtocol
import ZeroMQ

/// The one thread of a client: its connections, its open requests, and the tasks that chose it.
///
/// Any thread may post to it. It sleeps in one poller and wakes for answers, posts and deadlines
/// only. Pieces of tasks that prefer it as their executor run between two waits, on its thread.
final class ClientLoop: TaskExecutor, Sendable {
  private let inbox: LoopInbox
  private let lastTicket = Atomic<UInt64>(0)

  init(endpoint: String, name: String, limits: ClientLimits) throws {
    inbox = try LoopInbox(commandsMax: limits.requestsMax)
    let context = try Context()
    var hello = Hello()
    hello.name = name
    hello.incarnation = Incarnation(
      WallClock.milliseconds << 20 | RandomBytes.word() & ((1 << 20) - 1))
    let start = Start(endpoint: endpoint, hello: hello, limits: limits, context: context)
    _ = try LoopThread(name: "cloudburst-sdk") { [self] in run(start) }
  }

  private struct Start: Sendable {
    let endpoint: String
    let hello: Hello
    let limits: ClientLimits
    let context: Context
  }

  /// A number that no other request or watch of this client has.
  func nextTicket() -> UInt64 {
    lastTicket.wrappingAdd(1, ordering: .relaxed).newValue
  }

  /// Waits for the request's end; a cancelled task ends it.
  func outcome(of request: Request) async -> Outcome {
    let gate = CancellationGate()
    return await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        switch inbox.post(.request(request, continuation), isBounded: true) {
        case .taken:
          if gate.open() { cancel(request.ticket) }
        case .full:
          continuation.resume(returning: .failed(.tooManyRequests(inbox.commandsMax)))
        case .ended:
          continuation.resume(returning: .failed(.closed))
        }
      }
    } onCancel: {
      if gate.cancel() { cancel(request.ticket) }
    }
  }

  private func cancel(_ ticket: UInt64) {
    _ = inbox.post(.cancel(ticket: ticket), isBounded: false)
  }

  func watch(_ key: Key, _ sink: WatchSink) {
    let ticket = nextTicket()
    sink.onTermination = { [self] _ in
      _ = inbox.post(.unwatch(ticket: ticket), isBounded: false)
    }
    switch inbox.post(.watch(ticket: ticket, key, sink), isBounded: true) {
    case .taken: break
    case .full:
      sink.finish(throwing: CloudburstError(.tooManyRequests(inbox.commandsMax)))
    case .ended: sink.finish(throwing: CloudburstError(.closed))
    }
  }

  /// Waits until the thread is done with everything.
  func close() async {
    await withUnsafeContinuation { continuation in
      if inbox.post(.close(continuation), isBounded: false) == .ended { continuation.resume() }
    }
  }

  /// As `close()`, without waiting.
  func abandon() {
    _ = inbox.post(.close(nil), isBounded: false)
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    // After the end, tasks that chose this loop go on elsewhere; a task never gets stuck.
    if !inbox.post(job) { globalConcurrentExecutor.enqueue(job) }
  }

  private func run(_ start: Start) {
    var closers: [UnsafeContinuation<Void, Never>] = []
    do {
      let body = LoopBody(inbox: inbox, context: start.context, executor: asUnownedTaskExecutor())
      closers = body.run(endpoint: start.endpoint, hello: start.hello, limits: start.limits)
    }
    // The sockets are closed by now, so whoever waited for the close finds the port free of us.
    let rest = inbox.end()
    for job in rest.jobs { globalConcurrentExecutor.enqueue(job) }
    for command in rest.commands { Self.refuse(command) }
    for closer in closers { closer.resume() }
  }

  private static func refuse(_ command: LoopInbox.Command) {
    switch command {
    case .request(_, let continuation): continuation.resume(returning: .failed(.closed))
    case .watch(_, _, let sink): sink.finish(throwing: CloudburstError(.closed))
    case .close(let continuation): continuation?.resume()
    case .cancel, .unwatch: break
    }
  }
}

/// Orders a request and its cancellation, which comes from another thread: a cancel is posted after
/// the request it is for, by whichever side is second.
final class CancellationGate: Sendable {
  private let state = Atomic<UInt8>(0)
  private static let posted: UInt8 = 1
  private static let cancelled: UInt8 = 2

  /// The request is posted. - Returns: whether it was cancelled before.
  func open() -> Bool {
    state.bitwiseOr(Self.posted, ordering: .acquiringAndReleasing).oldValue & Self.cancelled != 0
  }

  /// - Returns: whether the request is posted already.
  func cancel() -> Bool {
    state.bitwiseOr(Self.cancelled, ordering: .acquiringAndReleasing).oldValue & Self.posted != 0
  }
}
