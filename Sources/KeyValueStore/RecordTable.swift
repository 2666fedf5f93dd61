import ClusterModel
import Glibc
import Lattices
import WireProtocol

/// The records of one shard by key: open addressing over 64-bit stable hashes, the entries dense
/// beside it, each record with its key in a block of memory of its own.
///
/// An entry keeps its number for as long as the table lives, however the table grows, so numbers
/// serve as cursors, as the log's queue and as the expiry queue's items. Beyond key and envelope an
/// entry takes 24 bytes, 8 of the allocator's, and 11 to 21 in the slots. Growing moves the slots
/// alone, in their own order: a few milliseconds at a million keys.
///
/// A value: a copy that is changed while another one lives gets memory of its own.
struct RecordTable {
  /// Refers to the table's memory: what it gives is valid until the table is changed or gone.
  struct Entry {
    /// The key, then the envelope: what a look-up and a write read first lies together. Behind the key of
    /// a large record: a reference to it. Nil in a free entry.
    fileprivate var block: UnsafeMutableRawPointer?
    fileprivate var envelopeCount: UInt32 = 0
    fileprivate var keyCount: UInt16 = 0
    fileprivate var isLarge = false
    /// Somebody watches the key or is subscribed to it.
    var isObserved = false
    /// The log sequence that covers the record as it is now; 0 where it needs none.
    var logSequence: UInt64 = 0

    /// Holds no key: to be given to the next.
    var isFree: Bool { block == nil }
    var envelopeByteCount: Int { Int(envelopeCount) }

    /// The encoded record, borrowed.
    @inline(__always)
    var envelopeBytes: UnsafeRawBufferPointer {
      guard !isLarge, let block else { return largeBytes }
      return UnsafeRawBufferPointer(start: block + Int(keyCount), count: Int(envelopeCount))
    }

    /// Not in line: most records are small.
    @inline(never)
    private var largeBytes: UnsafeRawBufferPointer { large.memory }

    fileprivate var large: LargeEnvelope { largeReference.takeUnretainedValue() }

    fileprivate var largeReference: Unmanaged<LargeEnvelope> {
      guard let block, isLarge else { preconditionFailure("a small record has no reference") }
      let bits = block.loadUnaligned(fromByteOffset: Int(keyCount), as: UInt.self)
      guard let reference = UnsafeRawPointer(bitPattern: bits) else {
        preconditionFailure("a large record is kept")
      }
      return Unmanaged.fromOpaque(reference)
    }

    /// Of its own memory.
    fileprivate var blockByteCount: Int {
      Int(keyCount) + (isLarge ? MemoryLayout<UInt>.size : Int(envelopeCount))
    }

    /// The key, borrowed.
    var keyBytes: UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(start: block, count: Int(keyCount))
    }

    fileprivate var byteCount: Int { Int(envelopeCount) + Int(keyCount) }

    /// A copy; of a large one, the same bytes.
    var envelope: Bytes { isLarge ? large.bytes[...] : Array(envelopeBytes)[...] }
    /// A copy.
    var key: Key { Key(trusted: Array(keyBytes)[...]) }
    var hash: UInt64 { StableHash.of(keyBytes) }
    @inline(__always)
    var header: RecordHeader { RecordHeader(envelopeBytes) }
    var version: Version { header.version }
    var expiry: UInt64 { header.expiry }
    var isTombstone: Bool { header.flags.contains(.tombstone) }

    /// Decodes a copy; of a large one, the same bytes.
    var record: Record {
      guard
        let record = isLarge ? try? Record(large.bytes[...]) : try? Record(copying: envelopeBytes)
      else {
        preconditionFailure("an entry holds what a Record was encoded to")
      }
      return record
    }

    /// - Parameter now: milliseconds since the epoch.
    func isAbsent(at now: UInt64) -> Bool { header.isAbsent(at: now) }

