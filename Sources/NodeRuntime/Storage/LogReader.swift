import ClusterModel
import DurableLog
import KeyValueStore

/// Reads records that the shard keeps on the disk only: on a thread of its own, so that neither the
/// shard nor a commit waits for the disk's reads.
struct LogReader: OrderPerformer {
  let log: DurableLogReader
  /// Called on the reader's thread.
  let onLoaded: @Sendable ([StorageShard.LoadedRecord]) -> Void

  mutating func perform(_ keys: [Key]) {
    let records = zip(keys, log.read(keys)).map { key, outcome in
      switch outcome {
      case .success(let envelope): StorageShard.LoadedRecord(key: key, envelope: envelope)
      case .failure(let error):
        StorageShard.LoadedRecord(
          key: key, envelope: [], reason: error.description, isDamaged: error.isDamage)
      }
    }
    onLoaded(records)
  }
}
