import CloudburstClient
import Synchronization
import Testing

/// Calls that do nothing wrong, without a pause, as long as it is kept: whatever happens beside them,
/// each must succeed.
final class GoodLoad: Sendable {
  private struct Tally {
    var isOver = false
    var count = 0
    var failures: [String] = []
  }

  private final class State: Sendable {
    let tally = Mutex(Tally())
  }

  private let state = State()
  private let callers: [Task<Void, Never>]

  /// - Parameter callers: calls under way at a time.
  init(on cloud: CloudburstClient, callers: Int = 2) async throws {
    // The bundle is there and loaded somewhere before anything is counted.
    _ = try await cloud.callEncoded("fine", arguments: [])
    let state = self.state
    self.callers = (0..<callers).map { _ in
      Task {
        while state.tally.withLock({ !$0.isOver }) {
          do {
            let answer = try await cloud.callEncoded("fine", arguments: [])
            guard answer.bytes == Array("fine".utf8) else { throw WrongAnswer() }
            state.tally.withLock { $0.count += 1 }
          } catch {
            state.tally.withLock { $0.failures.append("\(error)") }
          }
        }
      }
    }
  }

  private struct WrongAnswer: Error {}

  /// Ends the load and judges it.
  func finish(_ comment: Comment) async {
    state.tally.withLock { $0.isOver = true }
    for caller in callers { await caller.value }
    let (count, failures) = state.tally.withLock { ($0.count, $0.failures) }
    #expect(failures.isEmpty, "\(comment): \(failures.count) of \(count) good calls failed")
    #expect(count > 0, "\(comment): no good call ran beside it")
  }
}
