import ClusterModel
import Lattices
import WireProtocol

/// The records of one shard by key: open addressing over 64-bit stable hashes, the entries dense
/// beside it.
///
/// An entry keeps its number for as long as the table lives, however the table grows, so numbers
/// serve as cursors, as the log's queue and as the expiry queue's items. Growing rehashes the slots
/// alone (16 bytes a key) at twice the size: about 20 ms at a million keys.
struct RecordTable {
  struct Entry {
    let hash: UInt64
    let key: Key
    /// The encoded record, in a buffer of its own: what GET answers with and what the log is given.
    fileprivate(set) var envelope: Bytes
    fileprivate(set) var version: Version
    fileprivate(set) var expiry: UInt64
    fileprivate(set) var isTombstone: Bool
    /// Somebody watches the key or is subscribed to it.
    var isObserved = false
    /// The log sequence that covers the record as it is now; 0 where it needs none.
    var logSequence: UInt64 = 0
    /// When the expiry queue will look at the entry; 0 for never.
    var expiryQueuedAt: UInt64 = 0

    /// Decodes; the payload shares the envelope's buffer.
    var record: Record {
      guard let record = try? Record(envelope) else {
        preconditionFailure("an entry holds what a Record was encoded to")
      }
      return record
    }

    /// - Parameter now: milliseconds since the epoch.
    func isAbsent(at now: UInt64) -> Bool {
      isTombstone || (expiry != 0 && expiry <= now)
    }
  }

  private struct Slot {
    var hash: UInt64 = 0
    /// -1 is a free slot.
    var entry: Int32 = -1
  }

  /// Tombstones included.
  var count: Int { entries.count }
  /// Records that are not tombstones; expired ones count until the sweep.
  private(set) var liveCount = 0
  /// Keys and envelopes.
  private(set) var byteCount = 0
  private var entries: ContiguousArray<Entry> = []
  private var slots: ContiguousArray<Slot>
  private var mask: UInt64

  /// Of slots; a power of two.
  init(minimumCapacity: Int = 1024) {
    precondition(minimumCapacity > 0 && minimumCapacity & (minimumCapacity - 1) == 0)
    slots = ContiguousArray(repeating: Slot(), count: minimumCapacity)
    mask = UInt64(minimumCapacity - 1)
  }

  subscript(_ entry: Int) -> Entry {
    get { entries[entry] }
    _modify { yield &entries[entry] }
  }

  func find(_ key: Key) -> Int? { find(key, hash: StableHash.of(key.bytes)) }

  /// Makes an entry for a key that has none.
  ///
  /// The key is copied, so the caller's may be a part of a received frame.
  mutating func insert(_ record: Record, under key: Key) -> Int {
    let hash = StableHash.of(key.bytes)
    if (entries.count + 1) * 4 > slots.count * 3 { grow() }
    let number = entries.count
    precondition(number < Int32.max, "the byte limit ends a shard long before")
    let envelope = record.encoded()
    entries.append(
      Entry(
        hash: hash, key: Key(trusted: Bytes(Array(key.bytes))), envelope: envelope,
        version: record.version, expiry: record.expiry, isTombstone: record.isTombstone))
    byteCount += key.bytes.count + envelope.count
    if !record.isTombstone { liveCount += 1 }
    occupy(hash, by: Int32(number))
    return number
  }

  mutating func replace(_ entry: Int, by record: Record) {
    let envelope = record.encoded()
    byteCount += envelope.count - entries[entry].envelope.count
    liveCount += (record.isTombstone ? 0 : 1) - (entries[entry].isTombstone ? 0 : 1)
    entries[entry].envelope = envelope
    entries[entry].version = record.version
    entries[entry].expiry = record.expiry
    entries[entry].isTombstone = record.isTombstone
  }

  private func find(_ key: Key, hash: UInt64) -> Int? {
    var position = hash & mask
    while true {
      let slot = slots[Int(position)]
      if slot.entry < 0 { return nil }
      if slot.hash == hash, entries[Int(slot.entry)].key.bytes.count == key.bytes.count,
        compareBytes(entries[Int(slot.entry)].key.bytes, key.bytes) == 0
      {
        return Int(slot.entry)
      }
      position = (position &+ 1) & mask
    }
  }

  private mutating func occupy(_ hash: UInt64, by entry: Int32) {
    var position = hash & mask
    while slots[Int(position)].entry >= 0 { position = (position &+ 1) & mask }
    slots[Int(position)] = Slot(hash: hash, entry: entry)
  }

  private mutating func grow() {
    let old = slots
    slots = ContiguousArray(repeating: Slot(), count: old.count * 2)
    mask = UInt64(slots.count - 1)
    for slot in old where slot.entry >= 0 { occupy(slot.hash, by: slot.entry) }
  }
}
