import ClusterModel
import KeyValueStore
import Lattices
import WireProtocol

/// The shard's log in virtual time: what is synced survives, what is not is lost when the process is
/// killed. A batch is atomic, as RocksDB's are: at a crash it is on the disk as a whole or not at all.
struct VirtualDisk {
  private var records: [Key: Record] = [:]
  private var unsynced: [StorageShard.LogEntry]?
  private let planted: PlantedBug?

  init(planted: PlantedBug?) { self.planted = planted }

  mutating func write(_ batch: [StorageShard.LogEntry]) {
    if let unsynced { apply(unsynced) }
    unsynced = batch
  }

  mutating func sync() {
    if let unsynced { apply(unsynced) }
    unsynced = nil
  }

  /// - Parameter keeping: whether the batch under way happened to reach the disk.
  mutating func crash(keeping: Bool) {
    if keeping { sync() }
    unsynced = nil
  }

  /// In the order of their keys, as a store on disk reads them.
  var contents: [(key: Key, record: Record)] {
    records.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  mutating func store(_ record: Record, under key: Key) {
    records[key].mergeInLog(record)
  }

  private mutating func apply(_ batch: [StorageShard.LogEntry]) {
    for entry in batch {
      guard var record = try? Record(entry.envelope) else {
        preconditionFailure("the shard logs what a Record was encoded to")
      }
      if planted == .resurrectDeleted, record.isTombstone { continue }
      if planted == .ignoreGenerations, record.isTombstone, record.generation > 0 {
        record.generation -= 1
      }
      if planted == .forgetSetElements, record.lattice == .set { record.keepFirstElement() }
      store(record, under: entry.key)
    }
  }
}

extension Record {
  fileprivate mutating func keepFirstElement() {
    guard let set = try? GrowSet(serialized: payload), let first = set.elements.first else {
      return
    }
    payload = GrowSet([first]).serialized()[...]
  }
}
