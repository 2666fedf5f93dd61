import CLMDB
package import ClusterModel
import Glibc
import Platform
package import WireProtocol

/// One change of the cache's contents.
package enum CacheChange: Equatable, Sendable {
  case put(Key, Record)
  case remove(Key)

  package var key: Key {
    switch self {
    case .put(let key, _), .remove(let key): key
    }
  }
}

/// The one process, and thread, that writes a node's cache.
package struct CacheWriter: ~Copyable {
  package let folder: String
  package let config: SharedCacheConfig
  private let control: ControlPage
  private var map: ValueMap?
  private var lastGeneration: UInt64
  private var largeFiles = LargeFiles()

  /// Creates a cache.
  ///
  /// - Parameter folder: created if need be; holds no other cache, and nothing else.
  /// - Throws: `noSpace` when not even `config.mapBytesMin` can be reserved.
  package init(
    folder: String, incarnation: Incarnation, config: SharedCacheConfig = SharedCacheConfig()
  ) throws(CacheError) {
    let control = try ControlPage.created(
      in: folder, incarnation: incarnation, slots: config.referenceSlots)
    do throws(CacheError) {
      map = try Self.makeMap(generation: 1, in: folder, config)
    } catch {
      unlink(CacheFolder.control(in: folder))
      throw error
    }
    control.generation = 1
    self.control = control
    self.folder = folder
    self.config = config
    lastGeneration = 1
  }

  /// What was reserved for small values: `config.mapBytes`, or less where shared memory has less.
  package var mapBytes: Int { map?.byteCount ?? 0 }

  /// Whether readers find anything: false between `disable` and the next `startGeneration`.
  package var isEnabled: Bool { map != nil }

  /// Readers wait behind this number before a result leaves the node.
  package func publish(acknowledgedSequence: UInt64) {
    control.acknowledgedSequence = acknowledgedSequence
  }

  /// One byte a slot (`StableHash` of the key, modulo the count): 1 where a reader used a key since the
  /// last call.
  package func takeReferences() -> [UInt8] { control.takeReferences() }

  /// Frees what readers hold that died without letting go. Call it when an executor is reaped.
  ///
  /// - Returns: how many there were.
  @discardableResult
  package func clearDeadReaders() throws(CacheError) -> Int {
    guard let environment = map?.environment else { return 0 }
    var dead: Int32 = 0
    try check(mdb_reader_check(environment, &dead), "mdb_reader_check", "the cache")
    return Int(dead)
  }

  /// Makes all changes visible at once; on failure none is.
  ///
  /// - Throws: `full` when the map has no room (evict, or `startGeneration`), `noSpace` when shared
  ///   memory has none for a large value.
  package mutating func apply(_ changes: [CacheChange]) throws(CacheError) {
    guard !changes.isEmpty else { return }
    guard let environment = map?.environment else {
      throw CacheError(.full, call: "mdb_txn_begin", doing: "writing", detail: "no map")
    }
    let transaction = try Self.begin(environment)
    do throws(CacheError) {
      for change in changes {
        switch change {
        case .put(let key, let record): try put(key, record, in: transaction)
        case .remove(let key): try remove(key, in: transaction)
        }
      }
    } catch {
      mdb_txn_abort(transaction)
      largeFiles.rollBack(in: folder)
      throw error
    }
    do throws(CacheError) {
      try check(mdb_txn_commit(transaction), "mdb_txn_commit", "the cache")
    } catch {
      largeFiles.rollBack(in: folder)
      throw error
    }
    if largeFiles.commit(in: folder) { control.noteLargeValuesRemoved() }
  }

  /// Begins an empty map and unlinks the one before, with all large values: for a map so full that even
  /// evicting fails. The caller installs again what it still has. Readers follow at their next read.
  ///
  /// - Throws: `noSpace`; the cache is then disabled.
  package mutating func startGeneration() throws(CacheError) {
    disable()
    lastGeneration += 1
    map = try Self.makeMap(generation: lastGeneration, in: folder, config)
    control.generation = lastGeneration
  }

  private static func makeMap(
    generation: UInt64, in folder: String, _ config: SharedCacheConfig
  ) throws(CacheError) -> ValueMap {
    let path = CacheFolder.values(in: folder, generation: generation)
    var bytes = config.mapBytes
    while true {
      do throws(CacheError) {
        return try ValueMap.created(at: path, bytes: bytes, readersMax: config.readersMax)
      } catch {
        guard error.code == .noSpace, bytes / 2 >= config.mapBytesMin else { throw error }
        bytes /= 2
      }
    }
  }

  /// Takes everything from the readers: what cannot be brought up to date must not be read.
  package mutating func disable() {
    guard let path = map?.path else { return }
    control.generation = 0
    ValueMap.removeFiles(path)
    map = nil
    largeFiles.removeAll(in: folder)
    control.noteLargeValuesRemoved()
  }

  /// Removes the cache from shared memory, its folder too if nothing else is there. Nothing can be
  /// read or written afterwards.
  package mutating func remove() {
    disable()
    unlink(CacheFolder.control(in: folder))
    rmdir(folder)
  }

  /// What is stored under a key, the payload of a large value excepted.
  package func read(_ key: Key) throws(CacheError) -> Stored? {
    guard let environment = map?.environment else { return nil }
    var transaction: OpaquePointer?
    try check(
      mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &transaction), "mdb_txn_begin",
      "the cache")
    defer { mdb_txn_abort(transaction) }
    return key.bytes.withUnsafeBytes { bytes in
      CacheEntry.withStoredKey(bytes, hash: StableHash.of(bytes)) { stored in
        var name = lent(stored)
        var value = MDB_val()
        guard mdb_get(transaction, ValueMap.table, &name, &value) == 0,
          let found = CacheEntry.parse(UnsafeRawBufferPointer(value), key: bytes),
          let record = try? Record(copying: found.envelope)
        else { return nil }
        return Stored(record: record, isLarge: found.kind == .file)
      }
    }
  }

  package struct Stored: Equatable, Sendable {
    /// Without its payload where `isLarge`.
    package let record: Record
    package let isLarge: Bool
  }

  private static func begin(_ environment: OpaquePointer) throws(CacheError) -> OpaquePointer {
    var transaction: OpaquePointer?
    try check(mdb_txn_begin(environment, nil, 0, &transaction), "mdb_txn_begin", "the cache")
    guard let transaction else { preconditionFailure("LMDB returns what it began") }
    return transaction
  }

  private mutating func put(
    _ key: Key, _ record: Record, in transaction: OpaquePointer
  ) throws(CacheError) {
    largeFiles.removeLater(key)
    var file: UInt64?
    if record.payload.count > config.inlineBytesMax {
      file = try largeFiles.create(for: key, record.payload, in: folder)
    }
    let code = key.bytes.withUnsafeBytes { bytes in
      CacheEntry.withStoredKey(bytes, hash: StableHash.of(bytes)) { stored in
        let kind = file == nil ? CacheEntry.Kind.inline : .file
        var name = lent(stored)
        var value = MDB_val(
          mv_size: CacheEntry.byteCount(of: record, key: bytes, kind: kind), mv_data: nil)
        let code = mdb_put(transaction, ValueMap.table, &name, &value, UInt32(MDB_RESERVE))
        guard code == 0 else { return code }
        CacheEntry.write(
          record, key: bytes, file: file,
          to: UnsafeMutableRawBufferPointer(start: value.mv_data, count: value.mv_size))
        return 0
      }
    }
    try check(code, "mdb_put", "key \(key)")
  }

  private mutating func remove(
    _ key: Key, in transaction: OpaquePointer
  ) throws(CacheError) {
    largeFiles.removeLater(key)
    let code = key.bytes.withUnsafeBytes { bytes in
      CacheEntry.withStoredKey(bytes, hash: StableHash.of(bytes)) { stored in
        var name = lent(stored)
        return mdb_del(transaction, ValueMap.table, &name, nil)
      }
    }
    if code != MDB_NOTFOUND { try check(code, "mdb_del", "key \(key)") }
  }
}
