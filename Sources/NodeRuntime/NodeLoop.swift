import CPlatform
import Glibc
import Platform

/// What one thread of a process runs: sockets, timers and one core, all owned by that thread.
package protocol NodeLoop: ~Copyable, SendableMetatype {
  /// Returns when the loop was told to stop (by a message in its mailbox) and has ended in order.
  mutating func run() throws
}

/// A node loop on its thread.
package final class RunningLoop: Sendable {
  private let thread: LoopThread

  private init(thread: LoopThread) { self.thread = thread }

  /// Makes the loop on its own new thread, where its sockets and children belong, and runs it there.
  ///
  /// - Parameter onEnd: called on that thread with what ended the loop, nil for an ordered stop.
  /// - Throws: what `make` threw; the thread is gone then.
  package static func start<Loop: NodeLoop & ~Copyable>(
    named name: String, onEnd: @escaping @Sendable ((any Error)?) -> Void = { _ in },
    _ make: @escaping @Sendable () throws -> Loop
  ) throws -> RunningLoop {
    let gate = try StartGate()
    let thread = try LoopThread(name: name) {
      var failure: (any Error)?
      do {
        var loop = try make()
        gate.open(nil)
        do { try loop.run() } catch { failure = error }
      } catch {
        gate.open(error)
        return
      }
      onEnd(failure)
    }
    if let error = try gate.wait() {
      thread.join()
      throw error
    }
    return RunningLoop(thread: thread)
  }

  /// Waits until the loop has ended. Any thread but its own.
  package func join() { thread.join() }
}

/// Lets one thread wait for the start of another.
private final class StartGate: Sendable {
  private let result = Locked<(any Error)?>(nil)
  private let event: EventFD

  init() throws(PlatformError) { event = try EventFD() }

  func open(_ error: (any Error)?) {
    result.withLock { $0 = error }
    event.signal()
  }

  func wait() throws -> (any Error)? {
    var item = pollfd(fd: event.raw, events: Int16(POLLIN), revents: 0)
    while poll(&item, 1, -1) < 0 {
      guard errno == EINTR else {
        throw PlatformError(code: errno, call: "poll", doing: "starting")
      }
    }
    return result.withLock { $0 }
  }
}
