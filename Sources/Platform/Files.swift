import CPlatform
import Glibc

/// Small files, whole.
package enum Files {
  /// - Parameter bytesMax: a longer file is refused with `EFBIG`.
  package static func contents(
    of path: String, bytesMax: Int = 256 << 20
  ) throws(PlatformError) -> [UInt8] {
    let file = try FileDescriptor(opening: path, flags: O_RDONLY)
    // Said before it is read where the size is known; files of /proc say 0.
    var facts = stat()
    let isSized = fstat(file.raw, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG
    let size = isSized ? Int(facts.st_size) : 0
    let tooLong = PlatformError(code: EFBIG, call: "read", doing: "reading \(path)")
    guard size <= bytesMax else { throw tooLong }
    // One byte more than it should have, so that its end is seen at the first try.
    var room = UnsafeMutableRawBufferPointer.allocate(byteCount: max(4096, size + 1), alignment: 1)
    defer { room.deallocate() }
    var used = 0
    while case .bytes(let count) = try file.read(into: .init(rebasing: room[used...])) {
      used += count
      guard used <= bytesMax else { throw tooLong }
      if used == room.count { grow(&room) }
    }
    return Array(UnsafeRawBufferPointer(rebasing: room[..<used]))
  }

  private static func grow(_ room: inout UnsafeMutableRawBufferPointer) {
    let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * room.count, alignment: 1)
    larger.copyMemory(from: UnsafeRawBufferPointer(room))
    room.deallocate()
    room = larger
  }

  /// Replaces the file as a whole: after a crash it holds the old bytes or the new ones.
  ///
  /// The new bytes and the folder's entry are synced before this returns.
  package static func writeAtomically(
    _ bytes: [UInt8], to path: String, mode: UInt32 = 0o600
  ) throws(PlatformError) {
    let temporary = "\(path).\(getpid()).\(String(RandomBytes.word(), radix: 36)).tmp"
    do throws(PlatformError) {
      try write(bytes, toNew: temporary, mode: mode)
      try retrying("rename", doing: "replacing \(path)") { Int(rename(temporary, path)) }
    } catch {
      unlink(temporary)
      throw error
    }
    try FileDescriptor(opening: folder(of: path), flags: O_RDONLY | O_DIRECTORY).sync()
  }

  private static func write(
    _ bytes: [UInt8], toNew path: String, mode: UInt32
  ) throws(PlatformError) {
    let file = try FileDescriptor(
      opening: path, flags: O_WRONLY | O_CREAT | O_EXCL, mode: mode)
    var written = 0
    while written < bytes.count {
      written += try retrying("write", doing: "writing \(path)") {
        bytes.withUnsafeBytes {
          Glibc.write(file.raw, $0.baseAddress! + written, bytes.count - written)
        }
      }
    }
    try file.sync()
  }

  /// Like `mkdir -p`; folders that exist stay as they are.
  ///
  /// - Parameter mode: by default only the owner may enter.
  package static func createFolders(_ path: String, mode: UInt32 = 0o700) throws(PlatformError) {
    if mkdir(path, mode) == 0 || isFolder(path) { return }
    let error = PlatformError.current(in: "mkdir", doing: "creating folder \(path)")
    guard error.code == ENOENT, folder(of: path) != path else { throw error }
    try createFolders(folder(of: path), mode: mode)
    if mkdir(path, mode) == 0 || isFolder(path) { return }
    throw .current(in: "mkdir", doing: "creating folder \(path)")
  }

  /// - Returns: whether there was a file to remove.
  @discardableResult
  package static func remove(_ path: String) throws(PlatformError) -> Bool {
    if unlink(path) == 0 { return true }
    let error = PlatformError.current(in: "unlink", doing: "removing \(path)")
    guard error.code == ENOENT else { throw error }
    return false
  }

  package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Absolute and without links. - Returns: `nil` where there is no such file.
  package static func realPath(_ path: String) -> String? {
    guard let found = realpath(path, nil) else { return nil }
    defer { free(found) }
    return String(cString: found)
  }

  /// The names in a folder, sorted, without `.` and `..`.
  package static func names(in folder: String) throws(PlatformError) -> [String] {
    guard let stream = opendir(folder) else {
      throw .current(in: "opendir", doing: "listing \(folder)")
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  private static func isFolder(_ path: String) -> Bool {
    let code = errno
    defer { errno = code }
    var facts = stat()
    return stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
  }

  /// The folder that a path lies in; `.` for a bare name.
  package static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
