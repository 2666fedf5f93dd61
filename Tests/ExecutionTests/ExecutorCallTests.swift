import CloudburstValues
import ClusterModel
import Testing
import WireProtocol

@testable import Execution

@Suite struct ExecutorCallTests {
  @Test func aCallRunsAtOnceWhenItsBundleIsLoaded() {
    var driver = ExecutorDriver()
    let argument = Argument(encoding: 2, value: [1, 2])
    let effects = driver.step(.dispatched(dispatch("square", [argument]), number: 5))
    #expect(effects.count == 1)
    #expect(effects.run?.function == "square")
    #expect(effects.run?.arguments == [.value(encoding: 2, [1, 2])])
    #expect(effects.run?.attempt == 1)
  }

  @Test func theResultCarriesTheDispatchsNumber() {
    var driver = ExecutorDriver()
    driver.startBody()
    let effects = driver.endBody([9])
    guard case .sendResult(let result, let number)? = effects.last else {
      Issue.record("no result")
      return
    }
    #expect(number == 1)
    #expect(result.value == [9])
    #expect(result.invocation == InvocationID(high: 1, low: 2))
    #expect(result.failure == nil)
    #expect(!result.awaitsRelease)
    #expect(effects.writes == nil)
  }

  @Test func furtherDispatchesWaitInTheirOrder() {
    var driver = ExecutorDriver()
    driver.startBody()
    #expect(driver.step(.dispatched(dispatch("g"), number: 2)) == [])
    #expect(driver.step(.dispatched(dispatch("h"), number: 3)) == [])
    let first = driver.endBody()
    #expect(first.result != nil)
    #expect(first.run?.function == "g")
    #expect(driver.endBody().run?.function == "h")
    #expect(driver.endBody().run == nil)
  }

  @Test func moreDispatchesThanMayWaitAreRefused() {
    var limits = ExecutorLimits()
    limits.dispatchesWaitingMax = 1
    var driver = ExecutorDriver(limits: limits)
    driver.startBody()
    #expect(driver.step(.dispatched(dispatch("g"), number: 2)) == [])
    let effects = driver.step(.dispatched(dispatch("h"), number: 3))
    guard case .refuse(let failure, number: 3)? = effects.first else {
      Issue.record("not refused: \(effects)")
      return
    }
    #expect(failure.code == .overloaded)
    #expect(driver.endBody().run?.function == "g")
  }

  @Test func aRecalledDispatchIsGivenBackAndTheNextOneRuns() {
    var driver = ExecutorDriver()
    driver.startBody()
    _ = driver.step(.dispatched(dispatch("g"), number: 2))
    _ = driver.step(.dispatched(dispatch("h"), number: 3))
    driver.recalledUpTo = 2
    let effects = driver.endBody()
    #expect(effects.contains(.giveBack(number: 2)))
    #expect(effects.run?.function == "h")
  }

  @Test func aCallCancelledWhileItWaitsEndsAtOnceAndNeverRuns() {
    var driver = ExecutorDriver()
    driver.startBody()
    let waiting = InvocationID(high: 5, low: 5)
    _ = driver.step(
      .dispatched(dispatch("g", header: CallHeader(invocation: waiting)), number: 2))
    let effects = driver.step(.cancelled(waiting))
    #expect(effects.result?.invocation == waiting)
    #expect(effects.result?.failure?.code == .cancelled)
    #expect(driver.endBody().run == nil)
  }

  @Test func theTimeOfACallThatWaitsRunsFromItsArrival() {
    var driver = ExecutorDriver()
    driver.startBody()
    var header = CallHeader(invocation: InvocationID(high: 5, low: 5))
    header.remaining = .milliseconds(3)
    _ = driver.step(.dispatched(dispatch("g", header: header), number: 2))
    driver.advance(.milliseconds(4))
    let effects = driver.endBody()
    #expect(effects.run == nil)
    let failures = effects.compactMap { effect in
      if case .sendResult(let result, number: 2) = effect { result.failure } else { nil }
    }
    #expect(failures.map(\.code) == [.deadlineExceeded])
  }

