import CPlatform
import Glibc

/// The memory of a process, to be looked at again and again.
package final class ProcessMemory: Sendable {
  /// Bytes in use.
  package struct Usage: Equatable, Sendable {
    /// Of its own: not backed by a file, not shared.
    package var privateBytes: UInt64
    /// Of mapped files and shared memory.
    package var sharedBytes: UInt64
    /// Of private mappings, in use or not: what `limit` is about.
    package var mappedBytes: UInt64
  }

  private let id: Int32
  private let descriptor: FileDescriptor

  /// - Parameter id: of a child that is not reaped, so that the number is nobody else's.
  package init?(of id: Int32) {
    let raw = open("/proc/\(id)/statm", O_RDONLY | O_CLOEXEC)
    guard raw >= 0 else { return nil }
    self.id = id
    descriptor = FileDescriptor(owning: raw)
  }

  /// - Returns: nil once the process has ended.
  package func usage() -> Usage? {
    var memory = cb_memory()
    guard cb_process_memory(descriptor.raw, &memory) == 0, memory.resident > 0 else { return nil }
    let shared = min(memory.shared, memory.resident)
    return Usage(
      privateBytes: memory.resident - shared, sharedBytes: shared, mappedBytes: memory.data)
  }

  /// What the process may map for itself now (the soft `RLIMIT_DATA`).
  package var limit: UInt64 { cb_data_limit_of(id) }

  /// Sets this process's own limit; what is mapped already stays.
  package static func setOwnLimit(_ bytes: UInt64) { cb_set_data_limit(bytes) }

  /// The processes that its main thread started and that still run.
  package func children() -> [Int32] {
    let path = "/proc/\(id)/task/\(id)/children"
    guard let text = try? Files.contents(of: path, bytesMax: 4096) else { return [] }
    return String(decoding: text, as: UTF8.self).split(separator: " ").compactMap { Int32($0) }
  }
}
