import CloudburstValues
import ClusterModel
import Lattices
import Testing
import WireProtocol

@testable import Execution

@Suite struct ExecutorReadTests {
  @Test func allReferencesAreLookedUpTogetherEachKeyOnce() {
    var driver = ExecutorDriver()
    let call = dispatch(
      "f",
      [Argument(reference: Key("x")), Argument(reference: Key("y")), Argument(reference: Key("x"))])
    let lookUps = driver.step(.dispatched(call, number: 1)).lookUps
    #expect(lookUps.count == 2)
    #expect(driver.step(.lookedUp(.record(stored("1")), read: lookUps[0])).run == nil)
    let run = driver.step(.lookedUp(.record(stored("2")), read: lookUps[1])).run
    let one = StageRun.Argument.value(encoding: 0, Bytes(text: "1"))
    #expect(run?.arguments == [one, .value(encoding: 0, Bytes(text: "2")), one])
  }

  @Test func aReferenceThatIsNotCachedIsFetched() {
    var driver = ExecutorDriver()
    let call = dispatch("f", [Argument(reference: Key("x"))])
    let read = driver.step(.dispatched(call, number: 1)).lookUps[0]
    let fetch = driver.step(.lookedUp(.absent, read: read)).fetches[0]
    #expect(fetch.0.key == Key("x"))
    let run = driver.step(.cacheFetched(fetched("x", stored("1")), number: fetch.number)).run
    #expect(run?.arguments == [.value(encoding: 0, Bytes(text: "1"))])
  }

  @Test func aReferenceToAMissingKeyEndsTheCall() {
    var driver = ExecutorDriver()
    let call = dispatch("f", [Argument(reference: Key("x"))])
    let read = driver.step(.dispatched(call, number: 1)).lookUps[0]
    let number = driver.step(.lookedUp(.absent, read: read)).fetches[0].number
    let failure = driver.step(.cacheFetched(fetched("x", nil), number: number)).result?.failure
    #expect(failure?.code == .keyNotFound)
    #expect(failure?.message.contains("x") == true)
  }

  @Test func aReferenceToACounterIsItsNumber() throws {
    var driver = ExecutorDriver()
    let call = dispatch("f", [Argument(reference: Key("n"))])
    let read = driver.step(.dispatched(call, number: 1)).lookUps[0]
    let run = driver.step(.lookedUp(.record(counterRecord(6)), read: read)).run
    #expect(run?.arguments == [.value(encoding: 2, try EncodedValue(6).bytes[...])])
  }

  @Test func aReferenceToASetIsAnArray() throws {
    var driver = ExecutorDriver()
    let elements = try ["b", "a"].map { try EncodedValue($0).bytes[...] }
    let record = Record(lattice: .set, encoding: 2, payload: GrowSet(elements).serialized()[...])
    let call = dispatch("f", [Argument(reference: Key("s"))])
    let read = driver.step(.dispatched(call, number: 1)).lookUps[0]
    let run = driver.step(.lookedUp(.record(record), read: read)).run
    #expect(run?.arguments == [.value(encoding: 2, try EncodedValue(["a", "b"]).bytes[...])])
  }

  @Test func aMappedValueIsPassedOnUncopied() {
    var driver = ExecutorDriver()
    let call = dispatch("f", [Argument(reference: Key("x"))])
    let read = driver.step(.dispatched(call, number: 1)).lookUps[0]
    let run = driver.step(.lookedUp(.mapped(stored("")), read: read)).run
    #expect(run?.arguments == [.mapped(encoding: 0, read: read)])
  }

