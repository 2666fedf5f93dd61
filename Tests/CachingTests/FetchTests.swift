import Caching
import ClusterModel
import Testing
import WireProtocol

@Suite struct FetchTests {
  @Test func aMissAsksTheOwnerOnceForAllWhoWait() {
    var node = TestNode()
    let requests = node.fetch("a").requests
    #expect(requests.count == 1 && requests[0].request.subscribe)
    #expect(node.fetch("a", from: other).requests.isEmpty)
    let answered = node.answer(requests[0], value("x"))
    #expect(answered.fetched == [.record(value("x")), .record(value("x"))])
  }

  @Test func aFetchedRecordIsInstalledBeforeItsAnswer() throws {
    var node = TestNode()
    let effects = node.answer(node.fetch("a").requests[0], value("x"))
    let install = try #require(effects.firstIndex { $0 == .install(Key("a"), value("x")) })
    let answer = try #require(
      effects.firstIndex { if case .fetched = $0 { true } else { false } })
    #expect(install < answer)
  }

  @Test func aResidentRecordNeedsNoSecondRequest() {
    var node = TestNode()
    node.load("a", value("x"))
    let effects = node.fetch("a")
    #expect(effects.requests.isEmpty && effects.fetched == [.resident])
  }

  @Test func anAbsentKeyIsKnownToBeAbsentUntilAPushCreatesIt() {
    var node = TestNode()
    let effects = node.answer(node.fetch("a").requests[0], nil)
    #expect(effects.fetched == [.absent])
    #expect(node.shared[Key("a")]?.isTombstone == true)
    #expect(node.fetch("a").requests.isEmpty)
    node.push("a", value("created"), number: 1)
    #expect(node.shared[Key("a")] == value("created"))
  }

  @Test func aVersionBelowTheRequiredOneIsAskedForAgain() {
    var node = TestNode()
    let minimum = Version(generation: 0, stamp: 200)
    var effects = node.answer(node.fetch("a", minimum: minimum).requests[0], value("old"))
    #expect(effects.fetched.isEmpty)
    effects = node.advance(20)
    #expect(effects.requests.count == 1)
    effects = node.answer(effects.requests[0], value("new", stamp: 200))
    #expect(effects.fetched == [.record(value("new", stamp: 200))])
  }

  @Test func aVersionTheOwnerNeverGetsEndsTheFetchWithACode() {
    var node = TestNode { $0.staleAnswersMax = 3 }
    let minimum = Version(generation: 0, stamp: 200)
    var effects = node.fetch("a", minimum: minimum)
    for _ in 0..<4 {
      effects = node.answer(effects.requests[0], value("old"))
      if effects.fetched.isEmpty { effects = node.advance(20) }
    }
    guard case .failed(let failure)? = effects.fetched.first else {
      Issue.record("\(effects)")
      return
    }
    #expect(failure.code == .unavailable)
  }

  @Test func aFetchWithoutAnswerIsSentAgainAndFailsInTheEnd() {
    var node = TestNode()
    let first = node.fetch("a").requests[0]
    let again = node.advance(1000).requests
    #expect(again.count == 1 && again[0].keys == first.keys && again[0].number != first.number)
    guard case .failed(let failure)? = node.advance(5000).fetched.first else {
      Issue.record("still waits")
      return
    }
    #expect(failure.code == .unavailable)
    #expect(node.cache.statistics.fetchesWaiting == 0)
  }

  @Test func aFetchWaitsForTheConnection() {
    var node = TestNode(connected: false)
    #expect(node.fetch("a").requests.isEmpty)
    #expect(node.step(.ownerConnected(owner, clock: 0)).requests.count == 1)
  }

  @Test func aRefusalThatMayPassIsTriedAgain() {
    var node = TestNode()
    #expect(node.refuse(node.fetch("a").requests[0], .overloaded).fetched.isEmpty)
    #expect(node.advance(20).requests.count == 1)
  }

  @Test func tooManyWaitersForOneKeyAreRefused() {
    var node = TestNode { $0.waitersPerKeyMax = 1 }
    node.fetch("a")
    guard case .failed(let failure)? = node.fetch("a").fetched.first else {
      Issue.record("no refusal")
      return
    }
    #expect(failure.code == .overloaded)
  }

  @Test func nobodyAnswersAReapedExecutor() {
    var node = TestNode()
    let request = node.fetch("a").requests[0]
    node.step(.executorGone(executor))
    #expect(node.answer(request, value("x")).fetched.isEmpty)
  }

  @Test func anExpiredRecordIsFetchedAnew() {
    var node = TestNode()
    var record = value("x")
    record.expiry = node.now.wall + 10
    node.load("a", record)
    node.advance(11)
    #expect(node.fetch("a").requests.count == 1)
  }
}
