import ClusterModel
import Testing
import WireProtocol

@testable import Scheduling

/// How many calls an executor is given at a time, and how they are taken back.
@Suite struct CreditTests {
  /// A scheduler with one executor that has run `square` once, in this time.
  private func driver(
    measured: Duration = .microseconds(10), executors: UInt32 = 1,
    limits: SchedulerLimits = SchedulerLimits()
  ) throws -> Driver {
    var driver = Driver(limits: limits)
    for number in 0..<executors { _ = driver.attach(number) }
    driver.call(square(1), number: 1)
    try driver.end(#require(driver.takeDispatches().first), after: measured)
    _ = driver.takeAnswers()
    return driver
  }

  private func square(_ number: UInt64) -> Call { .to("square", number) }

  @Test func aFunctionThatWasNeverMeasuredIsGivenOutOneAtATime() {
    var driver = Driver()
    _ = driver.attach(0)
    for number in UInt64(1)...3 { driver.call(square(number), number: number) }
    #expect(driver.takeDispatches().count == 1)
  }

  @Test func shortCallsAreGivenAheadUpToAMillisecondOfWork() throws {
    // 95 µs and 5 µs of overhead: ten of them are a millisecond.
    var driver = try driver(measured: .microseconds(95))
    for number in UInt64(2)...30 { driver.call(square(number), number: number) }
    #expect(driver.takeDispatches().count == 10)
    #expect(driver.scheduler.queuedCount == 19)
  }

  @Test func neverMoreAreGivenThanThereAreCredits() throws {
    var limits = SchedulerLimits()
    limits.creditsPerExecutor = 4
    var driver = try driver(measured: .zero, limits: limits)
    for number in UInt64(2)...30 { driver.call(square(number), number: number) }
    #expect(driver.takeDispatches().count == 4)
  }

  @Test func longCallsAreGivenOutOneAtATime() throws {
    var driver = try driver(measured: .milliseconds(2))
    for number in UInt64(2)...4 { driver.call(square(number), number: number) }
    #expect(driver.takeDispatches().count == 1)
  }

  @Test func anIdleExecutorComesBeforeOneThatHasShortCalls() throws {
    var driver = try driver(executors: 3)
    for number in UInt64(2)...4 { driver.call(square(number), number: number) }
    #expect(Set(driver.takeDispatches().map(\.executor.number)) == [0, 1, 2])
  }

  @Test func theCallsBehindALongOneAreRecalledAndRunElsewhere() throws {
    var driver = try driver()
    for number in UInt64(2)...5 { driver.call(square(number), number: number) }
    let given = driver.takeDispatches()
    try #require(given.count == 4)
    driver.wait(.milliseconds(4))
    #expect(driver.effects.recalls.isEmpty)
    driver.wait(.milliseconds(2))
    #expect(driver.effects.recalls == [given[3].number])
    let other = driver.attach(1)
    driver.step(
      .recalled(given[0].executor, started: given[0].number, upTo: given[3].number))
    let again = driver.takeDispatches()
    #expect(again.map(\.executor) == [other, other, other])
    #expect(again.map(\.header.invocation.low) == [3, 4, 5])
    #expect(again.allSatisfy { $0.header.attempt == 1 })
  }

  @Test func anExecutorWithALongCallGetsNoOtherUntilThatHasEnded() throws {
    var driver = try driver()
    for number in UInt64(2)...3 { driver.call(square(number), number: number) }
    let given = driver.takeDispatches()
    driver.wait(.milliseconds(6))
    driver.step(.recalled(given[0].executor, started: given[0].number, upTo: given[1].number))
    #expect(driver.takeDispatches().isEmpty)
    try driver.end(#require(given.first), after: .microseconds(10))
    #expect(driver.takeDispatches().map(\.header.invocation.low) == [3])
  }

  @Test func aRecallWithoutAnAnswerIsAskedForAgain() throws {
    var driver = try driver()
    for number in UInt64(2)...3 { driver.call(square(number), number: number) }
    driver.wait(.milliseconds(6))
    #expect(driver.effects.recalls.count == 1)
    driver.wait(.milliseconds(101))
    #expect(driver.effects.recalls.count == 2)
  }

  @Test func answersThatGoOnComingPutOffTheRecall() throws {
    var driver = try driver()
    for number in UInt64(2)...6 { driver.call(square(number), number: number) }
    for dispatch in driver.takeDispatches().prefix(4) {
      driver.wait(.milliseconds(4))
      driver.end(dispatch, after: .microseconds(10))
    }
    #expect(driver.effects.recalls.isEmpty)
  }

  @Test func anExecutorsDeathCountsOnlyForTheCallThatRan() throws {
    var driver = try driver()
    for number in UInt64(2)...4 { driver.call(square(number), number: number) }
    let given = driver.takeDispatches()
    try #require(given.count == 3)
    driver.step(
      .executorLost(
        given[1].executor, cause: Failure(.functionCrashed, "it crashed"),
        lastStarted: given[1].number))
    _ = driver.attach(0, life: 2)
    // One after the other: what crashed stands alone. The last never began, so it counts as new.
    var attempts: [UInt64: UInt16] = [:]
    var running = driver.takeDispatches()
    #expect(running.count == 1)
    while !running.isEmpty {
      let next = running.removeFirst()
      attempts[next.header.invocation.low] = next.header.attempt
      driver.finish(next)
      running += driver.takeDispatches()
    }
    #expect(attempts == [2: 2, 3: 2, 4: 1])
    #expect(driver.takeAnswers().allSatisfy { $0.code == nil })
  }

  @Test func aDeadlineBehindALongCallDoesNotKillTheExecutor() throws {
    var limits = SchedulerLimits()
    limits.callTimeLimit = .milliseconds(3)
    var driver = try driver(limits: limits)
    driver.call(.to("square", 2, limit: .seconds(10)), number: 2)
    driver.call(square(3), number: 3)
    let given = driver.takeDispatches()
    try #require(given.count == 2)
    driver.wait(.milliseconds(3))
    #expect(driver.effects.recalls == [given[1].number])
    driver.step(.recalled(given[0].executor, started: given[0].number, upTo: given[1].number))
    #expect(driver.takeAnswers().map(\.result.failure?.code) == [.timedOut])
    #expect(!driver.effects.contains { $0.isKill })
  }
}

extension Driver {
  /// The executor's answer, with the time that the body took.
  fileprivate mutating func end(_ dispatch: Dispatched, after time: Duration) {
    var result = CallResult()
    result.invocation = dispatch.header.invocation
    result.attempt = UInt32(dispatch.header.attempt)
    result.runNanoseconds = time.wholeNanoseconds
    step(.result(result, number: dispatch.number, from: dispatch.executor))
  }
}

extension [Scheduler.Effect] {
  /// Up to which dispatches are recalled, in the order asked.
  fileprivate var recalls: [UInt64] {
    compactMap { if case .recall(_, let upTo) = $0 { upTo } else { nil } }
  }
}
