import ClusterModel
import Scheduling
import Testing
import WireProtocol

@Suite struct LossTests {
  private let killed = Failure(.executorLost, "killed by signal 9")
  private let crashed = Failure(.functionCrashed, "the function ended its process: signal 4")

  @Test func aLostExecutorsCallRunsElsewhere() throws {
    var driver = Driver()
    _ = driver.attach(0)
    _ = driver.attach(1)
    driver.call(.to("square", 1), number: 1)
    let first = try #require(driver.takeDispatches().first)
    driver.step(.executorLost(first.executor, cause: killed))
    let second = try #require(driver.takeDispatches().first)
    #expect(second.executor != first.executor)
    #expect(second.header.attempt == first.header.attempt + 1)
    driver.finish(second)
    #expect(driver.takeAnswers().map(\.code) == [nil])
  }

  @Test func aCallThatCrashesAtEachAttemptIsPoison() throws {
    var driver = Driver()
    driver.call(.to("square", 1), number: 1)
    for life in 1...3 as ClosedRange<UInt64> {
      _ = driver.attach(0, life: life)
      let dispatch = try #require(driver.takeDispatches().first)
      driver.step(.executorLost(dispatch.executor, cause: crashed))
    }
    _ = driver.attach(0, life: 4)
    #expect(driver.takeDispatches().isEmpty)
    let failure = try #require(driver.takeAnswers().first?.result.failure)
    #expect(failure.code == .poison)
    #expect(failure.function == "square")
    #expect(failure.version == "010101010101")
    #expect(failure.message.contains("signal 4"))
    #expect(failure.message.contains("3 attempts"))
  }

  @Test func theCallSaysHowOftenItIsTried() throws {
    for attempts in [1, 5] as [UInt8] {
      var driver = Driver()
      driver.call(.to("square", 1, attempts: attempts), number: 1)
      for life in 1...UInt64(attempts) {
        _ = driver.attach(0, life: life)
        driver.step(.executorLost(driver.takeDispatches()[0].executor, cause: crashed))
      }
      let code: ErrorCode = attempts == 1 ? .functionCrashed : .poison
      #expect(driver.takeAnswers().map(\.code) == [code])
    }
  }

  @Test func aCallThatWasLostAndCrashedEndsWithTheLastCause() throws {
    var driver = Driver()
    driver.call(.to("square", 1), number: 1)
    for (life, cause) in [crashed, killed, crashed].enumerated() {
      _ = driver.attach(0, life: UInt64(life + 1))
      driver.step(.executorLost(driver.takeDispatches()[0].executor, cause: cause))
    }
    let failure = try #require(driver.takeAnswers().first?.result.failure)
    #expect(failure.code == .functionCrashed)
    #expect(failure.message.contains("attempt 3"))
  }

  @Test func aCallThatTookTooMuchMemoryIsNotTriedAgain() throws {
    var driver = Driver()
    _ = driver.attach(0)
    _ = driver.attach(1)
    driver.call(.to("square", 1), number: 1)
    let cause = Failure(.memoryExceeded, "the function took more than 512 MiB")
    driver.step(.executorLost(driver.takeDispatches()[0].executor, cause: cause))
    #expect(driver.takeDispatches().isEmpty)
    #expect(driver.takeAnswers().map(\.code) == [.memoryExceeded])
  }

  @Test func aCallWhoseExecutorsAreKilledFromOutsideIsLostAfterItsAttempts() throws {
    var driver = Driver()
    driver.call(.to("square", 1), number: 1)
    for life in 1...3 as ClosedRange<UInt64> {
      _ = driver.attach(0, life: life)
      driver.step(.executorLost(driver.takeDispatches()[0].executor, cause: killed))
    }
    #expect(driver.takeAnswers().map(\.code) == [.executorLost])
  }

