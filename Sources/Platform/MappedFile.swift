import CPlatform
import Glibc

/// A file in memory, shared with every process that maps it; unmapped when the owner lets go.
///
/// The file itself stays until it is removed; those who have it mapped keep its bytes.
package struct MappedFile: ~Copyable {
  package let path: String
  private let start: UnsafeMutableRawPointer
  private let count: Int
  private let isWritable: Bool

  /// Creates a file of zeroes whose space is reserved: a full file system is an error here
  /// (`ENOSPC`) and never a SIGBUS at a later access. On failure no file is left behind.
  ///
  /// - Parameters:
  ///   - path: must not exist (`EEXIST`).
  ///   - byteCount: > 0.
  package init(
    creating path: String, byteCount: Int, mode: UInt32 = 0o600
  ) throws(PlatformError) {
    precondition(byteCount > 0, "an empty file cannot be mapped")
    let file = try FileDescriptor(opening: path, flags: O_RDWR | O_CREAT | O_EXCL, mode: mode)
    do throws(PlatformError) {
      guard cb_reserve_file(file.raw, off_t(byteCount)) == 0 else {
        throw .current(in: "posix_fallocate", doing: "reserving \(byteCount) bytes for \(path)")
      }
      start = try map(file, count: byteCount, writable: true, path: path)
    } catch {
      unlink(path)
      throw error
    }
    self.path = path
    count = byteCount
    isWritable = true
  }

  /// Maps a whole file that exists. A file that another process truncates afterwards kills its
  /// readers (SIGBUS): ours are never truncated, only removed.
  package init(opening path: String, writable: Bool = false) throws(PlatformError) {
    let file = try FileDescriptor(opening: path, flags: writable ? O_RDWR : O_RDONLY)
    var facts = stat()
    guard fstat(file.raw, &facts) == 0 else {
      throw .current(in: "fstat", doing: "measuring \(path)")
    }
    guard facts.st_size > 0 else {
      throw PlatformError(code: EINVAL, call: "mmap", doing: "mapping \(path), which is empty")
    }
    start = try map(file, count: Int(facts.st_size), writable: writable, path: path)
    self.path = path
    count = Int(facts.st_size)
    isWritable = writable
  }

  deinit { munmap(start, count) }

  /// Valid for as long as the owner lives; starts at a page boundary.
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

  /// As ``bytes``; only where the mapping was created or opened as writable.
  package var mutableBytes: UnsafeMutableRawBufferPointer {
    precondition(isWritable, "the mapping was opened for reading")
    return UnsafeMutableRawBufferPointer(start: start, count: count)
  }

  /// Removes the file's name; this and other mappings of it stay valid.
  package borrowing func unlinkFile() throws(PlatformError) {
    try Files.remove(path)
  }
}

private func map(
  _ file: borrowing FileDescriptor, count: Int, writable: Bool, path: String
) throws(PlatformError) -> UnsafeMutableRawPointer {
  let protection = writable ? PROT_READ | PROT_WRITE : PROT_READ
  let start = mmap(nil, count, protection, MAP_SHARED, file.raw, 0)
  guard let start, start != MAP_FAILED else {
    throw .current(in: "mmap", doing: "mapping \(path)")
  }
  return start
}
