/// Whether something may wait in a socket that a ``Poller`` watches: kept by both of them, on one
/// thread.
///
/// Asking libzmq costs two system calls, or more where the answer is yes. A loop asks each of its
/// sockets in every turn, and most have nothing: so what is known is remembered. A socket that said
/// that nothing waits has nothing until its descriptor says otherwise, unless something was sent or
/// dialled since: libzmq takes in news, and their signal, while it does.
final class News {
  /// Only a poller finds out that there are news; without one libzmq is asked each time.
  var isWatched = false
  private(set) var mayWait = true

  /// Whether a socket need not be asked.
  var isKnownToBeNone: Bool { isWatched && !mayWait }

  func noteNone() { mayWait = false }
  func notePossible() { mayWait = true }
}
