import ClusterModel
import Scheduling
import Testing
import WireProtocol

@Suite struct CallTests {
  @Test func aCallRunsAndItsResultReachesItsCaller() throws {
    var driver = Driver()
    let executor = driver.attach(0)
    driver.call(.to("square", 1), number: 42)
    let dispatch = try #require(driver.takeDispatches().first)
    #expect(dispatch.executor == executor)
    #expect(dispatch.dispatch.stages.map(\.function) == ["square"])
    driver.finish(dispatch, value: [1, 2])
    let answer = try #require(driver.takeAnswers().first)
    #expect(answer.number == 42)
    #expect(answer.client == Driver.client)
    #expect(answer.result.value == [1, 2])
    #expect(driver.scheduler.inFlightCount == 0)
  }

  @Test func everyDispatchSaysWhyItWentThere() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    #expect(try #require(driver.takeDispatches().first).reason == .onlyOneReady)
  }

  @Test func theHeaderCarriesAttemptSchedulerRegistryVersionAndRemainingTime() throws {
    var driver = Driver(incarnation: 1234)
    driver.call(.to("square", 1, limit: .seconds(10)), number: 1)
    driver.wait(.seconds(4))
    _ = driver.attach(0)
    let header = try #require(driver.takeDispatches().first).header
    #expect(header.attempt == 1)
    #expect(header.scheduler == Incarnation(1234))
    #expect(header.registryVersion == driver.scheduler.registry.version)
    #expect(header.remaining == .seconds(6))
  }

  @Test func saturatedExecutorsMakeTheCallWait() {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    driver.call(.to("square", 2), number: 2)
    #expect(driver.takeDispatches().map(\.header.invocation.low) == [1])
    #expect(driver.scheduler.queuedCount == 1)
  }

  @Test func aWaitingCallStartsWhenAnExecutorIsFree() throws {
    var driver = Driver()
    _ = driver.attach(0)
    for number in 1...3 { driver.call(.to("square", UInt64(number)), number: UInt64(number)) }
    let first = driver.takeDispatches()
    #expect(first.map(\.header.invocation.low) == [1])
    driver.finish(try #require(first.first))
    // It was measured to be short.
    #expect(driver.takeDispatches().map(\.header.invocation.low) == [2, 3])
  }

  @Test func anUnknownFunctionIsNotFoundAndNearNamesAreOffered() throws {
    var driver = Driver()
    driver.call(.to("sqaure", 1), number: 1)
    let failure = try #require(driver.takeAnswers().first?.result.failure)
    #expect(failure.code == .functionNotFound)
    #expect(failure.hint.contains("square"))
  }

  @Test func aWrongNumberOfArgumentsNamesTheSignature() throws {
    var driver = Driver()
    driver.call(.to("add", 1, arguments: 3), number: 1)
    let failure = try #require(driver.takeAnswers().first?.result.failure)
    #expect(failure.code == .badArgument)
    #expect(failure.hint.contains("(Int, Int) -> Int"))
  }

  @Test func aCallWithoutAReadableHeaderIsABadRequest() {
    var driver = Driver()
    var call = Call.to("square", 1)
    call.header = [1, 2, 3]
    driver.call(call, number: 9)
    #expect(driver.takeAnswers().map(\.code) == [.badRequest])
  }

  @Test func aResultKeyOfThePlatformIsRefused() {
    var driver = Driver()
    var call = Call.to("square", 1)
    call.resultKey = Bytes(text: "_cb/functions")
    driver.call(call, number: 1)
    #expect(driver.takeAnswers().map(\.code) == [.keyReserved])
  }

  @Test func callsBeforeTheRegistryIsLoadedAreUnavailable() {
    var scheduler = Scheduler(incarnation: Incarnation(1), seed: 1)
    var effects: [Scheduler.Effect] = []
    let now = Moment(nanoseconds: 1, wallMilliseconds: 1)
    scheduler.step(.call(.to("square", 1), number: 1, from: Driver.client), at: now, into: &effects)
    #expect(effects.compactMap(Answered.init).map(\.code) == [.unavailable])
  }

  @Test func aFullQueueAnswersOverloadedAtOnce() throws {
    var limits = SchedulerLimits()
    limits.queuedCallsMax = 2
    var driver = Driver(limits: limits)
    for number in 1...3 { driver.call(.to("square", UInt64(number)), number: UInt64(number)) }
    let answer = try #require(driver.takeAnswers().first)
    #expect(answer.number == 3)
    #expect(answer.code == .overloaded)
    #expect(try #require(answer.result.failure).retryAfter > .zero)
  }

  @Test func tooManyQueuedBytesAnswerOverloaded() {
    var limits = SchedulerLimits()
    limits.queuedBytesMax = 1000
    var driver = Driver(limits: limits)
    var large = Call.to("square", 1)
    large.arguments[0].value = Bytes(repeating: 0, count: 900)
    driver.call(large, number: 1)
    driver.call(.to("square", 2), number: 2)
    #expect(driver.takeAnswers().map(\.code) == [.overloaded])
  }

  @Test func aCallThatArrivesTwiceRunsOnce() throws {
    var driver = Driver()
    _ = driver.attach(0)
    _ = driver.attach(1)
    driver.call(.to("square", 1), number: 1)
    driver.call(.to("square", 1), number: 1)
    let dispatches = driver.takeDispatches()
    #expect(dispatches.count == 1)
    driver.finish(try #require(dispatches.first))
    #expect(driver.takeAnswers().count == 1)
  }

  @Test func anotherClientsInvocationIdIsAConflict() {
    var driver = Driver()
    driver.call(.to("square", 1), number: 1)
    driver.call(.to("square", 1), number: 1, from: Incarnation(8))
    #expect(driver.takeAnswers().map(\.code) == [.conflict])
  }

  @Test func aSecondResultIsIgnored() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    let dispatch = try #require(driver.takeDispatches().first)
    driver.finish(dispatch)
    driver.finish(dispatch)
    #expect(driver.takeAnswers().count == 1)
  }

  @Test func aRefusedCallComesBackAndRunsLater() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    let first = try #require(driver.takeDispatches().first)
    driver.step(.refused(Failure(.overloaded, "busy"), number: first.number, by: first.executor))
    #expect(driver.takeDispatches().isEmpty)
    driver.wait(.milliseconds(20))
    let second = try #require(driver.takeDispatches().first)
    driver.finish(second)
    #expect(driver.takeAnswers().map(\.code) == [nil])
  }

  @Test func aDispatchThatCouldNotBeDeliveredCostsNoAttempt() throws {
    var limits = SchedulerLimits()
    limits.attemptsMax = 1
    var driver = Driver(limits: limits)
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    let first = try #require(driver.takeDispatches().first)
    driver.step(.unreachable(first.executor, number: first.number))
    _ = driver.attach(1)
    let second = try #require(driver.takeDispatches().first)
    #expect(second.executor != first.executor)
    driver.finish(second)
    #expect(driver.takeAnswers().map(\.code) == [nil])
  }

  @Test func cancelledCallsNeverStart() {
    var driver = Driver()
    driver.call(.to("square", 1), number: 1)
    driver.step(.cancel(InvocationID(high: 1, low: 1), from: Driver.client))
    #expect(driver.takeAnswers().map(\.code) == [.cancelled])
    _ = driver.attach(0)
    #expect(driver.takeDispatches().isEmpty)
  }

  @Test func aRunningCallIsToldOfItsCancellationAndItsResultIsThrownAway() throws {
    var driver = Driver()
    let executor = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    let dispatch = try #require(driver.takeDispatches().first)
    driver.step(.cancel(InvocationID(high: 1, low: 1), from: Driver.client))
    #expect(driver.effects.contains(.cancel(InvocationID(high: 1, low: 1), on: executor)))
    driver.finish(dispatch)
    #expect(driver.takeAnswers().map(\.code) == [.cancelled])
    driver.call(.to("square", 2), number: 2)
    #expect(driver.takeDispatches().count == 1)
  }

  @Test func nobodyCancelsAnothersCall() {
    var driver = Driver()
    driver.call(.to("square", 1), number: 1)
    driver.step(.cancel(InvocationID(high: 1, low: 1), from: Incarnation(8)))
    #expect(driver.scheduler.queuedCount == 1)
  }

  @Test func theQueuedCallsOfAGoneClientAreDropped() {
    var driver = Driver()
    driver.call(.to("square", 1), number: 1)
    driver.call(.to("square", 2), number: 1, from: Incarnation(8))
    driver.step(.clientGone(Driver.client))
    _ = driver.attach(0)
    #expect(driver.takeDispatches().map(\.header.invocation.low) == [2])
  }

  @Test func theRunningCallsOfAGoneClientEndSilently() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    let dispatch = try #require(driver.takeDispatches().first)
    driver.step(.clientGone(Driver.client))
    driver.finish(dispatch)
    #expect(driver.takeAnswers().isEmpty)
    #expect(driver.scheduler.inFlightCount == 0)
  }

  @Test func aStoppingSchedulerLetsRunningCallsEndAndTakesNoMore() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    driver.call(.to("square", 2), number: 2)
    let dispatch = try #require(driver.takeDispatches().first)
    driver.step(.stop)
    driver.call(.to("square", 3), number: 3)
    #expect(driver.takeAnswers().map(\.code) == [.stopping, .stopping])
    #expect(!driver.effects.contains(.drained))
    driver.finish(dispatch)
    #expect(driver.takeAnswers().map(\.code) == [nil])
    #expect(driver.effects.contains(.drained))
  }

  @Test func aStoppingSchedulerWaitsForItsLimitAndNoLonger() {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1), number: 1)
    driver.step(.stop)
    driver.wait(SchedulerLimits().stopTimeLimit)
    #expect(driver.takeAnswers().map(\.code) == [.stopping])
    #expect(driver.effects.contains(.drained))
  }
}
