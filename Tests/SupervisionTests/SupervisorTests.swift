import ClusterModel
import Testing
import WireProtocol

@testable import Supervision

/// A supervisor and what it last asked for.
private struct Driver {
  var supervisor: Supervisor
  var random = SplitMix(state: 7)
  var now: UInt64 = 1_000_000_000

  init(executors: Int = 1) {
    supervisor = Supervisor(.init(node: NodeID("node0"), executors: executors))
  }

  mutating func step(_ input: Supervisor.Input) -> [Supervisor.Effect] {
    var effects: [Supervisor.Effect] = []
    supervisor.step(input, now: now, using: &random, into: &effects)
    return effects
  }

  /// Begins, and lets every executor say hello.
  mutating func running() -> [ExecutorID] {
    let spawned = step(.begin).compactMap { effect -> ExecutorID? in
      if case .spawn(let id) = effect { id } else { nil }
    }
    for id in spawned {
      _ = step(.spawned(id, processID: 100 + id.number))
      _ = step(.saidHello(id))
    }
    return spawned
  }
}

private struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

private func spawns(_ effects: [Supervisor.Effect]) -> [ExecutorID] {
  effects.compactMap { if case .spawn(let id) = $0 { id } else { nil } }
}

private func losses(_ effects: [Supervisor.Effect]) -> [ExecutorLost] {
  effects.compactMap { if case .reportLoss(let loss) = $0 { loss } else { nil } }
}

@Suite struct SupervisorTests {
  @Test func everySlotIsFilledAtTheStart() {
    var driver = Driver(executors: 3)
    #expect(spawns(driver.step(.begin)).map(\.number) == [0, 1, 2])
  }

  @Test func aDeadExecutorIsReplacedAtOnceByAnotherIncarnation() throws {
    var driver = Driver()
    let first = try #require(driver.running().first)
    let effects = driver.step(.ended(first, .signalled(4)))
    #expect(effects.contains(.wakeUp(after: .zero)))
    let second = try #require(spawns(driver.step(.timer)).first)
    #expect(second.number == first.number)
    #expect(second.incarnation != first.incarnation)
    #expect(driver.supervisor.restarts == 1)
  }

  @Test func processesThatDieBeforeTheirHelloAreStartedEverMoreSlowly() throws {
    var driver = Driver()
    var id = try #require(spawns(driver.step(.begin)).first)
    var delays: [Duration] = []
    for _ in 0..<3 {
      for case .wakeUp(let delay) in driver.step(.ended(id, .exited(1))) { delays.append(delay) }
      driver.now += 10_000_000_000
      id = try #require(spawns(driver.step(.timer)).first)
    }
    #expect(delays == [.milliseconds(50), .milliseconds(100), .milliseconds(200)])
  }

  @Test func aSlotIsNotFilledBeforeItsDelayIsOver() throws {
    var driver = Driver()
    let id = try #require(spawns(driver.step(.begin)).first)
    _ = driver.step(.ended(id, .exited(1)))
    #expect(spawns(driver.step(.timer)).isEmpty)
  }

  @Test(arguments: [
    (Ending.signalled(11), ErrorCode.functionCrashed), (.exited(7), .functionCrashed),
    (.signalled(9), .executorLost), (.signalled(15), .executorLost),
  ])
  func theCauseTellsTheFunctionsFaultFromOthers(_ ending: Ending, _ code: ErrorCode) throws {
    var driver = Driver()
    let id = try #require(driver.running().first)
    #expect(losses(driver.step(.ended(id, ending))).map(\.cause.code) == [code])
  }

  @Test func aKillAtTheDeadlineIsReportedAsTheDeadline() throws {
    var driver = Driver()
    let id = try #require(driver.running().first)
    var order = KillExecutor()
    order.executor = id.description
    order.reason = .deadlineExceeded
    #expect(driver.step(.kill(order)) == [.kill(id)])
    let loss = try #require(losses(driver.step(.ended(id, .signalled(9)))).first)
    #expect(loss.cause.code == .deadlineExceeded)
  }

  @Test func killingAnExecutorThatIsGoneIsAnsweredAllTheSame() {
    var driver = Driver()
    _ = driver.running()
    var order = KillExecutor()
    order.executor = "node0/0#zz"
    #expect(losses(driver.step(.kill(order))).map(\.executor) == ["node0/0#zz"])
  }

  @Test func theBacktraceOnStandardErrorTravelsWithTheLoss() throws {
    var driver = Driver()
    let id = try #require(driver.running().first)
    for line in ["chatter", "Fatal error: Index out of range", "0 [ra] in pick(_:)"] {
      _ = driver.step(.wrote(id, line: line, isError: true, wallMilliseconds: 5))
    }
    let loss = try #require(losses(driver.step(.ended(id, .signalled(4)))).first)
    #expect(loss.cause.detail == "Fatal error: Index out of range\n0 [ra] in pick(_:)")
  }

