import CLMDB
import Glibc
import Platform

/// One LMDB environment with its one table: a generation of the cache.
///
/// LMDB allows one environment of a file per process, so the writer reads through its own.
final class ValueMap {
  let environment: OpaquePointer
  let path: String

  /// The table that every environment has: no name, no transaction needed to open it.
  static let table: MDB_dbi = 1

  /// Reserved when it was created; 0 in a reader.
  let byteCount: Int

  private init(_ environment: OpaquePointer, path: String, byteCount: Int) {
    self.environment = environment
    self.path = path
    self.byteCount = byteCount
  }

  /// Creates a map whose space, that of its lock file included, is reserved before it is used: a
  /// full file system is an error here and never a SIGBUS later. On failure no file is left behind.
  static func created(
    at path: String, bytes: Int, readersMax: Int
  ) throws(CacheError) -> ValueMap {
    do throws(CacheError) {
      try reserveLockFile(path + "-lock", readersMax: readersMax)
      let flags = MDB_WRITEMAP | MDB_NOSYNC | MDB_NOMEMINIT
      let map = ValueMap(
        try open(path, flags: flags, bytes: bytes), path: path, byteCount: bytes)
      try reserve(path, bytes: bytes)
      try openTable(of: map.environment, flags: 0)
      return map
    } catch {
      removeFiles(path)
      throw error
    }
  }

  /// Opens a map that another process writes.
  static func opened(at path: String) throws(CacheError) -> ValueMap {
    let map = ValueMap(try open(path, flags: MDB_RDONLY, bytes: 0), path: path, byteCount: 0)
    try openTable(of: map.environment, flags: UInt32(MDB_RDONLY))
    return map
  }

  deinit { mdb_env_close(environment) }

  /// Those who have them open keep reading them.
  static func removeFiles(_ path: String) {
    unlink(path)
    unlink(path + "-lock")
  }

  /// LMDB takes a lock file that is longer than it needs, with room for as many readers as fit.
  private static func reserveLockFile(_ path: String, readersMax: Int) throws(CacheError) {
    do {
      _ = try MappedFile(creating: path, byteCount: 8192 + 64 * readersMax)
    } catch {
      throw CacheError(error)
    }
  }

  private static func open(
    _ path: String, flags: Int32, bytes: Int
  ) throws(CacheError) -> OpaquePointer {
    var environment: OpaquePointer?
    try check(mdb_env_create(&environment), "mdb_env_create", path)
    guard let environment else { preconditionFailure("LMDB returns what it created") }
    var code = bytes > 0 ? mdb_env_set_mapsize(environment, bytes) : 0
    if code == 0 {
      let all = UInt32(flags | MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD)
      code = mdb_env_open(environment, path, all, 0o600)
    }
    if code != 0 { mdb_env_close(environment) }
    try check(code, "mdb_env_open", path)
    return environment
  }

  private static func reserve(_ path: String, bytes: Int) throws(CacheError) {
    let file: FileDescriptor
    do {
      file = try FileDescriptor(opening: path, flags: O_RDWR)
    } catch {
      throw CacheError(error)
    }
    try check(
      posix_fallocate(file.raw, 0, off_t(bytes)), "posix_fallocate", "\(bytes) bytes of \(path)")
  }

  private static func openTable(of environment: OpaquePointer, flags: UInt32) throws(CacheError) {
    var transaction: OpaquePointer?
    var table: MDB_dbi = 0
    try check(mdb_txn_begin(environment, nil, flags, &transaction), "mdb_txn_begin", "opening")
    let code = mdb_dbi_open(transaction, nil, 0, &table)
    mdb_txn_abort(transaction)
    try check(code, "mdb_dbi_open", "opening")
    precondition(table == Self.table, "LMDB's unnamed table is number 1")
  }
}

/// Turns LMDB's return code, or an errno, into what it means for the cache.
func check(_ code: Int32, _ call: String, _ doing: @autoclosure () -> String) throws(CacheError) {
  guard code != 0 else { return }
  let meaning: CacheError.Code =
    switch code {
    case MDB_MAP_FULL, MDB_TXN_FULL: .full
    case MDB_READERS_FULL: .tooManyReaders
    case MDB_INVALID, MDB_VERSION_MISMATCH, MDB_CORRUPTED, MDB_PAGE_NOTFOUND: .badFormat
    case ENOSPC, EFBIG, ENOMEM, EDQUOT: .noSpace
    default: .system
    }
  throw CacheError(
    meaning, call: call, doing: "using \(doing())", detail: String(cString: mdb_strerror(code)))
}

/// Lends `bytes` to LMDB, which does not write to them.
func lent(_ bytes: UnsafeRawBufferPointer) -> MDB_val {
  MDB_val(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
}

extension UnsafeRawBufferPointer {
  init(_ value: MDB_val) { self.init(start: value.mv_data, count: value.mv_size) }
}
