import Glibc
package import Platform
package import PluginHost

/// Turns that functions posted from any thread, for the loop thread to run in order.
///
/// It has no limit: a function's executor cannot refuse its jobs, and the memory is the function's
/// own, which its process's limit bounds.
package final class TurnQueue: TurnPoster {
  private struct State: ~Copyable {
    var turns: [PostedTurn] = []
    var isClosed = false
    var isSignalled = false
  }

  private let state = Locked(State())
  private let event: EventFD
  private let loopThread = pthread_self()

  /// On the loop thread.
  package init() throws(PlatformError) { event = try EventFD() }

  /// To poll on; readable once another thread has posted.
  package var descriptor: Int32 { event.raw }

  /// - Returns: `false` when the loop has ended.
  package func post(_ turn: PostedTurn) -> Bool {
    // The loop looks into the queue before it sleeps: its own posts need no system call.
    let needsWakeUp = pthread_equal(loopThread, pthread_self()) == 0
    return state.withLock { state in
      guard !state.isClosed else { return false }
      state.turns.append(turn)
      if needsWakeUp && !state.isSignalled {
        state.isSignalled = true
        event.signal()
      }
      return true
    }
  }

  package var isEmpty: Bool { state.withLock { $0.turns.isEmpty } }

  /// Takes all waiting turns, oldest first.
  package func take() -> [PostedTurn] {
    state.withLock { state in
      guard !state.turns.isEmpty else { return [] }
      if state.isSignalled { event.clear() }
      state.isSignalled = false
      let taken = state.turns
      state.turns = []
      return taken
    }
  }

  package func close() { state.withLock { $0.isClosed = true } }
}