  @Test func theResultOfALostAttemptIsIgnored() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    let first = try #require(driver.takeDispatches().first)
    driver.step(.executorLost(first.executor, cause: killed))
    driver.finish(first)
    #expect(driver.takeAnswers().isEmpty)
    #expect(driver.scheduler.inFlightCount == 1)
  }

  @Test func aSuccessorsHelloProvesItsPredecessorDead() throws {
    var driver = Driver()
    _ = driver.attach(0, life: 1)
    driver.call(.to("square", 1), number: 1)
    _ = driver.takeDispatches()
    let successor = driver.attach(0, life: 2)
    #expect(driver.takeDispatches().map(\.executor) == [successor])
  }

  @Test func aHelloThatItsSenderDidNotSurviveIsNotBelieved() {
    var driver = Driver()
    let executor = ExecutorID(node: NodeID("n1"), number: 0, incarnation: Incarnation(1))
    driver.step(.executorLost(executor, cause: killed))
    _ = driver.attach(0, life: 1)
    driver.call(.to("square", 1), number: 1)
    #expect(driver.takeDispatches().isEmpty)
  }

  @Test func aCallThatNeverStartsTimesOut() throws {
    var driver = Driver()
    driver.call(.to("square", 1, limit: .seconds(3)), number: 1)
    driver.wait(.milliseconds(2999))
    #expect(driver.takeAnswers().isEmpty)
    driver.wait(.milliseconds(1))
    let failure = try #require(driver.takeAnswers().first?.result.failure)
    #expect(failure.code == .timedOut)
    #expect(failure.message.contains("no executor is attached"))
  }

  @Test func aDeadlineCondemnsTheExecutor() throws {
    var driver = Driver()
    let executor = driver.attach(0)
    driver.call(.to("square", 1, limit: .seconds(3)), number: 1)
    _ = driver.takeDispatches()
    driver.wait(.seconds(3))
    let invocation = InvocationID(high: 1, low: 1)
    #expect(driver.effects.contains(.kill(executor, invocation, reason: .deadlineExceeded)))
    driver.call(.to("square", 2), number: 2)
    #expect(driver.takeDispatches().isEmpty, "a condemned executor gets no calls")
    #expect(driver.takeAnswers().isEmpty, "the answer waits for the cause")
    driver.step(.executorLost(executor, cause: Failure(.deadlineExceeded, "ended")))
    #expect(driver.takeAnswers().map(\.code) == [.deadlineExceeded])
  }

  @Test func aDeadlineIsAnsweredEvenIfTheSupervisorIsSilent() {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1, limit: .seconds(3)), number: 1)
    driver.wait(.seconds(3) + SchedulerLimits().killPatience)
    #expect(driver.takeAnswers().map(\.code) == [.deadlineExceeded])
    #expect(driver.effects.count(where: \.isKill) == 2, "the kill is asked for again")
  }

  @Test func aCallBeyondItsDeadlineIsNotRepeated() {
    var driver = Driver()
    let executor = driver.attach(0)
    _ = driver.attach(1)
    driver.call(.to("square", 1, limit: .seconds(3)), number: 1)
    let first = driver.takeDispatches()[0].executor
    driver.wait(.seconds(3))
    driver.step(.executorLost(first, cause: Failure(.deadlineExceeded, "ended")))
    #expect(driver.takeDispatches().isEmpty)
    #expect(first == executor || driver.scheduler.inFlightCount == 0)
  }

  @Test func aResultWaitsForItsRelease() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    let dispatch = try #require(driver.takeDispatches().first)
    driver.finish(dispatch, awaitsRelease: true)
    #expect(driver.takeAnswers().isEmpty)
    driver.release(dispatch)
    let answer = try #require(driver.takeAnswers().first)
    #expect(answer.result.value == [9])
    #expect(!answer.result.awaitsRelease)
  }

  @Test func aParkedResultLeavesItsExecutorFree() {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    driver.call(.to("square", 2), number: 2)
    driver.finish(driver.takeDispatches()[0], awaitsRelease: true)
    #expect(driver.takeDispatches().map(\.header.invocation.low) == [2])
  }

  @Test func aReleaseMayComeBeforeItsResult() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    let dispatch = try #require(driver.takeDispatches().first)
    driver.release(dispatch)
    driver.finish(dispatch, awaitsRelease: true)
    #expect(driver.takeAnswers().map(\.code) == [nil])
  }

  @Test func aRefusedWriteFailsTheCall() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    let dispatch = try #require(driver.takeDispatches().first)
    driver.finish(dispatch, awaitsRelease: true)
    driver.release(dispatch, failure: Failure(.lattice, "the key n is a counter"))
    let answer = try #require(driver.takeAnswers().first)
    #expect(answer.code == .lattice)
    #expect(answer.result.value.isEmpty)
  }

  @Test func aReleaseOfALostAttemptDoesNotReleaseTheNext() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    let first = try #require(driver.takeDispatches().first)
    driver.step(.executorLost(first.executor, cause: killed))
    _ = driver.attach(0, life: 2)
    let second = try #require(driver.takeDispatches().first)
    driver.finish(second, awaitsRelease: true)
    driver.release(first)
    #expect(driver.takeAnswers().isEmpty)
  }

  @Test func aCallThatHasEndedDoesNotPayForTheOneThatEndedItsExecutor() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1, attempts: 2), number: 1)
    let dispatch = try #require(driver.takeDispatches().first)
    driver.finish(dispatch, awaitsRelease: true)
    let other = Failure(.memoryExceeded, "the function took more than 512 MiB")
    driver.step(.executorLost(dispatch.executor, cause: other))
    driver.wait(SchedulerLimits().releasePatience)
    _ = driver.attach(0, life: 2)
    driver.finish(try #require(driver.takeDispatches().first))
    #expect(driver.takeAnswers().map(\.code) == [nil])
  }

  @Test func aCallThatIsToRunOnceIsNotRepeatedWhereItMayHaveRun() throws {
    var driver = Driver()
    _ = driver.attach(0, life: 1)
    driver.call(.to("square", 1, attempts: 1), number: 1)
    _ = driver.takeDispatches()
    _ = driver.attach(0, life: 2)
    #expect(driver.takeDispatches().isEmpty)
    #expect(driver.takeAnswers().map(\.code) == [.executorLost])
  }

  @Test func theParkedResultsOfALostAgentRunAgain() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    driver.finish(driver.takeDispatches()[0], awaitsRelease: true)
    driver.step(.agentLost(NodeID("n1")))
    #expect(driver.takeDispatches().isEmpty, "its executors are gone too")
    _ = driver.attach(0, life: 2)
    let again = try #require(driver.takeDispatches().first)
    driver.finish(again)
    #expect(driver.takeAnswers().map(\.code) == [nil])
  }

  @Test func aParkedResultOutlivesItsExecutorIfTheReleaseComes() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    let dispatch = try #require(driver.takeDispatches().first)
    driver.finish(dispatch, awaitsRelease: true)
    driver.step(.executorLost(dispatch.executor, cause: killed))
    driver.release(dispatch)
    #expect(driver.takeAnswers().map(\.code) == [nil])
  }

  @Test func aParkedResultWhoseReleaseDiedWithItsExecutorRunsAgain() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    let dispatch = try #require(driver.takeDispatches().first)
    driver.finish(dispatch, awaitsRelease: true)
    driver.step(.executorLost(dispatch.executor, cause: killed))
    _ = driver.attach(0, life: 2)
    driver.wait(SchedulerLimits().releasePatience)
    #expect(driver.takeDispatches().map(\.header.invocation.low) == [1])
  }

  @Test func tooManyParkedResultsHoldBackTheNextCalls() throws {
    var limits = SchedulerLimits()
    limits.parkedResultsMax = 1
    var driver = Driver(limits: limits)
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    driver.call(.to("square", 2), number: 2)
    let first = try #require(driver.takeDispatches().first)
    driver.finish(first, awaitsRelease: true)
    #expect(driver.takeDispatches().isEmpty)
    driver.release(first)
    #expect(driver.takeDispatches().count == 1)
  }
}
