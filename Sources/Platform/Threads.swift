import CPlatform
import Glibc

/// A named thread that runs one closure, usually a loop, to its end.
///
/// Nothing stops it from outside: its closure ends when its loop is told to (by a mailbox).
package final class LoopThread: Sendable {
  private let handle: pthread_t
  private let isJoined = Locked(false)

  /// - Parameters:
  ///   - name: at most 15 bytes are shown by the system.
  ///   - stackBytes: 0 is the system's default (8 MiB).
  ///   - body: runs on the new thread; values it captures move there.
  package init(
    name: String, stackBytes: Int = 0, body: sending @escaping () -> Void
  ) throws(PlatformError) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    if stackBytes > 0 { pthread_attr_setstacksize(&attributes, stackBytes) }
    let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))
    var handle = pthread_t()
    let code = pthread_create(&handle, &attributes, runThread, start.toOpaque())
    guard code == 0 else {
      start.release()
      throw PlatformError(code: code, call: "pthread_create", doing: "starting thread \(name)")
    }
    self.handle = handle
  }

  deinit {
    if !isJoined.withLock({ $0 }) { pthread_detach(handle) }
  }

  /// Waits until the closure has returned. Any thread but itself; may be called again.
  package func join() {
    isJoined.withLock { joined in
      guard !joined else { return }
      let code = pthread_join(handle, nil)
      precondition(code == 0, "a thread does not join itself")
      joined = true
    }
  }
}

private final class ThreadStart {
  let name: String
  let body: () -> Void

  init(name: String, body: @escaping () -> Void) {
    self.name = name
    self.body = body
  }
}

private func runThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument else { preconditionFailure("the starter passes itself") }
  let start = Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
  cb_set_thread_name(start.name)
  start.body()
  return nil
}

/// Which processors a thread may run on.
package enum Processors {
  /// Of the calling thread, ascending. Children and threads it starts inherit them.
  package static func allowed() throws(PlatformError) -> [Int] {
    var numbers = [Int32](repeating: 0, count: 1024)
    let count = cb_allowed_cpus(&numbers, Int32(numbers.count))
    guard count >= 0 else { throw .current(in: "sched_getaffinity", doing: "listing processors") }
    return numbers[..<Int(count)].map(Int.init)
  }

  /// - Parameter thread: 0 is the calling thread; a process id is its main thread.
  package static func pin(thread: Int32 = 0, to processor: Int) throws(PlatformError) {
    guard cb_pin_thread(thread, Int32(clamping: processor)) == 0 else {
      throw .current(in: "sched_setaffinity", doing: "pinning a thread to CPU \(processor)")
    }
  }
}

/// The calling thread's kernel id, as `top -H` shows it.
package func currentThreadID() -> Int32 { cb_gettid() }

/// This process's id.
package func currentProcessID() -> Int32 { getpid() }
