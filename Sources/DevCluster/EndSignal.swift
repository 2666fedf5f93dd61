package import ClusterModel
import Glibc
package import Platform

/// Tells the main thread that its process is to end, and why.
package final class EndSignal: Sendable {
  private let event: EventFD
  private let reason = Locked<Failure?>(nil)

  package init() throws(PlatformError) { event = try EventFD() }

  /// Nil when somebody asked for the end.
  package var failure: Failure? { reason.withLock { $0 } }

  /// A client asked for it.
  func request() { event.signal() }

  /// A loop ended; without an error only because it was told to.
  func loopEnded(_ name: String, _ error: (any Error)?) {
    guard let error else { return }
    let failure =
      (error as? Failure) ?? Failure(.internalError, "the \(name) loop failed: \(error)")
    reason.withLock { $0 = $0 ?? failure }
    event.signal()
  }

  /// Sleeps until a signal asks for the end, a client does, or a loop has failed.
  ///
  /// - Parameter onLeave: what `SIGUSR1` asks for: to hand over what is held here, and then end.
  package func wait(with signals: borrowing Signals, onLeave: () -> Void = {}) {
    while true {
      var items = [
        pollfd(fd: signals.raw, events: Int16(POLLIN), revents: 0),
        pollfd(fd: event.raw, events: Int16(POLLIN), revents: 0),
      ]
      guard poll(&items, 2, -1) > 0 else { continue }
      if items[1].revents != 0 { return }
      guard let signal = try? signals.next() else { continue }
      switch signal {
      // A hang-up is the terminal's, or an operator's wish to reread files: there are none here.
      case SIGHUP: continue
      case SIGUSR1: onLeave()
      default: return
      }
    }
  }
}
