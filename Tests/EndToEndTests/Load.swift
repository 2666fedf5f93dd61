import CloudburstClient
import Foundation
import Synchronization
import Testing

/// Calls and puts of several tasks, for as long as a test needs them.
///
/// A request that fails and may succeed later is asked once more; what fails then is a failure.
final class Load: Sendable {
  struct Report: Sendable {
    var done = 0
    var retried = 0
    var failures: [String] = []
    /// The last number that a put of each key acknowledged.
    var acknowledged: [String: Int] = [:]
  }

  private let report = Mutex(Report())
  private let isOver = Atomic(false)
  private let tasks = Mutex<[Task<Void, Never>]>([])
  private let progress: AsyncStream<Void>
  private let made: AsyncStream<Void>.Continuation

  /// Needs the example bundle `arithmetic`.
  init(_ cloud: CloudburstClient, callers: Int = 4, writers: Int = 2) {
    (progress, made) = AsyncStream.makeStream(bufferingPolicy: .unbounded)
    tasks.withLock { tasks in
      for number in 0..<callers { tasks.append(Task { await self.call(cloud, number) }) }
      for number in 0..<writers { tasks.append(Task { await self.write(cloud, number) }) }
    }
  }

  /// Waits until so many further requests have ended.
  func passes(_ count: Int) async {
    var left = count
    for await _ in progress {
      left -= 1
      if left == 0 { return }
    }
  }

  func end() async -> Report {
    isOver.store(true, ordering: .relaxed)
    for task in tasks.withLock({ $0 }) { await task.value }
    return report.withLock { $0 }
  }

  private func call(_ cloud: CloudburstClient, _ number: Int) async {
    var next = number
    while !isOver.load(ordering: .relaxed) {
      next = (next + 7) % 1000
      let input = next
      await ask("call square(\(input))") {
        let squared: Int = try await cloud.call("square", input)
        if squared != input * input { throw WrongAnswer(text: "\(squared)") }
      }
    }
  }

  private func write(_ cloud: CloudburstClient, _ number: Int) async {
    let key = "load/\(number)"
    var next = 0
    while !isOver.load(ordering: .relaxed) {
      next += 1
      let value = next
      let isDone = await ask("put \(key) = \(value)") { try await cloud.put(key, value) }
      if isDone { report.withLock { $0.acknowledged[key] = value } }
    }
  }

  @discardableResult
  private func ask(_ what: String, _ request: () async throws -> Void) async -> Bool {
    defer { made.yield() }
    do {
      try await withOneRetry(request)
      report.withLock { $0.done += 1 }
      return true
    } catch {
      report.withLock { $0.failures.append("\(what): \(error)") }
      return false
    }
  }

  private func withOneRetry(_ request: () async throws -> Void) async throws {
    do {
      try await request()
    } catch let error as CloudburstError where error.isRetryable {
      report.withLock { $0.retried += 1 }
      try await request()
    }
  }

  private struct WrongAnswer: Error { var text: String }
}
