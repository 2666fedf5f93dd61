import CPlatform
import Glibc

/// A counter in the kernel that a poller can wait for: readable while signalled.
package struct EventFD: ~Copyable, Sendable {
  private let descriptor: FileDescriptor

  package init() throws(PlatformError) {
    let raw = cb_eventfd()
    guard raw >= 0 else { throw .current(in: "eventfd", doing: "opening an event descriptor") }
    descriptor = FileDescriptor(owning: raw)
  }

  /// To poll on, for as long as the owner lives.
  package var raw: Int32 { descriptor.raw }

  /// Makes the descriptor readable. Any thread.
  package borrowing func signal() {
    var one: UInt64 = 1
    // The counter is full after 2^64 signals without a clear: it is readable then, too.
    while write(descriptor.raw, &one, 8) < 0, errno == EINTR {}
  }

  /// - Returns: whether it had been signalled; it no longer is.
  @discardableResult
  package borrowing func clear() -> Bool {
    var count: UInt64 = 0
    while true {
      if read(descriptor.raw, &count, 8) == 8 { return true }
      if errno != EINTR { return false }
    }
  }
}