    func holds(_ envelope: Bytes) -> Bool {
      guard envelope.count == envelopeByteCount else { return false }
      return envelope.withUnsafeBytes {
        memcmp($0.baseAddress!, envelopeBytes.baseAddress!, $0.count) == 0
      }
    }
  }

  /// By the lower half of a key's hash, its upper bits first: the ring gives a shard whole stretches
  /// of the upper half, which would crowd together here.
  fileprivate struct Slot {
    var hash: UInt32
    /// The entry's number and one; 0 is a free slot.
    var place: UInt32
  }

  private var memory: Memory

  /// Tombstones and free entries included: every entry's number is below it.
  var count: Int { memory.count }
  /// Records that are not tombstones; expired ones count until the sweep.
  private(set) var liveCount = 0
  /// Keys and envelopes.
  private(set) var byteCount = 0
  var tombstoneCount: Int { count - free.count - liveCount }
  /// Entries that hold no key.
  private var free: ContiguousArray<Int32> = []

  /// Of slots; a power of two.
  init(minimumCapacity: Int = 1024) {
    precondition(minimumCapacity > 1 && minimumCapacity & (minimumCapacity - 1) == 0)
    memory = Memory(slotCount: minimumCapacity)
  }

  subscript(_ entry: Int) -> Entry {
    get { memory.entry(entry) }
    _modify {
      makeUnique()
      precondition(entry < memory.count, "no such entry")
      yield &memory.entries[entry]
    }
  }

  func find(_ key: Key) -> Int? { find(key, StableHash.of(key.bytes)) }

  /// - Parameter hash: the key's `StableHash`.
  func find(_ key: Key, _ hash: UInt64) -> Int? { key.bytes.withUnsafeBytes { find($0, hash) } }

  func find(_ key: UnsafeRawBufferPointer, _ hash: UInt64) -> Int? { memory.find(key, hash) }

  /// An entry whose key has this hash.
  func find(hash: UInt64) -> Int? { memory.find(hash: hash) }

  /// Makes an entry for a key that has none. Both are copied.
  mutating func insert(_ record: Record, under key: Key) -> Int {
    key.bytes.withUnsafeBytes { key in
      insert(under: key, envelopeByteCount: record.prefixByteCount + record.payload.count) {
        record.write(to: $0)
      }
    }
  }

  /// Makes an entry for a key that has none.
  ///
  /// - Parameter fill: writes the envelope, which a `Record` can be decoded from.
  mutating func insert(
    under key: UnsafeRawBufferPointer, envelopeByteCount: Int,
    fill: (UnsafeMutableRawBufferPointer) -> Void
  ) -> Int {
    makeUnique()
    let entry = Entry.made(key, envelopeByteCount, fill)
    byteCount += entry.byteCount
    if !entry.isTombstone { liveCount += 1 }
    let number: Int
    if let reused = free.popLast() {
      number = Int(reused)
      memory.entries[number] = entry
    } else {
      number = memory.append(entry)
    }
    memory.occupy(StableHash.of(key), by: number)
    return number
  }

  mutating func replace(_ entry: Int, by record: Record) {
    replace(entry, envelopeByteCount: record.prefixByteCount + record.payload.count) {
      record.write(to: $0)
    }
  }

  /// - Parameter fill: writes the envelope over whatever is there.
  mutating func replace(
    _ number: Int, envelopeByteCount: Int, fill: (UnsafeMutableRawBufferPointer) -> Void
  ) {
    makeUnique()
    var entry = memory.entry(number)
    guard let old = entry.block else { preconditionFailure("a free entry holds no record") }
    let wasLive = !entry.isTombstone
    if envelopeByteCount == entry.envelopeByteCount, !entry.isLarge {
      fill(
        UnsafeMutableRawBufferPointer(start: old + Int(entry.keyCount), count: envelopeByteCount))
    } else {
      let before = entry
      entry = Entry.made(before.keyBytes, envelopeByteCount, fill)
      entry.isObserved = before.isObserved
      entry.logSequence = before.logSequence
      byteCount += envelopeByteCount - before.envelopeByteCount
      memory.entries[number] = entry
      before.free()
    }
    liveCount += (entry.isTombstone ? 0 : 1) - (wasLive ? 1 : 0)
  }

  /// Takes an entry's key away; its number goes to a later one, so nobody may still mean it.
  mutating func remove(_ number: Int) {
    makeUnique()
    let entry = memory.entry(number)
    precondition(!entry.isFree, "an entry is removed once")
    memory.vacate(entry.hash, of: number)
    byteCount -= entry.byteCount
    if !entry.isTombstone { liveCount -= 1 }
    memory.entries[number] = Entry(block: nil)
    entry.free()
    free.append(Int32(number))
  }

  private mutating func makeUnique() {
    if !isKnownUniquelyReferenced(&memory) { memory = Memory(copying: memory) }
  }
}

