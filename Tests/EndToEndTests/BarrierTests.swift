import CloudburstClient
import Foundation
import Synchronization
import Testing

/// A node dies between a write and its flush, while another function of the node reads the value.
@Suite(.serialized, .timeLimit(.minutes(5))) struct BarrierTests {
  @Test func noClientReceivesAValueThatIsLaterAbsent() async throws {
    let outcome = try await nodeDiesBeforeItsFlush(at: nil)
    #expect(outcome.writerGot == nil)
    #expect(outcome.readersGot.allSatisfy { $0 == 1 }, "\(outcome)")
    #expect(outcome.stored == 1)
  }

  /// The paper's level promises less, and this is how it shows. So the test above can fail.
  @Test func atLevelCachedClientsReceiveAValueThatIsLaterAbsent() async throws {
    let outcome = try await nodeDiesBeforeItsFlush(at: .cached)
    #expect(outcome.writerGot == 2)
    #expect(outcome.readersGot.contains(2), "\(outcome)")
    #expect(outcome.stored == 1)
  }

  @Test func statusCountsWhatLevelCachedMayLose() async throws {
    let dev = try LocalDev(executors: 1, nodes: 2, uploading: ["stateful"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await warm(cloud)
    let storage = try #require(try dev.processID(of: "storage0"))
    kill(storage, SIGSTOP)
    defer { kill(storage, SIGCONT) }
    let file = dev.scratch.path + "/told"
    let options = CallOptions(writeLevel: .cached)
    let two: Int = try await cloud.call("tell-put", "k", 2, file, options: options)
    #expect(two == 2)
    kill(storage, SIGCONT)
    var status = try await cloud.status()
    #expect(status.earlyWritesEver == 1)
    let deadline = ContinuousClock.now + .seconds(10)
    while status.earlyWrites > 0, ContinuousClock.now < deadline {
      status = try await cloud.status()
    }
    #expect(status.earlyWrites == 0)
    await cloud.close()
  }

  private struct Outcome {
    var writerGot: Int?
    var readersGot: [Int] = []
    var stored: Int?
  }

  /// Both nodes hold 1. With the store stopped one call writes 2, and others read, until one on the
  /// writer's node has read 2; then the node is killed, and the store goes on.
  private func nodeDiesBeforeItsFlush(
    at level: CloudburstClient.WriteLevel?
  ) async throws -> Outcome {
    let dev = try LocalDev(durable: true, executors: 2, nodes: 2, uploading: ["stateful"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await warm(cloud)
    let storage = try #require(try dev.processID(of: "storage0"))
    let file = dev.scratch.path + "/told"
    // One attempt: a second one would write the value again.
    let options = CallOptions(writeLevel: level, attempts: 1)
    kill(storage, SIGSTOP)
    defer { kill(storage, SIGCONT) }
    try await clog(cloud)
    async let writer = Self.value {
      try await cloud.call("tell-put", "k", 2, file, options: options)
    }
    let node = try await dev.lines(of: file) { !$0.isEmpty }[0].split(separator: " ")[2]
    let readers = Readers { try await cloud.call("tell-get", "k", file, options: options) }
    _ = try await dev.lines(of: file) { lines in
      // As long as none has read it, more of them come.
      if lines.contains("get 2 \(node)") { return true }
      readers.addTwo(after: lines.count)
      return false
    }
    var outcome = Outcome()
    // At this level both have their answers before the node dies; behind the barrier nobody has.
    if level == .cached {
      outcome.writerGot = await writer
      outcome.readersGot = await readers.first(2)
    }
    kill(try #require(Int32(node)), SIGKILL)
    kill(storage, SIGCONT)
    if level != .cached { outcome.writerGot = await writer }
    outcome.readersGot += await readers.all()
    let other = try await CloudburstClient.connect(to: dev.endpoint)
    outcome.stored = try await other.get("k")
    await other.close()
    await cloud.close()
    return outcome
  }

  /// All executors have the bundle, and all caches the key: they can do without the store.
  private func warm(_ cloud: CloudburstClient) async throws {
    try await cloud.put("k", 1)
    try await withThrowingTaskGroup(of: [Int].self) { group in
      for _ in 0..<60 { group.addTask { try await cloud.call("get", "k") } }
      for try await answer in group { #expect(answer[0] == 1) }
    }
  }

  /// What a stopped process has in its sockets arrives when it goes on. So first each node gets as many
  /// writes as it has on the way at a time, and more.
  private func clog(_ cloud: CloudburstClient) async throws {
    var nodes: Set<Int> = []
    let options = CallOptions(writeLevel: .cached)
    for _ in 0..<100 where nodes.count < 2 {
      let both: [Int] = try await twoAtOnce { _ in try await cloud.call("clog", options: options) }
      nodes.formUnion(both)
    }
    #expect(nodes.count == 2, "only one node took calls")
  }

  private static func value(_ call: () async throws -> Int) async -> Int? { try? await call() }
}

/// Calls that read, started one after the other, and what they returned.
private final class Readers: Sendable {
  private let call: @Sendable () async throws -> Int
  private let tasks = Mutex<[Task<Int?, Never>]>([])

  init(_ call: @escaping @Sendable () async throws -> Int) { self.call = call }

  /// Starts two more, on either node, when all that were started have said what they read.
  func addTwo(after told: Int) {
    let call = call
    tasks.withLock { tasks in
      // The first line is the writer's.
      guard tasks.count < told, tasks.count < 200 else { return }
      for _ in 0..<2 { tasks.append(Task { try? await call() }) }
    }
  }

  private var started: [Task<Int?, Never>] { tasks.withLock { $0 } }

  /// Waits until one has returned this.
  func first(_ value: Int) async -> [Int] {
    for task in started.reversed() {
      if let found = await task.value, found == value { return [found] }
    }
    return []
  }

  func all() async -> [Int] {
    var values: [Int] = []
    for task in started { if let value = await task.value { values.append(value) } }
    return values
  }
}
