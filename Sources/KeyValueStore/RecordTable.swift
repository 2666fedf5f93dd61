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
    fileprivate(set) var hash: UInt64
    fileprivate(set) var key: Key
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

    /// Holds no key: to be given to the next.
    var isFree: Bool { key.bytes.isEmpty }

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

  /// Tombstones and free entries included: every entry's number is below it.
  var count: Int { entries.count }
  /// Entries that hold no key.
  private var free: ContiguousArray<Int32> = []
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
    let envelope = record.encoded()
    let entry = Entry(
      hash: hash, key: Key(trusted: Bytes(Array(key.bytes))), envelope: envelope,
      version: record.version, expiry: record.expiry, isTombstone: record.isTombstone)
    let number: Int
    if let reused = free.popLast() {
      number = Int(reused)
      entries[number] = entry
    } else {
      number = entries.count
      precondition(number < Int32.max, "the byte limit ends a shard long before")
      entries.append(entry)
    }
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

  /// Takes an entry's key away; its number goes to a later one, so nobody may still mean it.
  mutating func remove(_ entry: Int) {
    precondition(!entries[entry].isFree, "an entry is removed once")
    vacate(entries[entry].hash, of: Int32(entry))
    byteCount -= entries[entry].key.bytes.count + entries[entry].envelope.count
    if !entries[entry].isTombstone { liveCount -= 1 }
    entries[entry] = Entry(
      hash: 0, key: Key(trusted: []), envelope: [], version: .none, expiry: 0, isTombstone: true)
    free.append(Int32(entry))
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

  /// Moves back what stands behind the slot because of it, so that no search ends too early.
  private mutating func vacate(_ hash: UInt64, of entry: Int32) {
    var hole = hash & mask
    while slots[Int(hole)].entry != entry { hole = (hole &+ 1) & mask }
    var next = (hole &+ 1) & mask
    while slots[Int(next)].entry >= 0 {
      let home = slots[Int(next)].hash & mask
      if (next &- home) & mask >= (next &- hole) & mask {
        slots[Int(hole)] = slots[Int(next)]
        hole = next
      }
      next = (next &+ 1) & mask
    }
    slots[Int(hole)] = Slot()
  }

  private mutating func grow() {
    let old = slots
    slots = ContiguousArray(repeating: Slot(), count: old.count * 2)
    mask = UInt64(slots.count - 1)
    for slot in old where slot.entry >= 0 { occupy(slot.hash, by: slot.entry) }
  }
}