extension RecordTable.Entry {
  /// From here on a record is kept in an array, which answers and the log share.
  private static let largeByteCountMin = 16 << 10

  fileprivate static func made(
    _ key: UnsafeRawBufferPointer, _ envelopeByteCount: Int,
    _ fill: (UnsafeMutableRawBufferPointer) -> Void
  ) -> Self {
    var entry = Self(
      block: nil, envelopeCount: UInt32(envelopeByteCount), keyCount: UInt16(key.count))
    entry.isLarge = envelopeByteCount >= largeByteCountMin
    let block = allocate(entry.blockByteCount)
    entry.block = block
    UnsafeMutableRawBufferPointer(start: block, count: key.count).copyMemory(from: key)
    if entry.isLarge {
      let large = LargeEnvelope(byteCount: envelopeByteCount, fill)
      let reference = UInt(bitPattern: Unmanaged.passRetained(large).toOpaque())
      block.storeBytes(of: reference, toByteOffset: key.count, as: UInt.self)
    } else {
      fill(UnsafeMutableRawBufferPointer(start: block + key.count, count: envelopeByteCount))
    }
    return entry
  }

  /// Of the same key and record; a large one is shared, as it never changes.
  fileprivate func copied() -> Self {
    guard let block else { return self }
    var copy = self
    let memory = allocate(blockByteCount)
    memory.copyMemory(from: block, byteCount: blockByteCount)
    copy.block = memory
    if isLarge { _ = largeReference.retain() }
    return copy
  }

  fileprivate func free() {
    if isLarge { largeReference.release() }
    Glibc.free(block)
  }
}

/// The encoded record of a large value; never changes.
private final class LargeEnvelope {
  let bytes: [UInt8]
  /// Of `bytes`, which keep it where it is for as long as they live.
  let memory: UnsafeRawBufferPointer

  init(byteCount: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) {
    bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { room, count in
      fill(
        UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(room)[..<byteCount]))
      count = byteCount
    }
    memory = bytes.withUnsafeBytes { $0 }
  }
}

/// What a table holds: entries, the blocks they own, and slots.
///
/// SAFETY: a table changes it only while it is the only one that refers to it.
private final class Memory: @unchecked Sendable {
  typealias Entry = RecordTable.Entry
  typealias Slot = RecordTable.Slot

  private(set) var entries: UnsafeMutablePointer<Entry>
  private(set) var count = 0
  private var capacity: Int
  private var slots: UnsafeMutablePointer<Slot>
  private var slotCount: Int
  /// How far a hash is moved to give a slot's number.
  private var shift: UInt32

  init(slotCount: Int, capacity: Int = 768) {
    self.capacity = capacity
    entries = allocate(capacity * MemoryLayout<Entry>.stride).assumingMemoryBound(to: Entry.self)
    self.slotCount = slotCount
    slots = Self.freeSlots(slotCount)
    shift = Self.shift(slotCount)
  }