  @Test func aBodyReadsItsOwnPutWithoutAskingAnyone() {
    var driver = ExecutorDriver()
    driver.startBody()
    _ = driver.step(.write(put("x", "mine")))
    #expect(
      driver.step(.read(Key("x"), token: 8))
        == [.answer(.value(encoding: 0, Bytes(text: "mine")), token: 8)])
    _ = driver.step(.write(CacheWrite(key: Key("x"), kind: .delete)))
    #expect(driver.step(.read(Key("x"), token: 9)) == [.answer(.missing, token: 9)])
  }

  @Test func aCounterIsTheStoredValueAndTheCallsOwnIncrements() {
    var driver = ExecutorDriver()
    driver.startBody()
    _ = driver.step(.write(add("n", 2)))
    _ = driver.step(.write(add("n", 3)))
    let read = driver.step(.read(Key("n"), token: 1)).lookUps[0]
    #expect(driver.step(.lookedUp(.record(counterRecord(10)), read: read)).answer == .counter(15))
  }

  @Test func aCounterIsNotReadWhileItsIncrementsAreOnTheirWay() {
    var driver = ExecutorDriver()
    driver.startBody()
    _ = driver.step(.write(add("n", 2)))
    let number = driver.step(.stageSuspended).writes?.number ?? 0
    #expect(driver.step(.read(Key("n"), token: 1)) == [])
    let read = driver.step(.cacheApplied(number: number)).lookUps[0]
    #expect(driver.step(.lookedUp(.record(counterRecord(12)), read: read)).answer == .counter(12))
  }

  @Test func incrementsSentAfterAFetchAreCountedOnce() {
    var driver = ExecutorDriver()
    driver.startBody()
    _ = driver.step(.write(add("n", 2)))
    let read = driver.step(.read(Key("n"), token: 1)).lookUps[0]
    let fetch = driver.step(.lookedUp(.absent, read: read)).fetches[0].number
    let writes = driver.step(.stageSuspended).writes?.number ?? 0
    // The agent applied them before it answered the fetch, so it says so first.
    _ = driver.step(.cacheApplied(number: writes))
    let answer = driver.step(.cacheFetched(fetched("n", counterRecord(12)), number: fetch)).answer
    #expect(answer == .counter(12))
  }

  @Test func aSetIsTheStoredElementsAndTheCallsOwn() {
    var driver = ExecutorDriver()
    driver.startBody()
    _ = driver.step(.write(insert("s", "b")))
    _ = driver.step(.write(insert("s", "a")))
    let record = Record(
      lattice: .set, payload: GrowSet([Bytes(text: "c"), Bytes(text: "a")]).serialized()[...])
    let read = driver.step(.read(Key("s"), token: 1)).lookUps[0]
    #expect(
      driver.step(.lookedUp(.record(record), read: read)).answer
        == .set(encoding: 0, ["a", "b", "c"].map { Bytes(text: $0) }))
  }

  @Test func aPartialRecordIsFetched() {
    var driver = ExecutorDriver()
    driver.startBody()
    var record = counterRecord(1)
    record.flags = .partial
    let read = driver.step(.read(Key("n"), token: 1)).lookUps[0]
    #expect(driver.step(.lookedUp(.record(record), read: read)).fetches.count == 1)
  }

  @Test func aVersionBelowTheSessionsIsFetchedWithThatMinimum() {
    var driver = ExecutorDriver()
    var session = SessionToken()
    let minimum = Version(generation: 0, stamp: 7)
    session.entries = [SessionToken.Entry(key: Key("x"), version: minimum)]
    var header = CallHeader(invocation: InvocationID(high: 1, low: 2))
    header.session = session.encoded()
    driver.startBody { $0.header = header.encoded() }
    let read = driver.step(.read(Key("x"), token: 1)).lookUps[0]
    let fetches = driver.step(.lookedUp(.record(stored("old", stamp: 6)), read: read)).fetches
    #expect(fetches.first?.0.minimum == minimum)
  }

  @Test func anExpiredRecordReadsAsMissing() {
    var driver = ExecutorDriver()
    driver.startBody()
    var record = stored("gone")
    record.expiry = driver.readings.wall
    let read = driver.step(.read(Key("x"), token: 1)).lookUps[0]
    #expect(driver.step(.lookedUp(.record(record), read: read)).answer == .missing)
  }

  @Test func aLargeValueIsLookedUpAgainOnceTheCacheHasIt() {
    var driver = ExecutorDriver()
    driver.startBody()
    let read = driver.step(.read(Key("x"), token: 1)).lookUps[0]
    let fetch = driver.step(.lookedUp(.absent, read: read)).fetches[0].number
    var answer = CacheFetched()
    answer.key = Key("x")
    answer.inCache = true
    #expect(driver.step(.cacheFetched(answer, number: fetch)).lookUps == [read])
    #expect(
      driver.step(.lookedUp(.mapped(stored("")), read: read)).answer
        == .mapped(encoding: 0, read: read))
  }

  @Test func aValueThatIsAlwaysEvictedEndsTheReadWithACode() {
    var driver = ExecutorDriver()
    driver.startBody()
    var read = driver.step(.read(Key("x"), token: 1)).lookUps[0]
    var answer = CacheFetched()
    answer.inCache = true
    for _ in 0..<4 {
      let fetch = driver.step(.lookedUp(.absent, read: read)).fetches[0].number
      read = driver.step(.cacheFetched(answer, number: fetch)).lookUps[0]
    }
    guard case .failed(let failure)? = driver.step(.lookedUp(.absent, read: read)).answer else {
      Issue.record("still trying")
      return
    }
    #expect(failure.code == .unavailable)
  }

  @Test func anUnansweredFetchIsRepeatedUnderItsNumber() {
    var driver = ExecutorDriver()
    driver.startBody()
    let read = driver.step(.read(Key("x"), token: 1)).lookUps[0]
    let first = driver.step(.lookedUp(.absent, read: read)).fetches[0].number
    driver.advance(.seconds(1))
    #expect(driver.step(.timerFired).fetches.map(\.number) == [first])
  }

  @Test func aWaitingReadFailsAtTheDeadline() {
    var driver = ExecutorDriver()
    var header = CallHeader(invocation: InvocationID(high: 1, low: 2))
    header.remaining = .milliseconds(50)
    driver.startBody { $0.header = header.encoded() }
    let read = driver.step(.read(Key("x"), token: 1)).lookUps[0]
    _ = driver.step(.lookedUp(.absent, read: read))
    driver.advance(.milliseconds(50))
    guard case .failed(let failure)? = driver.step(.timerFired).answer else {
      Issue.record("still waiting")
      return
    }
    #expect(failure.code == .deadlineExceeded)
  }

  @Test func readsOfACancelledCallFail() {
    var driver = ExecutorDriver()
    driver.startBody()
    let read = driver.step(.read(Key("x"), token: 1)).lookUps[0]
    _ = driver.step(.lookedUp(.absent, read: read))
    #expect(
      driver.step(.cancelled(InvocationID(high: 1, low: 2)))
        == [.answer(.failed(.cancelled), token: 1)])
    #expect(driver.step(.read(Key("y"), token: 2)) == [.answer(.failed(.cancelled), token: 2)])
  }

  @Test func readsBeyondTheLimitAreRefused() {
    var limits = ExecutorLimits()
    limits.readsMax = 1
    var driver = ExecutorDriver(limits: limits)
    driver.startBody()
    _ = driver.step(.read(Key("x"), token: 1))
    guard case .failed(let failure)? = driver.step(.read(Key("y"), token: 2)).answer else {
      Issue.record("taken")
      return
    }
    #expect(failure.code == .overloaded)
  }

  @Test func theResultTellsTheVersionsThatWereRead() throws {
    var driver = ExecutorDriver()
    driver.startBody()
    let read = driver.step(.read(Key("x"), token: 1)).lookUps[0]
    _ = driver.step(.lookedUp(.record(stored("1", stamp: 77)), read: read))
    let session = try SessionToken.decode(driver.endBody().result?.session ?? [])
    #expect(session.entries.map(\.key) == [Key("x")])
    #expect(session.entries.map(\.version.stamp) == [77])
  }
}