  @Test func nothingIsStartedAgainWhileStopping() throws {
    var driver = Driver()
    let id = try #require(driver.running().first)
    #expect(driver.step(.stop) == [.kill(id)])
    _ = driver.step(.ended(id, .signalled(9)))
    #expect(spawns(driver.step(.timer)).isEmpty)
  }
}

@Suite struct BundleDeliveryTests {
  private let digest = ContentDigest(hex: String(repeating: "ab", count: 32))
  private let peer = PeerID("node0/0#1")

  private func record(chunks: UInt32) -> BundleRecord {
    var record = BundleRecord()
    record.chunks = chunks
    return record
  }

  @Test func aBundleIsFetchedOnceForAllWhoAsk() throws {
    let digest = try #require(digest)
    var driver = Driver()
    let first = driver.step(.bundleWanted(digest, by: .executor(peer, number: 1)))
    let second = driver.step(.bundleWanted(digest, by: .executor(peer, number: 2)))
    #expect(first == [.fetchRecord(digest)])
    #expect(second.isEmpty)
    #expect(
      driver.step(.bundleRecord(digest, record(chunks: 2))) == [.fetchChunk(digest, number: 0)])
    #expect(
      driver.step(.bundleChunk(digest, number: 0, [1])) == [.fetchChunk(digest, number: 1)])
    #expect(driver.step(.bundleChunk(digest, number: 1, [2])) == [.install(digest, [[1], [2]])])
    let answers = driver.step(.installed(digest, path: "/run/x.so"))
    #expect(answers.count == 2)
    let later = driver.step(.bundleWanted(digest, by: .executor(peer, number: 3)))
    #expect(later.count == 1)
  }

  @Test func aMissingChunkFailsEverybodyWhoWaits() throws {
    let digest = try #require(digest)
    var driver = Driver()
    _ = driver.step(.bundleWanted(digest, by: .executor(peer, number: 1)))
    _ = driver.step(.bundleRecord(digest, record(chunks: 1)))
    guard
      case .answerBundle(_, 1, let ready)? = driver.step(
        .bundleChunk(digest, number: 0, nil)
      ).first
    else {
      Issue.record("no answer")
      return
    }
    #expect(ready.failure?.code == .bundleInvalid)
  }

  @Test func aBundleThatKillsTheSpareExecutorIsInvalid() throws {
    let digest = try #require(digest)
    var driver = Driver()
    _ = driver.step(.bundleWanted(digest, by: .probe(number: 9)))
    _ = driver.step(.bundleRecord(digest, record(chunks: 1)))
    _ = driver.step(.bundleChunk(digest, number: 0, [1]))
    guard
      case .spawnProbe(_, "/run/x.so", _)? = driver.step(
        .installed(digest, path: "/run/x.so")
      ).first
    else {
      Issue.record("no probe")
      return
    }
    let answers = driver.step(
      .probeEnded(digest, .signalled(6), output: [], lastWords: LastWords("boom"), timedOut: false))
    guard case .answerProbe(9, let record)? = answers.first else {
      Issue.record("no answer")
      return
    }
    #expect(record.failure?.code == .bundleInvalid)
    #expect(record.failure?.detail == "boom")
  }

  @Test func aBundleWhoseSetUpEndsTheSpareExecutorIsRefusedByItsName() throws {
    let digest = try #require(digest)
    var driver = Driver()
    _ = driver.step(.bundleWanted(digest, by: .probe(number: 9)))
    _ = driver.step(.bundleRecord(digest, record(chunks: 1)))
    _ = driver.step(.bundleChunk(digest, number: 0, [1]))
    _ = driver.step(.installed(digest, path: "/run/x.so"))
    var said = BundleRecord()
    said.failure = Failure(.bundleInvalid, "its set-up did not end")
    said.failure?.function = "classify"
    let answers = driver.step(
      .probeEnded(
        digest, .exited(3), output: said.encoded(), lastWords: LastWords(), timedOut: false))
    guard case .answerProbe(9, let record)? = answers.first else {
      Issue.record("no answer")
      return
    }
    #expect(record.failure?.function == "classify")
    #expect(record.failure?.message.contains("the set-up of classify") == true)
    #expect(record.failure?.message.contains("exit(3)") == true)
  }
}

/// What a dead executor's last words say beyond its signal.
@Suite struct EndingTests {
  private func words(_ crash: String) -> LastWords {
    var words = LastWords()
    words.append("cloudburst-executor: fatal \(crash)")
    words.append("*** Program crashed: something ***")
    return words
  }

  @Test func aStackOverflowIsCalledByItsName() {
    let cause = Ending.signalled(11).cause(
      words("signal=11 overflow=1 data=1000 limit=536870912 errno=0"))
    #expect(cause.code == .functionCrashed)
    #expect(cause.message.contains("stack overflowed"))
    #expect(cause.detail == "*** Program crashed: something ***")
  }

  @Test(arguments: [
    "signal=6 overflow=0 data=1000 limit=536870912 errno=12",
    "signal=11 overflow=0 data=530000000 limit=536870912 errno=0",
  ])
  func aFailedAllocationIsTheMemoryLimits(_ crash: String) {
    let cause = Ending.signalled(6).cause(words(crash))
    #expect(cause.code == .memoryExceeded)
    #expect(cause.message.contains("512 MiB"))
  }

