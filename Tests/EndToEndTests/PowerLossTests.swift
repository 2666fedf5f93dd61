import CloudburstClient
import ClusterModel
import Foundation
import Synchronization
import Testing

/// What `durable` promises: an acknowledged write is there after the power was cut at any moment.
@Suite(.serialized, .timeLimit(.minutes(5))) struct PowerLossTests {
  @Test func everyDurableWriteSurvivesALossOfPower() async throws {
    let seed = SplitMix64.drawSeed()
    var random = SplitMix64(seed: seed)
    let machine = try PowerLoss()
    let dev = try LocalDev(durable: true, executors: 1, environment: machine.environment)
    var promised: [String: [UInt8]] = [:]
    for round in 0..<4 {
      promised.merge(try await writeUntilThePowerIsCut(dev, round, using: &random)) { $1 }
      let lost = try machine.cut(dev.dataFolder, using: &random)
      print("seed \(seed), round \(round): \(promised.count) keys promised, \(lost)")
      try dev.start()
      #expect(try await missing(promised, in: dev) == [], "seed \(seed), round \(round)")
    }
  }

  @Test func aStoreThatDoesNotSyncItsJournalIsCaught() async throws {
    var random = SplitMix64(seed: 1)
    let machine = try PowerLoss(ignoring: ".log")
    let dev = try LocalDev(durable: true, executors: 1, environment: machine.environment)
    let promised = try await writeUntilThePowerIsCut(dev, 0, using: &random)
    _ = try machine.cut(dev.dataFolder, using: &random)
    // It may also notice by itself that something is missing.
    guard try dev.tryToStart().status == 0 else { return }
    #expect(try await !missing(promised, in: dev).isEmpty)
  }

  @Test func allProcessesKilledAtOnceUnderLoadLoseNothingDurable() async throws {
    var random = SplitMix64(seed: SplitMix64.drawSeed())
    let dev = try LocalDev(durable: true, executors: 1, nodes: 2)
    var promised: [String: [UInt8]] = [:]
    for round in 0..<2 {
      promised.merge(try await writeUntilThePowerIsCut(dev, round, using: &random)) { $1 }
      try dev.start()
      #expect(try await missing(promised, in: dev) == [])
    }
  }

  /// Keeps 64 writes in flight and kills everything at a random moment.
  ///
  /// - Returns: what was acknowledged.
  private func writeUntilThePowerIsCut(
    _ dev: LocalDev, _ round: Int, using random: inout SplitMix64
  ) async throws -> [String: [UInt8]] {
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let acknowledged = Acknowledged(until: Int.random(in: 300...2000, using: &random))
    let seed = random.next()
    await withTaskGroup(of: Void.self) { group in
      for worker in 0..<64 {
        group.addTask {
          var random = SplitMix64(seed: seed &+ UInt64(worker))
          for number in 0..<10_000 {
            let key = "r\(round)/w\(worker)/\(number)"
            let value = random.bytes(Int.random(in: 1...8000, using: &random))
            do { try await cloud.put(key, value) } catch { return }
            guard !acknowledged.isOver else { return }
            acknowledged.note(key, value)
          }
        }
      }
      group.addTask {
        await acknowledged.wait()
        try? dev.killDaemon()
        acknowledged.end()
        await cloud.close()
      }
    }
    return acknowledged.values
  }

  private func missing(_ promised: [String: [UInt8]], in dev: LocalDev) async throws -> [String] {
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let keys = promised.keys.sorted()
    let missing = try await withThrowingTaskGroup(of: [String].self) { group in
      for worker in 0..<32 {
        group.addTask {
          var missing: [String] = []
          for index in stride(from: worker, to: keys.count, by: 32) {
            let key = keys[index]
            if try await cloud.get(key, as: [UInt8].self) != promised[key] { missing.append(key) }
          }
          return missing
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    await cloud.close()
    return missing
  }
}

/// What was acknowledged before the end, by many tasks at once.
private final class Acknowledged: Sendable {
  private struct State {
    var values: [String: [UInt8]] = [:]
    var isOver = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())
  private let count: Int

  init(until count: Int) { self.count = count }

  var values: [String: [UInt8]] { state.withLock { $0.values } }
  var isOver: Bool { state.withLock { $0.isOver } }
  func end() { state.withLock { $0.isOver = true } }

  func note(_ key: String, _ value: [UInt8]) {
    let waiter: CheckedContinuation<Void, Never>? = state.withLock { state in
      state.values[key] = value
      guard state.values.count == count else { return nil }
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }

  /// Returns once so many are acknowledged.
  func wait() async {
    await withCheckedContinuation { continuation in
      let isThere = state.withLock { state in
        guard state.values.count < count else { return true }
        state.waiter = continuation
        return false
      }
      if isThere { continuation.resume() }
    }
  }
}
