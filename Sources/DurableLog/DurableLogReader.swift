import CRocksDB
package import ClusterModel
import Platform
import WireProtocol

/// Reads single records of a log beside its writer, from one thread of its own.
package final class DurableLogReader: Sendable {
  private let database: OpenDatabase
  private let folder: String

  init(_ database: OpenDatabase, folder: String) {
    self.database = database
    self.folder = folder
  }

  /// What is stored under each key, merged, as one of the synced writes left it.
  ///
  /// - Returns: in the order of `keys`: a copy of the encoded record, empty where there is none, or why it
  ///   cannot be read: a damaged one is never given.
  package func read(_ keys: [Key]) -> [Result<Bytes, DurableLogError>] {
    database.withOpen { database in
      guard let database else {
        let error = DurableLogError(
          code: .storageFailed, doing: "reading \(folder)", reason: "it is not open")
        return keys.map { _ in .failure(error) }
      }
      let options = rocksdb_readoptions_create()
      defer { rocksdb_readoptions_destroy(options) }
      rocksdb_readoptions_set_verify_checksums(options, 1)
      return keys.map { key in
        do throws(DurableLogError) {
          return .success(try read(key, of: database, options))
        } catch {
          return .failure(error)
        }
      }
    }
  }

  private func read(
    _ key: Key, of database: OpaquePointer, _ options: OpaquePointer?
  ) throws(DurableLogError) -> Bytes {
    var found: OpaquePointer?
    try DurableLog.check("reading \(folder)") { error in
      found = key.bytes.withUnsafeBytes { key in
        rocksdb_get_pinned(
          database, options, key.baseAddress?.assumingMemoryBound(to: CChar.self), key.count, error)
      }
    }
    guard let found else { return [] }
    defer { rocksdb_pinnableslice_destroy(found) }
    var count = 0
    let start = rocksdb_pinnableslice_value(found, &count)
    return Array(UnsafeRawBufferPointer(start: start, count: count))[...]
  }
}

/// A database that stays open while somebody reads it.
final class OpenDatabase: Sendable {
  /// SAFETY: RocksDB takes calls from any thread; the lock is for its end.
  private struct Handle: @unchecked Sendable {
    var database: OpaquePointer?
  }

  private let handle = Locked(Handle())

  /// Waits for who reads the one before.
  func set(_ database: OpaquePointer?) { handle.withLock { $0.database = database } }

  func withOpen<Result>(_ body: (OpaquePointer?) -> sending Result) -> sending Result {
    handle.withLock { body($0.database) }
  }
}
