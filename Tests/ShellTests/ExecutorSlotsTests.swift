import ClusterModel
import ExecutorSlots
import Foundation
import Platform
import Testing

@Suite struct ExecutorSlotsTests {
  private let folder = FileManager.default.temporaryDirectory
    .appending(path: "cb-slots-\(UUID().uuidString)").path

  /// The agent's table and the executor's view of it.
  private func withTables(
    _ body: (borrowing SlotTable, borrowing SlotTable) throws -> Void
  ) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let agents = try SlotTable.created(at: folder + "/slots", slots: 3)
    let executors = try SlotTable.opened(at: folder + "/slots")
    try body(agents, executors)
  }

  @Test func theAgentSeesWhatTheExecutorShows() throws {
    try withTables { agents, executors in
      let count = executors.count
      #expect(count == 3)
      let (agents, idle, executor) = (agents[1], agents[0], executors[1])
      agents.reset(for: Incarnation(7))
      #expect(executor.incarnation == Incarnation(7))
      #expect(agents.running == nil)
      var running = ExecutorSlot.Running()
      running.invocation = InvocationID(high: 1, low: 2)
      running.attempt = 3
      running.function = String(repeating: "f", count: 200)
      running.bundle = (4, 5)
      running.since = 6
      running.deadline = 7
      executor.show(running)
      running.function = String(repeating: "f", count: 96)
      #expect(agents.running == running)
      #expect(idle.running == nil)
      executor.showIdle()
      #expect(agents.running == nil)
    }
  }

  @Test func aRecalledDispatchDoesNotBegin() throws {
    try withTables { agents, executors in
      let (agent, executor) = (agents[0], executors[0])
      #expect(executor.begin(10))
      #expect(agent.recall(upTo: 12) == 10)
      #expect(!executor.begin(11))
      #expect(!executor.begin(12))
      #expect(executor.begin(13))
      agent.reset(for: Incarnation(8))
      #expect(agent.started == 0)
      #expect(executor.begin(1))
    }
  }

  @Test func forgettingRecallsLetsASchedulersNextLifeBegin() throws {
    try withTables { agents, executors in
      let (agent, executor) = (agents[0], executors[0])
      _ = agent.recall(upTo: 1000)
      #expect(!executor.begin(5))
      executor.forgetRecalls()
      #expect(executor.begin(5))
    }
  }

  /// Whatever the two do at the same moment: a dispatch that begins is known to have begun.
  @Test func noDispatchIsBothTakenBackAndRun() throws {
    try withTables { agents, _ in
      let path = folder + "/slots"
      let ran = Locked<[UInt64]>([])
      let last: UInt64 = 20_000
      let thread = try LoopThread(name: "executor") {
        guard let table = try? SlotTable.opened(at: path) else { return }
        for number in 1...last where table[0].begin(number) {
          ran.withLock { $0.append(number) }
        }
      }
      var takenBack: Set<UInt64> = []
      while agents[0].started < last {
        let upTo = agents[0].started + 3
        let started = agents[0].recall(upTo: upTo)
        if started < upTo { takenBack.formUnion(started + 1...upTo) }
      }
      thread.join()
      let both = ran.withLock { $0 }.filter { takenBack.contains($0) }
      #expect(both.isEmpty)
      #expect(!takenBack.isEmpty)
    }
  }

  @Test func onlyTheFirstExecutorWakesASleepingAgent() throws {
    try withTables { agents, executors in
      let isFirst = executors.claimWakeUp()
      #expect(isFirst)
      let isFirstAgain = executors.claimWakeUp()
      #expect(!isFirstAgain)
      let isWatched = agents.isWatched
      #expect(isWatched)
      agents.isWatched = false
      let isFirstAfterwards = executors.claimWakeUp()
      #expect(isFirstAfterwards)
    }
  }

  @Test func anotherFileIsNoTable() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Data(repeating: 1, count: 4096).write(to: URL(filePath: folder + "/other"))
    #expect(throws: Failure.self) { _ = try SlotTable.opened(at: folder + "/other") }
  }
}
