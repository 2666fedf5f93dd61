import CRocksDB
package import ClusterModel
import Glibc
import WireProtocol

/// The records of one storage node on disk: RocksDB with the records' merge as its merge operator.
///
/// One process at a time; within it, one thread at a time, and a ``DurableLogReader`` on another. What
/// `writeSynced` returned from is on the disk. Bytes whose checksum does not match are an error, never a record.
package final class DurableLog {
  /// Memory RocksDB may use: the tables being filled and flushed (2 x 16 MiB), its cache (8 MiB).
  static let memtableBytesMax = 16 << 20
  static let cacheBytesMax = 8 << 20
  static let openFilesMax: Int32 = 256
  /// A hundredth of the files that do not have a key are looked into.
  private static let filterBitsPerKey = 10.0
  /// The log of writes is replayed at start; beyond this the oldest memtable is flushed.
  static let replayBytesMax: UInt64 = 64 << 20

  private let folder: DataFolder
  private let options: OpaquePointer
  private let syncedWrites: OpaquePointer
  /// Bytes at the journal's end that were cut when it was opened: a write that never was acknowledged.
  package private(set) var unfinishedBytes = 0
  /// Nil only after `reopen` failed.
  private var database: OpaquePointer?
  /// The same for the reader, which keeps it open while it reads.
  private let shared = OpenDatabase()

  /// Opens a folder, or makes it. An unclean end of the process before needs no repair: what was
  /// synced is there, a write that was cut off is not.
  ///
  /// - Throws: `dataLocked`, `dataFormat`, `storageFailed`.
  package init(folder path: String) throws(DurableLogError) {
    let folder = try DataFolder(path)
    let options = Self.options()
    do throws(DurableLogError) {
      (database, unfinishedBytes) = try Self.open(folder.logPath, options)
    } catch {
      rocksdb_options_destroy(options)
      throw error
    }
    self.folder = folder
    self.options = options
    syncedWrites = rocksdb_writeoptions_create()
    rocksdb_writeoptions_set_sync(syncedWrites, 1)
    shared.set(database)
  }

  deinit {
    shared.set(nil)
    if let database { rocksdb_close(database) }
    rocksdb_writeoptions_destroy(syncedWrites)
    rocksdb_options_destroy(options)
  }

  /// Merges all of the records into what is there, or none of them, and syncs. An empty envelope
  /// removes the key.
  ///
  /// After an error it is unknown whether they are on the disk; writing them again does no harm.
  package func writeSynced(
    _ records: some Sequence<(key: Key, envelope: Bytes)>
  ) throws(DurableLogError) {
    let batch = rocksdb_writebatch_create()
    defer { rocksdb_writebatch_destroy(batch) }
    for record in records {
      record.key.bytes.withUnsafeBytes { key in
        let keyStart = key.baseAddress?.assumingMemoryBound(to: CChar.self)
        guard !record.envelope.isEmpty else {
          return rocksdb_writebatch_delete(batch, keyStart, key.count)
        }
        record.envelope.withUnsafeBytes { value in
          rocksdb_writebatch_merge(
            batch, keyStart, key.count,
            value.baseAddress?.assumingMemoryBound(to: CChar.self), value.count)
        }
      }
    }
    guard let database else {
      throw DurableLogError(
        code: .storageFailed, doing: "writing to \(folder.path)", reason: "it is not open")
    }
    try Self.check("writing \(rocksdb_writebatch_count(batch)) records") { error in
      rocksdb_write(database, syncedWrites, batch, error)
    }
  }

  /// Gives every key and encoded record, tombstones too, in the keys' order, borrowed.
  ///
  /// - Throws: `storageFailed` at the first damaged one; none after it is given.
  package func forEach(
    _ body: (_ key: UnsafeRawBufferPointer, _ envelope: UnsafeRawBufferPointer) -> Void
  ) throws(DurableLogError) {
    guard let database else { preconditionFailure("read before the first failure") }
    let reading = rocksdb_readoptions_create()
    defer { rocksdb_readoptions_destroy(reading) }
    rocksdb_readoptions_set_verify_checksums(reading, 1)
    rocksdb_readoptions_set_fill_cache(reading, 0)
    let iterator = rocksdb_create_iterator(database, reading)
    defer { rocksdb_iter_destroy(iterator) }
    rocksdb_iter_seek_to_first(iterator)
    while rocksdb_iter_valid(iterator) != 0 {
      let key = Self.borrowed { rocksdb_iter_key(iterator, $0) }
      let value = Self.borrowed { rocksdb_iter_value(iterator, $0) }
      guard Key.isValid(key), RecordHeader(checking: value) != nil else {
        let text = String(decoding: key, as: UTF8.self)
        throw DurableLogError(
          code: .storageFailed, doing: "reading \(folder.path)",
          reason: "what is stored under \(text.debugDescription) is no record")
      }
      body(key, value)
      rocksdb_iter_next(iterator)
    }
    try Self.check("reading \(folder.path)") { rocksdb_iter_get_error(iterator, $0) }
  }

  /// Reads single records, from another thread.
  package func reader() -> DurableLogReader { DurableLogReader(shared, folder: folder.path) }

  /// Closes and opens the database: after an I/O error RocksDB takes no writes any more, even when
  /// the disk does. After an error of this call, call it again before anything else.
  package func reopen() throws(DurableLogError) {
    shared.set(nil)
    if let database { rocksdb_close(database) }
    database = nil
    (database, unfinishedBytes) = try Self.open(folder.logPath, options)
    shared.set(database)
  }

  /// - Returns: also how many bytes of an unfinished write were cut first.
  private static func open(
    _ path: String, _ options: OpaquePointer
  ) throws(DurableLogError) -> (OpaquePointer?, unfinishedBytes: Int) {
    do throws(DurableLogError) {
      return (try openAsItIs(path, options), 0)
    } catch {
      guard error.isDamage, let bytes = JournalTail.cutUnfinished(inFolder: path) else {
        throw error
      }
      return (try openAsItIs(path, options), bytes)
    }
  }

  private static func openAsItIs(
    _ path: String, _ options: OpaquePointer
  ) throws(DurableLogError) -> OpaquePointer {
    var database: OpaquePointer?
    try check("opening \(path)") { database = rocksdb_open(options, path, $0) }
    guard let database else { preconditionFailure("rocksdb_open gives a database or an error") }
    return database
  }

  private static func options() -> OpaquePointer {
    let options: OpaquePointer = rocksdb_options_create()
    rocksdb_options_set_create_if_missing(options, 1)
    rocksdb_options_set_paranoid_checks(options, 1)
    rocksdb_options_set_merge_operator(options, recordMergeOperator())
    rocksdb_options_set_write_buffer_size(options, memtableBytesMax)
    rocksdb_options_set_max_write_buffer_number(options, 2)
    rocksdb_options_set_max_total_wal_size(options, replayBytesMax)
    rocksdb_options_set_max_open_files(options, openFilesMax)
    rocksdb_options_set_max_background_jobs(options, 2)
    // Within a memtable a key that is written again and again is merged, not piled up.
    rocksdb_options_set_max_successive_merges(options, 8)
    // A record cut off at the very end was never acknowledged; damage before it is reported, except
    // where it makes the last record look cut off. See `JournalTail` for what is more than cut off.
    rocksdb_options_set_wal_recovery_mode(
      options, Int32(rocksdb_tolerate_corrupted_tail_records_recovery))
    rocksdb_options_set_keep_log_file_num(options, 2)
    rocksdb_options_set_max_log_file_size(options, 1 << 20)
    rocksdb_options_set_stats_dump_period_sec(options, 0)
    let table = rocksdb_block_based_options_create()
    let cache = rocksdb_cache_create_lru(cacheBytesMax)
    rocksdb_block_based_options_set_block_cache(table, cache)
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1)
    // A cold record is looked for in one file, not in one of every level.
    rocksdb_block_based_options_set_filter_policy(
      table, rocksdb_filterpolicy_create_bloom_full(filterBitsPerKey))
    rocksdb_options_set_block_based_table_factory(options, table)
    // The options keep both alive.
    rocksdb_cache_destroy(cache)
    rocksdb_block_based_options_destroy(table)
    return options
  }

  private static func borrowed(
    _ borrow: (UnsafeMutablePointer<Int>) -> UnsafePointer<CChar>?
  ) -> UnsafeRawBufferPointer {
    var count = 0
    let start = borrow(&count)
    return UnsafeRawBufferPointer(start: start, count: count)
  }

  /// Makes a call that may leave an error text.
  static func check(
    _ doing: @autoclosure () -> String,
    _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Void
  ) throws(DurableLogError) {
    var text: UnsafeMutablePointer<CChar>?
    body(&text)
    guard let text else { return }
    defer { rocksdb_free(text) }
    throw DurableLogError(
      code: .storageFailed, doing: doing(), reason: "RocksDB: \(String(cString: text))")
  }
}
