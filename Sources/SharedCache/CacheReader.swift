import CLMDB
package import ClusterModel
import Platform
package import WireProtocol

/// A record as a reader found it.
package struct CachedRecord {
  /// Everything copied out; the payload is empty where `large` is set.
  package var record: Record
  /// The payload of a value in a file of its own.
  package var large: LargeValue?
}

/// A large value's bytes, mapped: valid for as long as somebody holds this, also after the cache let
/// the value go. Immutable; starts at a page boundary.
package final class LargeValue {
  private let file: MappedFile

  init(_ file: consuming MappedFile) { self.file = file }

  package var bytes: UnsafeRawBufferPointer { file.bytes }
}

/// One process's view of its node's cache. Takes no lock, and holds no transaction between two reads:
/// a reader that did would keep the writer from using freed space again.
///
/// One a process (LMDB's rule), used from one thread. Follows the writer to its next map by itself.
package struct CacheReader: ~Copyable {
  private let folder: String
  private let control: ControlPage
  private var map: OpenMap?
  private var kept = KeptMappings()

  /// - Throws: `system` or `badFormat` where `folder` holds no cache.
  package init(folder: String) throws(CacheError) {
    self.folder = folder
    control = try ControlPage.opened(in: folder)
  }

  /// Every local write up to this one has been acknowledged at its level.
  package var acknowledgedSequence: UInt64 { control.acknowledgedSequence }
  /// The life of the writer.
  package var writerIncarnation: Incarnation { control.incarnation }

  /// The record of a key, tombstones and expired ones included; nil when it is not in the cache.
  ///
  /// - Complexity: one lookup and one copy of a payload of at most
  ///   `SharedCacheConfig.inlineBytesMax`; a larger one is mapped.
  package mutating func read(_ key: Key) throws(CacheError) -> CachedRecord? {
    let hash = StableHash.of(key.bytes)
    // A value's file may go, or the map be replaced, between look-up and opening: then the writer
    // has made progress, and the next look-up sees it.
    for _ in 0..<Self.attemptsMax {
      guard try followWriter() else { return nil }
      switch try lookUp(key, hash: hash) {
      case .absent: return nil
      case .changed: continue
      case .found(let found):
        control.noteReference(hash: hash)
        return found
      }
    }
    return nil
  }

  private static let attemptsMax = 4

  private enum LookUp {
    case absent
    case changed
    case found(CachedRecord)
  }

  private mutating func lookUp(_ key: Key, hash: UInt64) throws(CacheError) -> LookUp {
    guard let transaction = map?.transaction else { return .absent }
    try check(mdb_txn_renew(transaction), "mdb_txn_renew", "the cache")
    var located: Located
    do {
      defer { mdb_txn_reset(transaction) }
      located = key.bytes.withUnsafeBytes { Self.locate($0, hash: hash, in: transaction) }
    }
    switch located {
    case .absent: return .absent
    case .failed(let error): throw error
    case .inline(let record): return .found(CachedRecord(record: record, large: nil))
    case .file(let record, let number, let byteCount):
      let large = try kept.mapping(of: number, in: folder, byteCount: byteCount, control)
      guard let large else { return .changed }
      return .found(CachedRecord(record: record, large: large))
    }
  }

  private enum Located {
    case absent
    case failed(CacheError)
    case inline(Record)
    case file(Record, number: UInt64, byteCount: Int)
  }

  private static func locate(
    _ key: UnsafeRawBufferPointer, hash: UInt64, in transaction: OpaquePointer
  ) -> Located {
    CacheEntry.withStoredKey(key, hash: hash) { stored in
      var name = lent(stored)
      var value = MDB_val()
      let code = mdb_get(transaction, ValueMap.table, &name, &value)
      if code == MDB_NOTFOUND { return .absent }
      do throws(CacheError) {
        try check(code, "mdb_get", "the cache")
      } catch {
        return .failed(error)
      }
      guard let found = CacheEntry.parse(UnsafeRawBufferPointer(value), key: key),
        let record = try? Record(copying: found.envelope)
      else { return .absent }
      return found.kind == .inline
        ? .inline(record)
        : .file(record, number: found.fileNumber, byteCount: found.fileByteCount)
    }
  }

  /// - Returns: whether there is a map to read.
  private mutating func followWriter() throws(CacheError) -> Bool {
    let generation = control.generation
    if map?.generation == generation { return true }
    map = nil
    guard generation != 0 else { return false }
    do throws(CacheError) {
      map = try OpenMap(generation: generation, in: folder)
    } catch {
      // The writer may have moved on while we opened: then there is a newer one to follow.
      guard control.generation != generation else { throw error }
      return try followWriter()
    }
    return true
  }
}

/// A map with the one transaction that a reader renews for each read.
private final class OpenMap {
  let generation: UInt64
  let transaction: OpaquePointer
  private let map: ValueMap

  init(generation: UInt64, in folder: String) throws(CacheError) {
    let map = try ValueMap.opened(at: CacheFolder.values(in: folder, generation: generation))
    var transaction: OpaquePointer?
    try check(
      mdb_txn_begin(map.environment, nil, UInt32(MDB_RDONLY), &transaction), "mdb_txn_begin",
      "the cache")
    guard let transaction else { preconditionFailure("LMDB returns what it began") }
    mdb_txn_reset(transaction)
    self.generation = generation
    self.transaction = transaction
    self.map = map
  }

  // Runs before `map`'s, which closes the environment.
  deinit { mdb_txn_abort(transaction) }
}

/// Mappings that a reader keeps for its next read of the same value: mapping costs more than reading.
///
/// Let go as a whole when the writer has removed any large value since, so that what is kept is current,
/// and when they exceed `bytesMax`.
private struct KeptMappings {
  private static let bytesMax = 64 << 20
  private var values: [(number: UInt64, value: LargeValue)] = []
  private var byteCount = 0
  private var removalsSeen: UInt64 = 0

  /// - Returns: nil when the file is gone.
  mutating func mapping(
    of number: UInt64, in folder: String, byteCount: Int, _ control: borrowing ControlPage
  ) throws(CacheError) -> LargeValue? {
    let removals = control.largeValuesRemoved
    if removals != removalsSeen { removeAll() }
    removalsSeen = removals
    if let kept = values.first(where: { $0.number == number }) { return kept.value }
    let value: LargeValue
    do {
      value = LargeValue(
        try MappedFile(opening: CacheFolder.largeValue(number, in: folder)))
    } catch {
      if error.codeName == "ENOENT" { return nil }
      throw CacheError(error)
    }
    guard value.bytes.count == byteCount else {
      throw CacheError(
        .badFormat, call: "mmap", doing: "opening large value \(number)",
        detail: "\(value.bytes.count) bytes instead of \(byteCount)")
    }
    keep(value, number: number)
    return value
  }

  private mutating func keep(_ value: LargeValue, number: UInt64) {
    guard value.bytes.count <= Self.bytesMax else { return }
    if byteCount + value.bytes.count > Self.bytesMax { removeAll() }
    values.append((number, value))
    byteCount += value.bytes.count
  }

  private mutating func removeAll() {
    values = []
    byteCount = 0
  }
}
