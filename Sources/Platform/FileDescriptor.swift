import CPlatform
import Glibc

/// One open file, pipe end or other kernel object: one owner, always close-on-exec, closed when the
/// owner lets go.
package struct FileDescriptor: ~Copyable, Sendable {
  /// The number. Valid for as long as the owner lives.
  package let raw: Int32

  /// Takes ownership of `raw`, which must already be close-on-exec.
  package init(owning raw: Int32) {
    precondition(raw >= 0, "a descriptor that was opened has a number")
    self.raw = raw
  }

  /// Opens a file; `O_CLOEXEC` is added to `flags`. `mode` counts only where a file is created.
  package init(
    opening path: String, flags: Int32, mode: UInt32 = 0o600
  ) throws(PlatformError) {
    raw = Int32(
      try retrying("open", doing: "opening \(path)") { Int(open(path, flags | O_CLOEXEC, mode)) })
  }

  deinit { close(raw) }

  /// Gives the number away without closing it.
  package consuming func release() -> Int32 {
    let raw = self.raw
    discard self
    return raw
  }

  /// What one `read` found.
  package enum ReadOutcome: Equatable, Sendable {
    case bytes(Int)
    case endOfFile
    case wouldBlock
  }

  /// Reads at most `buffer.count` (> 0) bytes.
  package borrowing func read(
    into buffer: UnsafeMutableRawBufferPointer
  ) throws(PlatformError) -> ReadOutcome {
    while true {
      let count = Glibc.read(raw, buffer.baseAddress, buffer.count)
      if count > 0 { return .bytes(count) }
      if count == 0 { return .endOfFile }
      let error = PlatformError.current(in: "read", doing: "reading descriptor \(raw)")
      switch error.code {
      case EINTR: continue
      case EAGAIN: return .wouldBlock
      default: throw error
      }
    }
  }

  /// Writes all of `bytes`; only for descriptors that block.
  package borrowing func write(_ bytes: UnsafeRawBufferPointer) throws(PlatformError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let chunk = UnsafeRawBufferPointer(rebasing: rest)
      let count = try retrying("write", doing: "writing descriptor \(raw)") {
        Glibc.write(raw, chunk.baseAddress, chunk.count)
      }
      rest = rest.dropFirst(count)
    }
  }

  /// Returns once the kernel says that contents and metadata are on the device.
  package borrowing func sync() throws(PlatformError) {
    try retrying("fsync", doing: "syncing descriptor \(raw)") { Int(fsync(raw)) }
  }

  package borrowing func setNonBlocking() throws(PlatformError) {
    let flags = try retrying("fcntl", doing: "reading flags") { Int(fcntl(raw, F_GETFL)) }
    try retrying("fcntl", doing: "setting O_NONBLOCK") {
      Int(fcntl(raw, F_SETFL, Int32(flags) | O_NONBLOCK))
    }
  }
}

/// A pipe whose two ends have one owner until one of them is chosen.
package struct Pipe: ~Copyable {
  private var readEnd: FileDescriptor
  private var writeEnd: FileDescriptor

  package init() throws(PlatformError) {
    var ends: (Int32, Int32) = (-1, -1)
    let result = withUnsafeMutableBytes(of: &ends) {
      cb_pipe($0.assumingMemoryBound(to: Int32.self).baseAddress)
    }
    guard result == 0 else { throw .current(in: "pipe2", doing: "opening a pipe") }
    readEnd = FileDescriptor(owning: ends.0)
    writeEnd = FileDescriptor(owning: ends.1)
  }

  /// To hand to a child while the pipe is alive.
  package var rawReader: Int32 { readEnd.raw }
  /// To hand to a child while the pipe is alive.
  package var rawWriter: Int32 { writeEnd.raw }

  /// Keeps the reading end and closes the other: after this, end of file means that every writer
  /// (a child, say) is gone.
  package consuming func reader() -> FileDescriptor { readEnd }

  /// Keeps the writing end and closes the other.
  package consuming func writer() -> FileDescriptor { writeEnd }
}
