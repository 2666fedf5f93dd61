import ClusterModel
import Scheduling
import Testing
import WireProtocol

@Suite struct SubmitTests {
  private let invocation = InvocationID(high: 1, low: 1)

  @Test func submitAnswersOnlyAfterTheIntentIsStored() {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1).submitted(), number: 7)
    #expect(driver.takeAnswers().isEmpty)
    #expect(driver.takeDispatches().isEmpty, "nor does it run before")
    driver.answerStore()
    #expect(driver.takeAnswers().map(\.number) == [7])
    #expect(driver.takeDispatches().count == 1)
    #expect(driver.store.payload(ReservedKeys.intent(invocation)) != nil)
  }

  @Test func theFutureIsStoredBeforeTheIntentIsDeleted() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1).submitted(), number: 7)
    driver.answerStore()
    driver.finish(driver.takeDispatches()[0], value: [25])
    let index = try #require(driver.effects.firstIndex { $0.storeRequest != nil })
    let (put, number) = try #require(driver.effects.remove(at: index).storeRequest)
    #expect(put.tuples.map(\.key) == [ReservedKeys.future(invocation)])
    #expect(!driver.effects.contains { $0.storeRequest != nil }, "the intent is still there")
    driver.step(.stored(driver.store.answer(put), number: number))
    driver.answerStore()
    #expect(driver.store.payload(ReservedKeys.intent(invocation)) == nil)
    let future = try #require(driver.store.payload(ReservedKeys.future(invocation)))
    #expect(try CallResult.decode(future).value == [25])
    #expect(driver.scheduler.inFlightCount == 0)
  }

  @Test func aFutureExpires() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1).submitted(), number: 7)
    driver.answerStore()
    driver.finish(driver.takeDispatches()[0])
    driver.answerStore()
    let record = try #require(driver.store.records[ReservedKeys.future(invocation)])
    let lifetime = record.expiry - driver.now.wallMilliseconds
    #expect(lifetime == Limits.futureLifetime.wholeNanoseconds / 1_000_000)
  }

  @Test func anIntentThatCannotBeStoredFailsTheSubmit() throws {
    var driver = Driver()
    driver.call(.to("square", 1).submitted(), number: 7)
    let (_, number) = try #require(driver.effects.compactMap(\.storeRequest).first)
    var response = KeyResponse()
    response.failure = Failure(.overloaded, "the store is full")
    driver.step(.stored(response, number: number))
    #expect(driver.takeAnswers().map(\.code) == [.overloaded])
    #expect(driver.scheduler.queuedCount == 0)
  }

  @Test func theFutureOfAFailedCallSaysWhy() throws {
    var driver = Driver()
    driver.call(.to("square", 1, limit: .seconds(1)).submitted(), number: 7)
    driver.answerStore()
    driver.wait(.seconds(1))
    driver.answerStore()
    let future = try #require(driver.store.payload(ReservedKeys.future(invocation)))
    #expect(try CallResult.decode(future).failure?.code == .timedOut)
  }

  @Test func intentsLeftByADeadSchedulerRun() throws {
    var first = Driver()
    for number in 1...5 {
      first.call(.to("square", UInt64(number)).submitted(), number: UInt64(number))
    }
    first.answerStore()
    var second = Driver(store: first.store, incarnation: 6)
    for number in 0..<5 { _ = second.attach(UInt32(number)) }
    second.answerStore()
    let dispatches = second.takeDispatches()
    #expect(Set(dispatches.map(\.header.invocation.low)) == [1, 2, 3, 4, 5])
    for dispatch in dispatches { second.finish(dispatch) }
    second.answerStore()
    #expect(second.takeAnswers().isEmpty, "nobody waits on this connection")
    for number in 1...5 as ClosedRange<UInt64> {
      let id = InvocationID(high: 1, low: number)
      #expect(second.store.payload(ReservedKeys.future(id)) != nil)
      #expect(second.store.payload(ReservedKeys.intent(id)) == nil)
    }
  }

  @Test func anIntentWhoseFutureIsStoredDoesNotRunAgain() {
    var first = Driver()
    first.call(.to("square", 1).submitted(), number: 1)
    first.answerStore()
    first.store.put(ReservedKeys.future(invocation), CallResult().encoded())
    var second = Driver(store: first.store, incarnation: 6)
    _ = second.attach(0)
    second.answerStore()
    #expect(second.takeDispatches().isEmpty)
    #expect(second.store.payload(ReservedKeys.intent(invocation)) == nil)
  }

  @Test func anIntentWhoseFunctionIsGoneEndsInItsFuture() throws {
    var first = Driver()
    first.call(.to("square", 1).submitted(), number: 1)
    first.answerStore()
    first.store.records[ReservedKeys.function("square")] = nil
    var second = Driver(store: first.store, incarnation: 6)
    second.answerStore()
    let future = try #require(second.store.payload(ReservedKeys.future(invocation)))
    #expect(try CallResult.decode(future).failure?.code == .functionNotFound)
  }

  @Test func aSubmittedCallSurvivesItsClient() {
    var driver = Driver()
    driver.call(.to("square", 1).submitted(), number: 1)
    driver.answerStore()
    driver.step(.clientGone(Driver.client))
    _ = driver.attach(0)
    #expect(driver.takeDispatches().count == 1)
  }

  @Test func aCancelledSubmitEndsInItsFuture() throws {
    var driver = Driver()
    driver.call(.to("square", 1).submitted(), number: 1)
    driver.answerStore()
    driver.step(.cancel(invocation, from: Driver.client))
    driver.answerStore()
    let future = try #require(driver.store.payload(ReservedKeys.future(invocation)))
    #expect(try CallResult.decode(future).failure?.code == .cancelled)
  }

  @Test func aResultIsStoredUnderItsKeyBeforeTheAnswer() throws {
    var driver = Driver()
    _ = driver.attach(0)
    var call = Call.to("square", 1)
    call.resultKey = Bytes(text: "answer")
    driver.call(call, number: 1)
    driver.finish(driver.takeDispatches()[0], value: [25])
    #expect(driver.takeAnswers().isEmpty)
    driver.answerStore()
    #expect(driver.takeAnswers().map(\.result.value) == [[25]])
    #expect(driver.store.payload(Key("answer")) == [25])
  }

  @Test func theSessionOfAStoredResultNamesItsKey() throws {
    var driver = Driver()
    _ = driver.attach(0)
    var call = Call.to("square", 1)
    call.resultKey = Bytes(text: "answer")
    driver.call(call, number: 1)
    driver.finish(driver.takeDispatches()[0])
    driver.answerStore()
    let answer = try #require(driver.takeAnswers().first)
    let session = try SessionToken.decode(answer.result.session)
    #expect(session.entries.map(\.key) == [Key("answer")])
  }

  @Test func aFailedCallStoresNothingUnderItsKey() throws {
    var driver = Driver()
    _ = driver.attach(0)
    var call = Call.to("square", 1)
    call.resultKey = Bytes(text: "answer")
    driver.call(call, number: 1)
    let dispatch = try #require(driver.takeDispatches().first)
    var result = CallResult()
    result.invocation = dispatch.header.invocation
    result.attempt = UInt32(dispatch.header.attempt)
    result.failure = Failure(.functionFailed, "no")
    driver.step(.result(result, number: dispatch.number, from: dispatch.executor))
    driver.answerStore()
    #expect(driver.takeAnswers().map(\.code) == [.functionFailed])
    #expect(driver.store.payload(Key("answer")) == nil)
  }

  @Test func anUnansweredStoreRequestIsSentAgain() throws {
    var driver = Driver()
    driver.call(.to("square", 1).submitted(), number: 1)
    let first = try #require(driver.effects.compactMap(\.storeRequest).first)
    driver.effects = []
    driver.wait(SchedulerLimits().storeResendInterval)
    let again = try #require(driver.effects.compactMap(\.storeRequest).first)
    #expect(again.0 == first.0)
    #expect(again.1 == first.1)
  }

  @Test func anIntentPutThatComesLateDoesNotBringACallBack() throws {
    var driver = Driver()
    _ = driver.attach(0)
    driver.call(.to("square", 1).submitted(), number: 1)
    let (put, _) = try #require(driver.effects.compactMap(\.storeRequest).first)
    driver.answerStore()
    driver.finish(driver.takeDispatches()[0])
    driver.answerStore()
    _ = driver.store.answer(put)
    #expect(driver.store.payload(ReservedKeys.intent(invocation)) == nil)
  }
}
