import ClusterModel
import Testing
import WireProtocol

@testable import Execution

@Suite struct ExecutorWriteTests {
  @Test func writesLeaveAtTheCallsEndAndHoldItsResult() throws {
    var driver = ExecutorDriver()
    var header = CallHeader(invocation: InvocationID(high: 1, low: 2))
    header.writeLevel = .durable
    header.scheduler = Incarnation(77)
    header.attempt = 2
    driver.startBody { $0.header = header.encoded() }
    #expect(driver.step(.write(put("x", "1"))) == [])
    let effects = driver.endBody()
    let writes = try #require(effects.writes).0
    #expect(writes.writes == [put("x", "1")])
    #expect(writes.isFinal)
    #expect(writes.level == .durable)
    #expect(writes.scheduler == Incarnation(77))
    #expect(writes.attempt == 2)
    #expect(effects.result?.awaitsRelease == true)
  }

  @Test func writesSayWhatTheirCallKnows() throws {
    var driver = ExecutorDriver()
    var header = CallHeader(invocation: InvocationID(high: 1, low: 2))
    var session = SessionToken()
    session.entries = [
      .init(key: Key("a"), version: Version(generation: 3, stamp: 40)),
      .init(key: Key("b"), version: Version(generation: 0, stamp: 41)),
    ]
    header.session = session.encoded()
    driver.startBody { $0.header = header.encoded() }
    _ = driver.step(.write(put("x", "1")))
    let writes = try #require(driver.endBody().writes).0
    #expect(writes.clock == 41)
  }

  @Test func aCallWhoseWritesAllLeftStillWaitsForThem() throws {
    var driver = ExecutorDriver()
    driver.startBody()
    _ = driver.step(.write(put("x", "1")))
    _ = driver.step(.stageSuspended)
    let effects = driver.endBody()
    let writes = try #require(effects.writes).0
    #expect(writes.writes.isEmpty && writes.isFinal)
    #expect(effects.result?.awaitsRelease == true)
  }

  @Test func readingAnUnacknowledgedWriteHoldsTheResult() throws {
    var driver = ExecutorDriver()
    driver.readings.acknowledged = 4
    driver.startBody()
    let read = driver.step(.read(Key("x"), token: 1)).lookUps[0]
    _ = driver.step(.lookedUp(.record(stored("1", sequence: 6)), read: read))
    let effects = driver.endBody()
    #expect(try #require(effects.writes).0.readSequence == 6)
    #expect(effects.result?.awaitsRelease == true)
  }

  @Test func whatIsAcknowledgedBeforeTheEndHoldsNothing() {
    var driver = ExecutorDriver()
    driver.readings.acknowledged = 4
    driver.startBody()
    let read = driver.step(.read(Key("x"), token: 1)).lookUps[0]
    _ = driver.step(.lookedUp(.record(stored("1", sequence: 6)), read: read))
    driver.readings.acknowledged = 6
    let effects = driver.endBody()
    #expect(effects.writes == nil)
    #expect(effects.result?.awaitsRelease == false)
  }

  @Test func aFailedCallsWritesAreSentToo() {
    var driver = ExecutorDriver()
    driver.startBody()
    _ = driver.step(.write(put("x", "1")))
    let effects = driver.step(.stageEnded(.failed(code: "FUNCTION_FAILED", message: "no")))
    #expect(effects.writes?.0.writes.count == 1)
    #expect(effects.result?.awaitsRelease == true)
  }

  @Test func writesOfOneKeyAreFoldedInPlace() {
    var driver = ExecutorDriver()
    driver.startBody()
    for write in [put("x", "1"), add("n", 2), put("x", "2"), add("n", -5)] {
      _ = driver.step(.write(write))
    }
    #expect(driver.endBody().writes?.0.writes == [put("x", "2"), add("n", -3)])
  }

  @Test func aPutAfterADeleteKeepsBoth() {
    var driver = ExecutorDriver()
    driver.startBody()
    let delete = CacheWrite(key: Key("x"), kind: .delete)
    for write in [put("x", "1"), delete, put("x", "2")] { _ = driver.step(.write(write)) }
    #expect(driver.endBody().writes?.0.writes == [put("x", "1"), delete, put("x", "2")])
  }

