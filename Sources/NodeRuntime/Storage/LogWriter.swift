import DurableLog
import KeyValueStore

/// Owns the log: one commit at a time, each synced before it is answered.
struct LogWriter: OrderPerformer {
  let log: DurableLog
  /// Called on the writer's thread after each commit: nil, or why it failed.
  let onOutcome: @Sendable (_ failure: String?) -> Void
  private var hasFailed = false

  init(_ log: DurableLog, onOutcome: @escaping @Sendable (_ failure: String?) -> Void) {
    self.log = log
    self.onOutcome = onOutcome
  }

  mutating func perform(_ entries: [StorageShard.LogEntry]) {
    do throws(DurableLogError) {
      // RocksDB takes no write after an I/O error until it is opened anew.
      if hasFailed { try log.reopen() }
      try log.writeSynced(entries.lazy.map { (key: $0.key, envelope: $0.envelope) })
      hasFailed = false
      onOutcome(nil)
    } catch {
      hasFailed = true
      onOutcome(error.description)
    }
  }
}