  @Test func anOrdinaryCrashIsNeither() {
    let cause = Ending.signalled(4).cause(
      words("signal=4 overflow=0 data=1000 limit=536870912 errno=0"))
    #expect(cause.code == .functionCrashed)
    #expect(cause.message.contains("SIGILL"))
  }

  @Test func anExecutorThatEndsByItselfIsLostAndNotCrashed() {
    let words = LastWords("cloudburst-executor: ends: it has held enough")
    #expect(Ending.exited(0).cause(words).code == .executorLost)
    #expect(Ending.exited(0).cause(LastWords()).code == .functionCrashed)
  }

  @Test func anExecutorBeyondItsMemoryIsEndedForThat() throws {
    var driver = Driver()
    let id = try #require(driver.running().first)
    #expect(driver.step(.overMemory(id, used: 600 << 20, limit: 512 << 20)) == [.kill(id)])
    let loss = try #require(losses(driver.step(.ended(id, .signalled(9)))).first)
    #expect(loss.cause.code == .memoryExceeded)
    #expect(loss.cause.message.contains("600 MiB") && loss.cause.message.contains("512 MiB"))
  }

  @Test func aCrashThatCameBeforeTheKillIsTheCause() throws {
    var driver = Driver()
    let id = try #require(driver.running().first)
    _ = driver.step(.overMemory(id, used: 600 << 20, limit: 512 << 20))
    let loss = try #require(losses(driver.step(.ended(id, .signalled(4)))).first)
    #expect(loss.cause.code == .functionCrashed)
  }
}

@Suite struct LineBudgetTests {
  @Test func aBurstPassesThenASteadyRate() {
    var budget = LineBudget()
    let start: UInt64 = 5_000_000_000
    for _ in 0..<LineBudget.burst {
      let isFree = budget.take(now: start)
      #expect(isFree)
    }
    #expect(budget.take(now: start) == false)
    let later = start + 1_000_000_000
    let passed = (0..<1000).count { _ in budget.take(now: later) }
    #expect(passed == Int(LineBudget.perSecond))
  }

  @Test func droppedLinesAreToldOnceASecondAndAtTheEnd() {
    var budget = LineBudget()
    budget.drop(3, now: 10)
    budget.drop(4, now: 20)
    #expect(budget.takeNote(now: 30) == nil)
    #expect(budget.takeNote(now: 10 + LineBudget.noteInterval) == 7)
    #expect(budget.takeNote(now: 40 + LineBudget.noteInterval, isEnd: true) == nil)
    budget.drop(1, now: 50)
    #expect(budget.takeNote(now: 60, isEnd: true) == 1)
  }

  @Test func aFunctionThatFloodsItsLogIsCutShort() throws {
    var driver = Driver()
    let id = try #require(driver.running().first)
    let lines = Array(repeating: LogLines.Line(), count: 5000)
    _ = driver.step(.logged(id, lines))
    #expect(driver.supervisor.logs.last == LineBudget.burst)
    driver.now += LineBudget.noteInterval
    _ = driver.step(.logged(id, [LogLines.Line()]))
    let last = try #require(driver.supervisor.logs.page(matching: .init()).lines.last)
    #expect(last.text.contains("4000 lines"))
  }
}

@Suite struct LogRingTests {
  private func line(_ text: String, function: String = "f") -> LogLines.Line {
    var line = LogLines.Line()
    line.text = text
    line.function = function
    return line
  }

  @Test func theOldestLinesGoFirst() {
    var ring = LogRing(linesMax: 2)
    for text in ["a", "b", "c"] { ring.append(line(text)) }
    #expect(ring.page(matching: .init()).lines.map(\.text) == ["b", "c"])
    #expect(ring.last == 3)
  }

  @Test func aQueryTakesTheNewestThatMatch() {
    var ring = LogRing(linesMax: 10)
    for (index, function) in ["f", "g", "f", "g", "f"].enumerated() {
      ring.append(line("\(index)", function: function))
    }
    var query = LogRing.Query()
    query.function = "f"
    query.linesMax = 2
    #expect(ring.page(matching: query).lines.map(\.text) == ["2", "4"])
    query.after = 3
    #expect(ring.page(matching: query).lines.map(\.text) == ["4"])
  }

  @Test func theBytesOfAllLinesAreBounded() {
    var ring = LogRing(linesMax: 1000)
    for _ in 0..<1000 { ring.append(line(String(repeating: "x", count: 8000))) }
    var query = LogRing.Query()
    query.linesMax = 1000
    let kept = ring.page(matching: query).lines
    #expect(kept.reduce(0) { $0 + $1.text.utf8.count } <= LogRing.bytesMax)
    #expect(kept.count > 100)
  }

  @Test func longLinesAreCut() {
    var ring = LogRing(linesMax: 1)
    ring.append(line(String(repeating: "x", count: 20_000)))
    #expect(ring.page(matching: .init()).lines[0].text.utf8.count <= LogRing.lineBytesMax + 3)
  }
}
