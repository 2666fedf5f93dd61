import CZeroMQ
import Glibc

/// What the sockets of one process share: one I/O thread, and the names of inproc endpoints.
///
/// Every socket keeps its context alive, so the context ends after the last of them, wherever that
/// is closed; ending waits at most the longest `linger` for what is still queued.
package final class Context: Sendable {
  /// Sockets that may be open at a time; beyond them opening one fails (`tooManySockets`).
  package let socketsMax: Int
  // SAFETY: a ZeroMQ context is thread safe; the pointer is set once and ended in deinit.
  nonisolated(unsafe) let handle: UnsafeMutableRawPointer

  package init(socketsMax: Int = 1023) throws(ZeroMQError) {
    precondition((1...65_535).contains(socketsMax), "libzmq's own limit")
    guard let handle = zmq_ctx_new() else {
      throw ZeroMQError(errno: zmq_errno(), call: "zmq_ctx_new", doing: "opening a context")
    }
    self.handle = handle
    self.socketsMax = socketsMax
    // Neither call can fail: the values are in range.
    zmq_ctx_set(handle, ZMQ_IO_THREADS, 1)
    zmq_ctx_set(handle, ZMQ_MAX_SOCKETS, Int32(socketsMax))
  }

  deinit {
    while zmq_ctx_term(handle) != 0, zmq_errno() == EINTR {}
  }

  /// Makes every further call on this context's sockets throw `terminated`. Any thread.
  package func shutdown() {
    zmq_ctx_shutdown(handle)
  }
}
