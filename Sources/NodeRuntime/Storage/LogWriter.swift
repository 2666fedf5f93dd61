import ClusterModel
import DurableLog
import KeyValueStore
import Platform
import ZeroMQ

/// The thread that owns the log: one commit at a time, each synced before it is answered.
final class LogWriter: Sendable {
  enum Outcome: Sendable {
    case committed
    case failed(reason: String)
  }

  private enum Order: Sendable {
    case commit([StorageShard.LogEntry])
    case stop
  }

  private let orders: Mailbox<Order>
  private let thread: LoopThread

  /// - Parameter onOutcome: called on the writer's thread after each commit.
  init(
    _ log: sending DurableLog, onOutcome: @escaping @Sendable (Outcome) -> Void
  ) throws(PlatformError) {
    // One commit is under way at a time; the other place is for the order to stop.
    let orders = try Mailbox<Order>(countMax: 2)
    self.orders = orders
    thread = try LoopThread(name: "storage-log") {
      Self.run(log, orders, onOutcome)
    }
  }

  func commit(_ entries: [StorageShard.LogEntry]) {
    let isTaken = orders.tryPost(.commit(entries))
    precondition(isTaken, "the shard asks for one commit at a time")
  }

  /// Returns once the log is closed.
  func stop() {
    _ = orders.tryPost(.stop)
    thread.join()
  }

  private static func run(
    _ log: DurableLog, _ orders: Mailbox<Order>, _ onOutcome: (Outcome) -> Void
  ) {
    var poller = Poller()
    _ = poller.watch(descriptor: orders.descriptor)
    var hasFailed = false
    while true {
      do {
        _ = try poller.wait(until: nil)
      } catch {
        preconditionFailure("waiting for one descriptor cannot fail: \(error)")
      }
      var waiting: [Order] = []
      orders.drain(into: &waiting)
      for order in waiting {
        guard case .commit(let entries) = order else { return }
        do throws(DurableLogError) {
          // RocksDB takes no write after an I/O error until it is opened anew.
          if hasFailed { try log.reopen() }
          try log.writeSynced(entries.lazy.map { (key: $0.key, envelope: $0.envelope) })
          hasFailed = false
          onOutcome(.committed)
        } catch {
          hasFailed = true
          onOutcome(.failed(reason: error.description))
        }
      }
    }
  }
}
