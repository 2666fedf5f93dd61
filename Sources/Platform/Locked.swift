import Glibc

/// A value that several threads change, one at a time.
///
/// As `Synchronization.Mutex`, which ThreadSanitizer takes for no lock on Linux: it would report
/// every access behind it as a race. This one is a pthread mutex, which it knows.
// SAFETY: `value` is touched only while `mutex` is held, and what it holds comes and goes by
// `sending`; `mutex` itself never changes.
package final class Locked<Value: ~Copyable>: @unchecked Sendable {
  private var value: Value
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>

  package init(_ value: consuming sending Value) {
    self.value = value
    mutex = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// - Parameter body: short, and never takes this lock again.
  package func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout sending Value) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&value)
  }
}
