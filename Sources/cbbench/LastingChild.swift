import Foundation
import Platform

extension ChildProcess {
  /// Starts a child from a thread of its own, which stays until this program ends.
  ///
  /// The kernel ends a child with the *thread* that started it. A thread of Swift's pool goes when it
  /// has nothing to do for a few seconds, and would take the cluster that is being measured with it.
  static func lasting(_ command: Command) throws -> ChildProcess {
    let started = Locked<ChildProcess?>(nil)
    let failure = Locked<PlatformError?>(nil)
    let isDone = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      do throws(PlatformError) {
        try started.withLock { (slot) throws(PlatformError) in slot = try ChildProcess(command) }
      } catch {
        failure.withLock { $0 = error }
      }
      isDone.signal()
      while true { pause() }
    }
    isDone.wait()
    if let failure = failure.withLock({ $0 }) { throw failure }
    guard let child = started.withLock({ $0.take() }) else {
      preconditionFailure("a child that did not fail has started")
    }
    return child
  }
}