  @Test func aMissingBundleIsAskedForLoadedAndRun() {
    var driver = ExecutorDriver(bundleLoaded: false)
    #expect(
      driver.step(.dispatched(dispatch("f"), number: 1)) == [.requestBundle(ExecutorDriver.bundle)])
    #expect(
      driver.step(.bundleReady(ExecutorDriver.ready()))
        == [.load(ExecutorDriver.bundle, path: "/bundles/x.so")])
    #expect(driver.step(.bundleLoaded(ExecutorDriver.bundle, nil)).run?.function == "f")
  }

  @Test func aBundleThatCannotBeLoadedFailsTheCallAndNotTheNext() {
    var driver = ExecutorDriver(bundleLoaded: false)
    _ = driver.step(.dispatched(dispatch("f"), number: 1))
    _ = driver.step(.bundleReady(ExecutorDriver.ready()))
    let refusal = Failure(.bundleInvalid, "another toolchain")
    let failure = driver.step(.bundleLoaded(ExecutorDriver.bundle, refusal)).result?.failure
    #expect(failure?.code == .bundleInvalid)
    #expect(failure?.function == "f")
    #expect(
      driver.step(.dispatched(dispatch("f"), number: 2)) == [.requestBundle(ExecutorDriver.bundle)])
  }

  @Test func anUnansweredBundleRequestIsRepeated() {
    var driver = ExecutorDriver(bundleLoaded: false)
    _ = driver.step(.dispatched(dispatch("f"), number: 1))
    #expect(driver.step(.timerFired) == [])
    driver.advance(.seconds(1))
    #expect(driver.executor.timer == driver.readings.monotonic)
    #expect(driver.step(.timerFired) == [.requestBundle(ExecutorDriver.bundle)])
  }

  @Test(arguments: [
    ("FUNCTION_FAILED", ErrorCode.functionFailed, "no"),
    ("BAD_ARGUMENT", .badArgument, "no"),
    ("SET_UP_FAILED", .setUpFailed, "no"),
    ("KEY_RESERVED", .keyReserved, "no"),
    ("EXECUTOR_LOST", .functionFailed, "EXECUTOR_LOST: no"),
    ("OUT_OF_STOCK", .functionFailed, "OUT_OF_STOCK: no"),
  ])
  func bodysFailureIsTranslated(code: String, expected: ErrorCode, message: String) {
    var driver = ExecutorDriver()
    driver.startBody()
    let failure = driver.step(.stageEnded(.failed(code: code, message: "no"))).result?.failure
    #expect(failure?.code == expected)
    #expect(failure?.message == message)
    #expect(failure?.function == "f")
    #expect(failure?.version == ExecutorDriver.bundle.short)
    #expect(failure?.node == ExecutorDriver.identity.description)
    #expect(failure?.requestID == InvocationID(high: 1, low: 2))
  }

  @Test func aLongFailureTextIsCutAtACharacter() {
    var driver = ExecutorDriver()
    driver.startBody()
    let text = String(repeating: "é", count: Limits.failureDetailBytesMax)
    let failure = driver.step(.stageEnded(.failed(code: "FUNCTION_FAILED", message: text))).result?
      .failure
    #expect(failure?.message.utf8.count == Limits.failureDetailBytesMax)
    #expect(failure?.message.allSatisfy { $0 == "é" } == true)
  }

  @Test func aNativeResultIsConvertedForACallerThatTakesJSON() throws {
    var driver = ExecutorDriver()
    driver.startBody { $0.accepts = 1 << 1 }
    let native = try EncodedValue([1, 2])
    let effects = driver.step(.stageEnded(.result(encoding: 2, native.bytes[...])))
    #expect(effects.result?.encoding == 1)
    #expect(effects.result?.value.text == "[1,2]")
  }

  @Test func aResultInATakenEncodingIsLeftAlone() {
    var driver = ExecutorDriver()
    driver.startBody { $0.accepts = 1 << 0 | 1 << 1 }
    #expect(driver.endBody([1]).result?.encoding == 0)
  }

  @Test func aNumberCannotBeGivenRaw() throws {
    var driver = ExecutorDriver()
    driver.startBody { $0.accepts = 1 << 0 }
    let native = try EncodedValue(3).bytes[...]
    let effects = driver.step(.stageEnded(.result(encoding: 2, native)))
    #expect(effects.result?.failure?.code == .badRequest)
  }

  @Test func stagesRunBackToBackAndFeedEachOther() {
    var driver = ExecutorDriver()
    var dag = dispatch("a")
    dag.stages = [
      stage("a"), stage("b", upstream: [0]),
      stage("c", [Argument(encoding: 0, value: [9])], upstream: [1, 0]),
    ]
    #expect(driver.step(.dispatched(dag, number: 1)).run?.function == "a")
    #expect(driver.endBody([1]).run?.arguments == [.value(encoding: 0, [1])])
    #expect(
      driver.endBody([2]).run?.arguments
        == [.value(encoding: 0, [9]), .value(encoding: 0, [2]), .value(encoding: 0, [1])])
    #expect(driver.endBody([3]).result?.value == [3])
  }

  @Test func aFailedStageEndsTheDAGAndIsNamed() {
    var driver = ExecutorDriver()
    var dag = dispatch("a")
    dag.stages = [stage("a"), stage("b", upstream: [0]), stage("c", upstream: [1])]
    _ = driver.step(.dispatched(dag, number: 1))
    _ = driver.endBody([1])
    let effects = driver.step(.stageEnded(.failed(code: "FUNCTION_FAILED", message: "no")))
    #expect(effects.run == nil)
    #expect(effects.result?.failure?.function == "b")
  }

  @Test func aStageFedByALaterOneIsRefused() {
    var driver = ExecutorDriver()
    var dag = dispatch("a")
    dag.stages = [stage("a", upstream: [1]), stage("b")]
    guard case .refuse(let failure, _)? = driver.step(.dispatched(dag, number: 1)).first else {
      Issue.record("accepted")
      return
    }
    #expect(failure.code == .badRequest)
    #expect(!driver.executor.isBusy)
  }

  @Test func cancellingWhileTheBundleIsOnItsWayEndsTheCall() {
    var driver = ExecutorDriver(bundleLoaded: false)
    _ = driver.step(.dispatched(dispatch("f"), number: 1))
    let effects = driver.step(.cancelled(InvocationID(high: 1, low: 2)))
    #expect(effects.result?.failure?.code == .cancelled)
    #expect(!driver.executor.isBusy)
    #expect(driver.step(.bundleReady(ExecutorDriver.ready())) == [])
  }

  @Test func aCancelledBodyEndsAsCancelledWhateverItReturns() {
    var driver = ExecutorDriver()
    driver.startBody()
    #expect(driver.step(.cancelled(InvocationID(high: 1, low: 2))) == [])
    #expect(driver.endBody().result?.failure?.code == .cancelled)
  }

  @Test func cancellingAnotherCallChangesNothing() {
    var driver = ExecutorDriver()
    driver.startBody()
    #expect(driver.step(.cancelled(InvocationID(high: 3, low: 3))) == [])
    #expect(driver.endBody().result?.failure == nil)
  }

  @Test func aCallWhoseTimeIsOverBeforeItRunsIsNotRun() {
    var driver = ExecutorDriver(bundleLoaded: false)
    var header = CallHeader(invocation: InvocationID(high: 1, low: 2))
    header.remaining = .milliseconds(50)
    _ = driver.step(.dispatched(dispatch("f", header: header), number: 1))
    driver.advance(.milliseconds(50))
    #expect(driver.executor.timer == driver.readings.monotonic)
    #expect(driver.step(.timerFired).result?.failure?.code == .deadlineExceeded)
  }

  @Test func theRunTimeIsThatOfTheBodies() {
    var driver = ExecutorDriver()
    driver.startBody()
    driver.advance(.microseconds(30))
    #expect(driver.endBody().result?.runNanoseconds == 30_000)
  }

  @Test func aProcessThatHoldsEnoughBundlesRetiresAfterItsCall() {
    var limits = ExecutorLimits()
    limits.bundlesMax = 1
    var driver = ExecutorDriver(limits: limits)
    driver.startBody()
    #expect(driver.endBody().last == .retire)
  }
}
