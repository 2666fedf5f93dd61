import CPlatform
import Glibc

/// Signals as something a loop polls: no handler ever interrupts our code.
///
/// Open it on the main thread before any other thread starts: the signals are blocked in the
/// calling thread and in those it starts later, and a thread that does not block them would be
/// killed by them. Children start with an empty mask (``ChildProcess``).
package struct Signals: ~Copyable {
  private let descriptor: FileDescriptor

  /// - Parameter numbers: by default those that ask a daemon to end, to reread its files, or to hand
  ///   over what it holds and go (`SIGUSR1`).
  package init(_ numbers: [Int32] = [SIGTERM, SIGINT, SIGHUP, SIGUSR1]) throws(PlatformError) {
    let raw = cb_signalfd(numbers, numbers.count)
    guard raw >= 0 else { throw .current(in: "signalfd", doing: "listening for signals") }
    descriptor = FileDescriptor(owning: raw)
  }

  /// To poll on, for as long as the owner lives.
  package var raw: Int32 { descriptor.raw }

  /// - Returns: the number of a signal that arrived, `nil` when there is none.
  package borrowing func next() throws(PlatformError) -> Int32? {
    while true {
      let number = cb_signalfd_read(descriptor.raw)
      if number > 0 { return number }
      let error = PlatformError.current(in: "read", doing: "reading a signal")
      switch error.code {
      case EINTR: continue
      case EAGAIN: return nil
      default: throw error
      }
    }
  }

  /// A peer that closes its end becomes `EPIPE` of the write instead of the process's death.
  package static func ignoreBrokenPipes() {
    cb_ignore_signal(SIGPIPE)
  }
}
