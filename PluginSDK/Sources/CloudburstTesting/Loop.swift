import Glibc
import Synchronization

/// A thread that runs what it is given, in order: stands in for an executor's loop.
final class Loop: Sendable {
  typealias Turn = @Sendable () -> Void

  private struct Queue {
    var turns: [Turn] = []
    var thread: pthread_t?
    var isOpen = true
  }
  private let queue = Mutex(Queue())
  private let wake = Wake()

  init() {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(self).toOpaque()
    let failure = pthread_create(
      &thread, nil,
      { context in
        guard let context else { return nil }
        Unmanaged<Loop>.fromOpaque(context).takeRetainedValue().run()
        return nil
      }, context)
    precondition(failure == 0, "a thread for the harness's loop: errno \(failure)")
    pthread_detach(thread)
    queue.withLock { $0.thread = thread }
  }

  /// Whether the caller is on this loop's thread.
  var isCurrent: Bool {
    let thread = queue.withLock { $0.thread }
    return thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false
  }

  /// - Returns: `false` when the loop has ended.
  @discardableResult
  func post(_ turn: @escaping Turn) -> Bool {
    let isTaken = queue.withLock { queue in
      if queue.isOpen { queue.turns.append(turn) }
      return queue.isOpen
    }
    wake.signal()
    return isTaken
  }

  /// Ends the thread after the turns that were posted before.
  func stop() {
    queue.withLock { $0.isOpen = false }
    wake.signal()
  }

  private func run() {
    while true {
      let (turns, isOpen) = queue.withLock { queue in
        defer { queue.turns = [] }
        return (queue.turns, queue.isOpen)
      }
      for turn in turns { turn() }
      guard turns.isEmpty else { continue }
      if !isOpen { return }
      wake.wait()
    }
  }
}

/// A count of signals to wait for.
// SAFETY: a POSIX semaphore is made to be used from any thread; its address never changes.
private final class Wake: @unchecked Sendable {
  private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init() {
    sem_init(semaphore, 0, 0)
  }
  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }
  func signal() {
    sem_post(semaphore)
  }
  func wait() {
    while sem_wait(semaphore) != 0 {}
  }
}
