import ClusterModel
import Glibc
import Platform

/// One store's folder on disk: its format, and the lock that lets one process use it.
///
/// ```
/// FORMAT   "cloudburst 1": read before anything else is touched
/// LOCK     locked (flock) while a process uses the folder; holds that process's id
/// log/     RocksDB's files
/// ```
struct DataFolder: ~Copyable {
  static let formatVersion = 1

  let path: String
  private let lock: FileDescriptor

  /// Makes the folder if it is not there. The lock ends with the value, also when the process dies.
  init(_ path: String) throws(DurableLogError) {
    let lock = try Self.openLock(of: path)
    try Self.take(lock.raw, of: path)
    try Self.checkFormat(of: path)
    self.lock = lock
    self.path = path
  }

  var logPath: String { "\(path)/log" }

  private static func openLock(of path: String) throws(DurableLogError) -> FileDescriptor {
    do throws(PlatformError) {
      try Files.createFolders(path)
      return try FileDescriptor(opening: "\(path)/LOCK", flags: O_RDWR | O_CREAT)
    } catch {
      throw refused(path, error)
    }
  }

  private static func take(_ lock: Int32, of path: String) throws(DurableLogError) {
    guard flock(lock, LOCK_EX | LOCK_NB) != 0 else {
      ftruncate(lock, 0)
      let name = Array("\(getpid())\n".utf8)
      _ = pwrite(lock, name, name.count, 0)
      return
    }
    let code = errno
    guard code == EWOULDBLOCK else {
      throw refused(path, PlatformError(code: code, call: "flock", doing: "locking \(path)"))
    }
    let owner = (try? Files.contents(of: "\(path)/LOCK", bytesMax: 64)) ?? []
    let process = String(decoding: owner.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    throw DurableLogError(
      code: .dataLocked, doing: "opening the data folder \(path)",
      reason: "process \(process.isEmpty ? "unknown" : process) uses it")
  }

  private static func checkFormat(of path: String) throws(DurableLogError) {
    let file = "\(path)/FORMAT"
    let text: String
    do throws(PlatformError) {
      guard Files.exists(file) else {
        try Files.writeAtomically(Array("cloudburst \(formatVersion)\n".utf8), to: file)
        return
      }
      text = String(decoding: try Files.contents(of: file, bytesMax: 256), as: UTF8.self)
    } catch {
      throw refused(path, error)
    }
    let words = text.split { $0 == " " || $0 == "\n" }
    let version = words.count == 2 && words[0] == "cloudburst" ? Int(words[1]) : nil
    guard let version, version <= formatVersion else {
      let found = version.map { "it has format \($0), and this version reads up to" }
      throw DurableLogError(
        code: .dataFormat, doing: "opening the data folder \(path)",
        reason: "\(found ?? "its FORMAT file names no format up to") \(formatVersion)")
    }
  }

  private static func refused(_ path: String, _ error: PlatformError) -> DurableLogError {
    DurableLogError(
      code: .storageFailed, doing: "opening the data folder \(path)", reason: error.description)
  }
}
