import ClusterModel
import LocalCluster
import Logging
import NodeRuntime
import Platform
import ZeroMQ

/// The loops of a local cluster, started in the order they depend on each other.
final class DevParts: Sendable {
  private let storage: Part<StorageMessage>
  private let anna: Part<AnnaMessage>?
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
      let storage = try Part.storage(
        plan.storage, in: context, logger: Logger(part: "storage"), ended: ended)
      stops.append { storage.part.stop(with: .stop) }
      let anna = try plan.anna.map { try Part.anna($0, ended: ended) }
      stops.append { anna?.stop(with: .stop) }
      var events = SchedulerLoop.Events()
      events.onReady = { ready.arrived() }
      events.onShutdown = { ended.request() }
      let scheduler = try Part.scheduler(
        plan.scheduler(storage: storage.endpoints), in: context,
        logger: Logger(part: "scheduler"), ended: ended, events: events)
      stops.append { scheduler.stop(with: .stop) }
      try onBound()
      let cache = try Part.cache(plan.cache, in: context, ended: ended)
      stops.append { cache.stop(with: .stop) }
      supervisor = try Part.supervisor(
        plan.supervisor, beside: cache.mailbox, in: context, ended: ended,
        onFirstExecutor: { ready.arrived() })
      self.storage = storage.part
      self.anna = anna
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
    anna?.stop(with: .stop)
    storage.stop(with: .stop)
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
