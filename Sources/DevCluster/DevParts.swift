import ClusterModel
import Glibc
import LocalCluster
import Logging
import NodeRuntime
import Platform
import ZeroMQ

/// The loops of a local cluster, started in the order they depend on each other.
final class DevParts: Sendable {
  /// A loop and how to reach it.
  private struct Part<Message: Sendable>: Sendable {
    let mailbox: Mailbox<Message>
    let loop: RunningLoop

    func stop(with message: Message) {
      // Mailboxes have room for a stop: their other messages are few, and drained every turn.
      while !mailbox.tryPost(message) { sched_yield() }
      loop.join()
    }
  }

  private let storage: Part<StorageMessage>
  private let scheduler: Part<SchedulerMessage>
  private let cache: Part<CacheMessage>
  private let supervisor: Part<SupervisorMessage>
  /// - Parameter onBound: called when the cluster's port is ours.
  init(
    _ plan: DevPlan, ended: EndSignal, onBound: () throws -> Void,
    onReady: @escaping @Sendable () -> Void
  ) throws {
    let context = try Context()
    let ready = Readiness(waitingFor: 2, then: onReady)
    var stops: [() -> Void] = []
    do {
      let storage = try Self.startStorage(plan, context, ended)
      stops.append { storage.part.stop(with: .stop) }
      let scheduler = try Self.startScheduler(plan, storage.endpoints, context, ended, ready)
      stops.append { scheduler.stop(with: .stop) }
      try onBound()
      let cache = try Self.startCache(plan, context, ended)
      stops.append { cache.stop(with: .stop) }
      supervisor = try Self.startSupervisor(plan, cache.mailbox, context, ended, ready)
      self.storage = storage.part
      self.scheduler = scheduler
      self.cache = cache
    } catch {
      for stop in stops.reversed() { stop() }
      throw error
    }
  }

  /// Calls end first; executors next; then what they wrote goes to the store, and its log to disk.
  func stop() {
    scheduler.stop(with: .stop)
    supervisor.stop(with: .stop)
    cache.stop(with: .stop)
    storage.stop(with: .stop)
  }

  private static func startStorage(
    _ plan: DevPlan, _ context: Context, _ ended: EndSignal
  ) throws -> (part: Part<StorageMessage>, endpoints: [String]) {
    let mailbox = try StorageLoop.mailbox()
    let bound = Locked<[String]>([])
    let loop = try RunningLoop.start(named: "storage", onEnd: { ended.loopEnded("storage", $0) }) {
      try StorageLoop(
        plan.storage, mailbox: mailbox, in: context, logger: plan.logger("storage"),
        onBound: { endpoints in bound.withLock { $0 = endpoints } })
    }
    return (Part(mailbox: mailbox, loop: loop), bound.withLock { $0 })
  }

  private static func startScheduler(
    _ plan: DevPlan, _ storage: [String], _ context: Context, _ ended: EndSignal,
    _ ready: Readiness
  ) throws -> Part<SchedulerMessage> {
    let mailbox = try SchedulerLoop.mailbox()
    var events = SchedulerLoop.Events()
    events.onReady = { ready.arrived() }
    events.onShutdown = { ended.request() }
    let configuration = plan.scheduler(storage: storage)
    let handlers = events
    let loop = try RunningLoop.start(
      named: "scheduler", onEnd: { ended.loopEnded("scheduler", $0) }
    ) {
      try SchedulerLoop(
        configuration, mailbox: mailbox, in: context, logger: plan.logger("scheduler"),
        events: handlers)
    }
    return Part(mailbox: mailbox, loop: loop)
  }

  private static func startCache(
    _ plan: DevPlan, _ context: Context, _ ended: EndSignal
  ) throws -> Part<CacheMessage> {
    let mailbox = try Mailbox<CacheMessage>(countMax: 4096)
    let loop = try RunningLoop.start(named: "cache", onEnd: { ended.loopEnded("cache", $0) }) {
      try CacheLoop(plan.cache, mailbox: mailbox, in: context)
    }
    return Part(mailbox: mailbox, loop: loop)
  }

  private static func startSupervisor(
    _ plan: DevPlan, _ cache: Mailbox<CacheMessage>, _ context: Context, _ ended: EndSignal,
    _ ready: Readiness
  ) throws -> Part<SupervisorMessage> {
    let mailbox = try Mailbox<SupervisorMessage>(countMax: 16)
    var events = SupervisorLoop.Events()
    events.onFirstExecutor = { ready.arrived() }
    // A cache that is this far behind finds the dead reader by itself at its next check.
    events.onReaped = { id in _ = cache.tryPost(.executorReaped(id)) }
    let handlers = events
    let loop = try RunningLoop.start(
      named: "supervisor", onEnd: { ended.loopEnded("supervisor", $0) }
    ) {
      try SupervisorLoop(plan.supervisor, mailbox: mailbox, in: context, events: handlers)
    }
    return Part(mailbox: mailbox, loop: loop)
  }
}

/// Says once that everything waited for has arrived.
private final class Readiness: Sendable {
  private let missing: Locked<Int>
  private let then: @Sendable () -> Void

  init(waitingFor count: Int, then: @escaping @Sendable () -> Void) {
    missing = Locked(count)
    self.then = then
  }

  func arrived() {
    let isLast = missing.withLock { missing in
      missing -= 1
      return missing == 0
    }
    if isLast { then() }
  }
}
