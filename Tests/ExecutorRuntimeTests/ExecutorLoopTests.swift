import ClusterModel
import ExecutorSlots
import Lattices
import Testing
import WireProtocol

@testable import ExecutorRuntime

/// The executor's loop between a fake scheduler, cache and supervisor, with a bundle in C.
@Suite(.serialized) struct ExecutorLoopTests {
  @Test func aCallLoadsItsBundleOnceAndAnswers() throws {
    let node = try FakeNode()
    for _ in 0..<3 {
      let result = try node.call("noop")
      #expect(result.failure == nil)
      #expect(!result.awaitsRelease)
    }
    #expect(node.bundleRequests == 1)
    #expect(node.writes.isEmpty)
  }

  @Test func argumentsReachTheFunction() throws {
    let node = try FakeNode()
    #expect(try node.call("echo", "twice").value.text == "twice")
  }

  @Test func anArgumentThatTheFunctionRefusesIsBadArgument() throws {
    let failure = try FakeNode().call("picky", "x").failure
    #expect(failure?.code == .badArgument)
    #expect(failure?.message == "argument 1: expected Int")
    #expect(failure?.function == "picky")
  }

  @Test func anotherNumberOfArgumentsIsBadArgument() throws {
    #expect(try FakeNode().call("echo").failure?.code == .badArgument)
  }

  @Test func aFunctionTheBundleDoesNotHoldIsNamed() throws {
    let failure = try FakeNode().call("nosuch").failure
    #expect(failure?.code == .functionNotFound)
    #expect(failure?.message.contains("nosuch") == true)
  }

  @Test func aBodyThatSaysNothingHasFailed() throws {
    #expect(try FakeNode().call("silent").failure?.code == .functionFailed)
  }

  @Test func aReferenceIsResolvedThroughTheCache() throws {
    let node = try FakeNode()
    node.stored[Key("n")] = textRecord("from the store")
    let result = try node.result(of: node.send("echo", [Argument(reference: Key("n"))]))
    #expect(result.value.text == "from the store")
    #expect(node.fetches.map(\.key) == [Key("n")])
  }

  @Test func aReferenceToNothingIsKeyNotFound() throws {
    let node = try FakeNode()
    let result = try node.result(of: node.send("echo", [Argument(reference: Key("n"))]))
    #expect(result.failure?.code == .keyNotFound)
  }

  @Test func aBodyReadsWhatItPutAndItsResultWaitsForRelease() throws {
    let node = try FakeNode()
    let result = try node.call("put_get", "k")
    #expect(result.value.text == "mine")
    #expect(result.awaitsRelease)
    try node.run { !node.writes.isEmpty }
    #expect(node.writes.last?.isFinal == true)
    #expect(node.writes.flatMap(\.writes).map(\.key) == [Key("k")])
    #expect(node.fetches.isEmpty)
  }

  @Test func aPlatformKeyIsNotWritten() throws {
    let failure = try FakeNode().call("put_get", "_cb/functions").failure
    #expect(failure?.code == .keyReserved)
    #expect(failure?.message.contains("_cb/functions") == true)
  }

  @Test func aCounterIsReadWithTheCallsOwnIncrement() throws {
    let node = try FakeNode()
    node.stored[Key("c")] = counterRecord(40)
    #expect(try node.call("count", "c").value.text == "42")
    #expect(node.writes.flatMap(\.writes).map(\.delta) == [2])
  }

  @Test func aSetIsReadWithTheCallsOwnElementInOrder() throws {
    let node = try FakeNode()
    let elements = GrowSet([Bytes(text: "cc"), Bytes(text: "a")])
    node.stored[Key("s")] = Record(lattice: .set, payload: elements.serialized()[...])
    let bytes = try node.call("elements", "s").value
    #expect(Array(bytes) == [1, 0, 0, 0, 97, 1, 0, 0, 0, 98, 2, 0, 0, 0, 99, 99])
  }

  @Test func anAsynchronousBodyIsResumedByItsRead() throws {
    let node = try FakeNode()
    node.stored[Key("k")] = textRecord("awaited")
    #expect(try node.call("later", "k").value.text == "awaited")
  }

  @Test func aDispatchThatCameWhileABodyWaitedRunsAfterIt() throws {
    let node = try FakeNode()
    _ = try node.call("noop")
    node.appliesWrites = false
    // The body's read is not answered until this thread serves the cache, which comes after both.
    let first = try node.send("status", [Argument(encoding: 0, value: Bytes(text: "k"))])
    let second = try node.send("noop")
    #expect(try node.result(of: first).value.text == "1")
    #expect(try node.result(of: second).failure == nil)
    #expect(node.refusals.isEmpty)
    // Only the first call found its agent asleep.
    #expect(node.wakeUps == 1)
  }

  @Test func aDispatchThatWasRecalledIsGivenBackAndNotRun() throws {
    let node = try FakeNode()
    _ = try node.call("noop")
    let first = try node.send("status", [Argument(encoding: 0, value: Bytes(text: "k"))])
    let second = try node.send("noop")
    let third = try node.send("noop")
    // All three are on their way, and the first waits for its read until this thread serves it.
    let started = node.slots[0].recall(upTo: second)
    #expect(started <= first)
    #expect(try node.result(of: third).failure == nil)
    #expect(node.recalled.map(\.upTo).last == second)
    #expect(node.results[second] == nil)
  }

  @Test func aWaitingBodyIsToldThatItsCallerGaveUp() throws {
    let node = try FakeNode()
    _ = try node.call("noop")
    let number = try node.send("status", [Argument(encoding: 0, value: Bytes(text: "k"))])
    try node.sendCancel(of: number)
    #expect(try node.result(of: number).failure?.code == .cancelled)
  }

  @Test func stagesOfADAGRunInOneDispatch() throws {
    let node = try FakeNode()
    var first = Stage()
    first.function = "echo"
    first.bundle = FakeNode.digest.bytes
    first.arguments = [Argument(encoding: 0, value: Bytes(text: "passed on"))]
    var second = Stage()
    second.function = "echo"
    second.bundle = FakeNode.digest.bytes
    second.upstream = [0]
    let result = try node.result(of: node.send([first, second]))
    #expect(result.value.text == "passed on")
  }

  @Test func logLinesReachTheSupervisor() throws {
    let node = try FakeNode()
    _ = try node.call("speak")
    try node.run { !node.logLines.isEmpty }
    #expect(node.logLines.first?.text == "hello log")
    #expect(node.logLines.first?.level == 3)
    #expect(node.logLines.first?.function == "speak")
  }

  @Test func anExecutorEndsWithItsAgent() throws {
    let node = try FakeNode()
    guard case .lostAgent(let reason)? = node.killCache() else {
      Issue.record("it goes on")
      return
    }
    #expect(reason.contains("cache"))
  }
}