  init(copying other: Memory) {
    capacity = other.capacity
    count = other.count
    slotCount = other.slotCount
    shift = other.shift
    entries = allocate(capacity * MemoryLayout<Entry>.stride).assumingMemoryBound(to: Entry.self)
    slots = Self.freeSlots(slotCount)
    slots.update(from: other.slots, count: slotCount)
    for number in 0..<count { entries[number] = other.entries[number].copied() }
  }

  deinit {
    for number in 0..<count { entries[number].free() }
    Glibc.free(entries)
    Glibc.free(slots)
  }

  func entry(_ number: Int) -> Entry {
    precondition(number >= 0 && number < count, "no such entry")
    return entries[number]
  }

  func append(_ entry: Entry) -> Int {
    if count == capacity {
      precondition(count < Int32.max / 2, "the byte limit ends a shard long before")
      capacity *= 2
      // Large blocks are remapped, not copied.
      guard let grown = realloc(entries, capacity * MemoryLayout<Entry>.stride) else {
        preconditionFailure("out of memory")
      }
      entries = grown.assumingMemoryBound(to: Entry.self)
    }
    entries[count] = entry
    count += 1
    if count * 4 > slotCount * 3 { grow() }
    return count - 1
  }

  func find(_ key: UnsafeRawBufferPointer, _ hash: UInt64) -> Int? {
    let half = UInt32(truncatingIfNeeded: hash)
    var position = Int(half >> shift)
    while true {
      let slot = slots[position]
      if slot.place == 0 { return nil }
      if slot.hash == half {
        let entry = entries[Int(slot.place) - 1]
        if Int(entry.keyCount) == key.count,
          memcmp(entry.keyBytes.baseAddress!, key.baseAddress!, key.count) == 0
        {
          return Int(slot.place) - 1
        }
      }
      position = (position + 1) & (slotCount - 1)
    }
  }

  func find(hash: UInt64) -> Int? {
    var position = Int(UInt32(truncatingIfNeeded: hash) >> shift)
    while slots[position].place != 0 {
      let entry = Int(slots[position].place) - 1
      if entries[entry].hash == hash { return entry }
      position = (position + 1) & (slotCount - 1)
    }
    return nil
  }

  func occupy(_ hash: UInt64, by entry: Int) {
    place(Slot(hash: UInt32(truncatingIfNeeded: hash), place: UInt32(entry + 1)))
  }

  private func place(_ slot: Slot) {
    var position = Int(slot.hash >> shift)
    while slots[position].place != 0 { position = (position + 1) & (slotCount - 1) }
    slots[position] = slot
  }

  /// Moves back what stands behind the slot because of it, so that no search ends too early.
  func vacate(_ hash: UInt64, of entry: Int) {
    let mask = slotCount - 1
    var hole = Int(UInt32(truncatingIfNeeded: hash) >> shift)
    while slots[hole].place != UInt32(entry + 1) { hole = (hole + 1) & mask }
    var next = (hole + 1) & mask
    while slots[next].place != 0 {
      let home = Int(slots[next].hash >> shift)
      if (next - home) & mask >= (next - hole) & mask {
        slots[hole] = slots[next]
        hole = next
      }
      next = (next + 1) & mask
    }
    slots[hole] = Slot(hash: 0, place: 0)
  }

  private func grow() {
    let (old, oldCount) = (slots, slotCount)
    slotCount *= 2
    shift = Self.shift(slotCount)
    slots = Self.freeSlots(slotCount)
    for position in 0..<oldCount where old[position].place != 0 { place(old[position]) }
    Glibc.free(old)
  }

  private static func shift(_ slotCount: Int) -> UInt32 {
    32 - UInt32(slotCount.trailingZeroBitCount)
  }

  private static func freeSlots(_ count: Int) -> UnsafeMutablePointer<Slot> {
    guard let slots = calloc(count, MemoryLayout<Slot>.stride) else {
      preconditionFailure("out of memory")
    }
    return slots.assumingMemoryBound(to: Slot.self)
  }
}

private func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer {
  guard let memory = malloc(byteCount) else { preconditionFailure("out of memory") }
  return memory
}
