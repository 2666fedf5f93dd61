import CloudburstClient
import Foundation
import Synchronization
import Testing

/// Additions to sets, each element once, beside readers that know which were acknowledged: whatever
/// happens to the store, every read contains all that was acknowledged before it was sent.
///
/// A request that fails and may succeed later is asked once more; what fails then is a failure.
final class SetUnionLoad: Sendable {
  struct Report: Sendable {
    var added = 0
    var read = 0
    var retried = 0
    var failures: [String] = []
    /// Reads without elements that had been acknowledged.
    var missing: [String] = []
    /// The longest that a request took, its repetition included.
    var longest = Duration.zero
  }

  /// A set is read whole: beyond so many elements its writer takes another one.
  private static let elementsMax = 300

  private let report = Mutex(Report())
  private let acknowledged = Mutex<[String: Set<Int>]>([:])
  private let isOver = Atomic(false)
  private let tasks = Mutex<[Task<Void, Never>]>([])
  private let progress: AsyncStream<Void>
  private let made: AsyncStream<Void>.Continuation

  /// - Parameter readers: through a client of their own, whose session knows nothing of the writes.
  init(
    _ cloud: CloudburstClient, level: CloudburstClient.WriteLevel, writers: Int = 8,
    readers: CloudburstClient
  ) {
    (progress, made) = AsyncStream.makeStream(bufferingPolicy: .unbounded)
    tasks.withLock { tasks in
      for number in 0..<writers {
        tasks.append(Task { await self.write(cloud, number, level) })
      }
      for number in 0..<2 { tasks.append(Task { await self.read(readers, number) }) }
    }
  }

  /// Waits until so many further additions have ended.
  func passes(_ count: Int) async {
    var left = count
    for await _ in progress {
      left -= 1
      if left == 0 { return }
    }
  }

  /// Ends the load, then reads every set once more.
  func end(reading cloud: CloudburstClient) async throws -> Report {
    isOver.store(true, ordering: .relaxed)
    for task in tasks.withLock({ $0 }) { await task.value }
    try await check(cloud)
    return report.withLock { $0 }
  }

  /// Reads every set, and notes what is missing.
  func check(_ cloud: CloudburstClient) async throws {
    for (key, expected) in acknowledged.withLock({ $0 }) {
      let stored = try await cloud.set(key).elements(as: Int.self)
      note(missing: expected.subtracting(stored), in: key)
    }
  }

  private func note(missing elements: Set<Int>, in key: String) {
    guard !elements.isEmpty else { return }
    let text = "\(key) lacks \(elements.count), such as \(elements.min() ?? 0)"
    report.withLock { $0.missing.append(text) }
  }

  private func write(
    _ cloud: CloudburstClient, _ number: Int, _ level: CloudburstClient.WriteLevel
  ) async {
    var next = 0
    while !isOver.load(ordering: .relaxed) {
      next += 1
      let key = "union/\(number)/\(next / Self.elementsMax)"
      let element = next
      let isDone = await ask("add \(element) to \(key)") {
        try await cloud.set(key).add(element, level: level)
      }
      if isDone {
        _ = acknowledged.withLock { $0[key, default: []].insert(element) }
        report.withLock { $0.added += 1 }
      }
      made.yield()
    }
  }

  private func read(_ cloud: CloudburstClient, _ number: Int) async {
    var random = SystemRandomNumberGenerator()
    while !isOver.load(ordering: .relaxed) {
      guard let (key, expected) = acknowledged.withLock({ $0.randomElement(using: &random) })
      else {
        await Task.yield()
        continue
      }
      await ask("read \(key)") {
        let stored = try await cloud.set(key).elements(as: Int.self)
        self.note(missing: expected.subtracting(stored), in: key)
      }
      report.withLock { $0.read += 1 }
    }
  }

  @discardableResult
  private func ask(_ what: String, _ request: () async throws -> Void) async -> Bool {
    let start = ContinuousClock.now
    var failure: String?
    do {
      try await request()
    } catch let error as CloudburstError where error.isRetryable {
      report.withLock { $0.retried += 1 }
      do { try await request() } catch { failure = "\(what): \(error)" }
    } catch { failure = "\(what): \(error)" }
    let taken = ContinuousClock.now - start
    report.withLock { report in
      report.longest = max(report.longest, taken)
      if let failure { report.failures.append(failure) }
    }
    return failure == nil
  }
}
