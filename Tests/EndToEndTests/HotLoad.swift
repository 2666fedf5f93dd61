import CloudburstClient
import Synchronization

/// Additions to one counter and reads of it, by several clients, as fast as they go.
final class HotLoad: Sendable {
  private let isOver = Atomic(false)
  private let acknowledged = Atomic(0)
  /// Additions that failed: whether they count is not known.
  private let unknown = Atomic(0)
  private let tasks = Mutex<[Task<Void, Never>]>([])

  init(_ clients: [CloudburstClient], key: String) {
    tasks.withLock { tasks in
      for client in clients {
        tasks.append(Task { await self.add(client, key) })
        for _ in 0..<8 { tasks.append(Task { await self.read(client, key) }) }
      }
    }
  }

  private func add(_ client: CloudburstClient, _ key: String) async {
    while !isOver.load(ordering: .relaxed) {
      do {
        try await client.counter(key).add(1)
        acknowledged.add(1, ordering: .relaxed)
      } catch {
        unknown.add(1, ordering: .relaxed)
      }
    }
  }

  private func read(_ client: CloudburstClient, _ key: String) async {
    while !isOver.load(ordering: .relaxed) { _ = try? await client.counter(key).value() }
  }

  func end() async -> (acknowledged: Int, unknown: Int) {
    isOver.store(true, ordering: .relaxed)
    for task in tasks.withLock({ $0 }) { await task.value }
    return (acknowledged.load(ordering: .relaxed), unknown.load(ordering: .relaxed))
  }
}