  @Test func elementsOfOneSetAreSentAsOneWrite() {
    var driver = ExecutorDriver()
    driver.startBody()
    _ = driver.step(.write(insert("s", "b")))
    _ = driver.step(.write(insert("s", "a")))
    #expect(driver.endBody().writes?.0.writes.count == 1)
  }

  @Test func aFullOverlayIsFlushed() {
    var limits = ExecutorLimits()
    limits.overlayBytesMax = 100
    var driver = ExecutorDriver(limits: limits)
    driver.startBody()
    #expect(driver.step(.write(put("x", "1"))) == [])
    let writes = driver.step(.write(put("y", "2"))).writes
    #expect(writes?.0.writes.count == 2)
    #expect(writes?.0.isFinal == false)
  }

  @Test func writesAreFlushedAfterTheInterval() {
    var driver = ExecutorDriver()
    driver.startBody()
    _ = driver.step(.write(put("x", "1")))
    driver.advance(.milliseconds(10))
    #expect(driver.executor.timer == driver.readings.monotonic)
    #expect(driver.step(.timerFired).writes?.0.writes == [put("x", "1")])
    #expect(driver.executor.timer == nil)
  }

  @Test func whatWasSentIsReadFromTheOverlayUntilItIsApplied() throws {
    var driver = ExecutorDriver()
    driver.startBody()
    _ = driver.step(.write(put("x", "1")))
    let number = try #require(driver.step(.stageSuspended).writes).number
    #expect(driver.step(.read(Key("x"), token: 1)).answer != nil)
    _ = driver.step(.cacheApplied(number: number))
    #expect(driver.step(.read(Key("x"), token: 2)).lookUps.count == 1)
  }

  @Test func aFullPipeToTheCacheRefusesWritesUntilItDrains() throws {
    var limits = ExecutorLimits()
    limits.overlayBytesMax = 0
    limits.unappliedBytesMax = 10
    var driver = ExecutorDriver(limits: limits)
    driver.startBody()
    let number = try #require(driver.step(.write(put("x", "1"))).writes).number
    #expect(driver.step(.write(put("y", "1"))) == [.writeRefused(.full)])
    _ = driver.step(.cacheApplied(number: number))
    #expect(driver.step(.write(put("y", "1"))).writes != nil)
  }

  @Test func thePlatformsKeysAreNotABodysToWrite() {
    var driver = ExecutorDriver()
    driver.startBody()
    #expect(driver.step(.write(put("_cb/functions", "1"))) == [.writeRefused(.reserved)])
    #expect(driver.endBody().result?.awaitsRelease == false)
  }

  @Test func oneKeyHasOneTypeWithinACall() {
    var driver = ExecutorDriver()
    driver.startBody()
    _ = driver.step(.write(put("x", "1")))
    #expect(driver.step(.write(add("x", 1))) == [.writeRefused(.lattice)])
    _ = driver.step(.write(CacheWrite(key: Key("x"), kind: .delete)))
    #expect(driver.step(.write(add("x", 1))) == [])
  }

  @Test func writesThatTheAgentRefusesFailTheCall() throws {
    var driver = ExecutorDriver()
    driver.startBody()
    _ = driver.step(.write(put("x", "1")))
    let number = try #require(driver.step(.stageSuspended).writes).number
    _ = driver.step(.cacheRefused(Failure(.overloaded, "full"), number: number))
    #expect(driver.endBody().result?.failure?.code == .overloaded)
  }

  @Test func aLaterStageReadsWhatAnEarlierOneWrote() {
    var driver = ExecutorDriver()
    var dag = dispatch("a")
    dag.stages = [stage("a"), stage("b", [Argument(reference: Key("x"))], upstream: [0])]
    _ = driver.step(.dispatched(dag, number: 1))
    _ = driver.step(.write(put("x", "mine")))
    let run = driver.endBody([1]).run
    #expect(run?.arguments.first == .value(encoding: 0, Bytes(text: "mine")))
  }
}
