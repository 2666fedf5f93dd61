import Glibc

/// Ends `body` quietly when the limit comes first.
func withTimeLimit(
  _ limit: Duration?, _ body: @escaping @Sendable () async throws -> Void
) async throws {
  guard let limit else { return try await body() }
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { try await body() }
    group.addTask { try await Task.sleep(for: limit) }
    try await group.next()
    group.cancelAll()
  }
}

/// For commands that run until they are interrupted: that is their end then, not their failure.
func endQuietlyWhenInterrupted() {
  for number in [SIGINT, SIGTERM] { signal(number) { _ in _exit(0) } }
}
