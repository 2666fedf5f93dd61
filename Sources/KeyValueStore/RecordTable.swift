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
/// A record that the log has can be *cold*: on the disk only. Its block then has the envelope's header and
/// a sum of the whole, so that versions, expiry and comparisons with other copies need no disk.
///
/// A value: a copy that is changed while another one lives gets memory of its own.
struct RecordTable {
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
  /// Keys and envelopes, cold ones too.
  private(set) var byteCount = 0
  /// The same without what is on the disk only.
  private(set) var memoryByteCount = 0
  private(set) var coldCount = 0
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
    count(entry, 1)
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
    if !entry.isHot {
      entry.heat += 1
      memory.entries[number].heat = entry.heat
    }
    if envelopeByteCount == entry.envelopeByteCount, entry.state.isDisjoint(with: [.large, .cold]) {
      fill(
        UnsafeMutableRawBufferPointer(start: old + Int(entry.keyCount), count: envelopeByteCount))
    } else {
      let before = entry
      entry = Entry.made(before.keyBytes, envelopeByteCount, fill)
      put(entry, inPlaceOf: before, number)
    }
    liveCount += (entry.isTombstone ? 0 : 1) - (wasLive ? 1 : 0)
  }

  /// Takes an entry's key away; its number goes to a later one, so nobody may still mean it.
  mutating func remove(_ number: Int) {
    makeUnique()
    let entry = memory.entry(number)
    precondition(!entry.isFree, "an entry is removed once")
    memory.vacate(entry.hash, of: number)
    count(entry, -1)
    if !entry.isTombstone { liveCount -= 1 }
    memory.entries[number] = Entry(block: nil)
    entry.free()
    free.append(Int32(number))
  }

  /// Notes that an entry is read; being written counts by itself.
  mutating func touch(_ number: Int) {
    let entry = memory.entry(number)
    if !entry.isHot { self[number].heat = entry.heat + 1 }
  }

  /// The hand of the clock passes an entry.
  ///
  /// - Returns: whether it was not used since it passed last, and the time before that.
  mutating func cool(_ number: Int) -> Bool {
    let heat = memory.entry(number).heat
    guard heat > 0 else { return true }
    self[number].heat = heat / 2
    return false
  }

  /// Makes an entry cold: its record can be read from the disk.
  mutating func demote(_ number: Int) {
    makeUnique()
    let before = memory.entry(number)
    precondition(!before.isFree && !before.isCold, "only what is in memory is demoted")
    put(before.cooled(), inPlaceOf: before, number)
  }

  /// Puts what was read from the disk into a cold entry.
  ///
  /// - Returns: false where it is another record than the one that was demoted.
  mutating func promote(_ number: Int, _ envelope: UnsafeRawBufferPointer) -> Bool {
    makeUnique()
    let before = memory.entry(number)
    precondition(before.isCold, "only a cold entry is promoted")
    guard envelope.count == before.envelopeByteCount, StableHash.of(envelope) == before.sum else {
      return false
    }
    let entry = Entry.made(before.keyBytes, envelope.count) { $0.copyMemory(from: envelope) }
    put(entry, inPlaceOf: before, number)
    return true
  }

  /// The new one takes over what is kept beside the record.
  private mutating func put(_ new: Entry, inPlaceOf before: Entry, _ number: Int) {
    var entry = new
    entry.isObserved = before.isObserved
    entry.logSequence = before.logSequence
    entry.heat = max(before.heat, 1)
    if entry.isCold { entry.heat = 0 }
    count(before, -1)
    count(entry, 1)
    memory.entries[number] = entry
    before.free()
  }

  private mutating func count(_ entry: Entry, _ sign: Int) {
    byteCount += sign * entry.byteCount
    memoryByteCount += sign * entry.memoryByteCount
    if entry.isCold { coldCount += sign }
  }

  private mutating func makeUnique() {
    if !isKnownUniquelyReferenced(&memory) { memory = Memory(copying: memory) }
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
