package import ClusterModel

extension Scheduler {
  package struct ExecutorStatus: Equatable, Sendable {
    package var executor: ExecutorID
    package var processID: UInt32
    package var isBusy: Bool
    /// What it runs now, or empty.
    package var function: String
    /// When that was handed over, in `Moment`'s nanoseconds; nil while it runs nothing.
    package var since: UInt64?
    package var callsDone: UInt64
  }

  /// In the order of their ids.
  package var executorStatus: [ExecutorStatus] {
    executors.live.map { index in
      let entry = executors.entries[index]
      return ExecutorStatus(
        executor: executors.id(at: index), processID: entry.processID,
        isBusy: !entry.outstanding.isEmpty || entry.state != .attached,
        function: entry.outstanding.first.map { flights[$0.flight].title } ?? "",
        since: entry.outstanding.first.map { flights[$0.flight].dispatchedAt },
        callsDone: entry.callsDone)
    }.sorted { $0.executor < $1.executor }
  }

  package var queuedCount: Int { queue.count }
  package var queuedBytes: Int { queue.byteCount }
  /// Calls accepted and not ended, wherever they are.
  package var inFlightCount: Int { flights.count }
  package var runningCount: Int {
    executors.live.reduce(0) { $0 + executors.entries[$1].outstanding.count }
  }
  /// Results that wait for their release or for the store.
  package var parkedResultCount: Int { parkedCount }
  package var executorsLost: UInt64 { executors.lostCount }
  package var isServing: Bool { phase == .serving }
}
