import Caching
import ClusterModel
import Testing
import WireProtocol

@Suite struct BarrierTests {
  @Test func aResultIsReleasedWhenAllItsWritesAreAcknowledged() {
    var node = TestNode()
    let a = node.write([put("a", "1")]).requests[0]
    let b = node.write([put("b", "1")], isFinal: true)
    #expect(b.released.isEmpty)
    #expect(node.acknowledge(b.requests[0], b.requests[0].record!.version).released.isEmpty)
    let released = node.acknowledge(a, a.record!.version).released
    #expect(released.map(\.invocation.low) == [1] && released[0].failure == nil)
  }

  @Test func aResultWaitsForWhatItRead() {
    var node = TestNode()
    let write = node.write([put("a", "1")], by: 1).requests[0]
    #expect(node.write([], by: 2, from: other, isFinal: true, reading: 1).released.isEmpty)
    #expect(node.acknowledge(write, write.record!.version).released.map(\.invocation.low) == [2])
  }

  @Test func aResultThatWaitsForNothingIsReleasedAtOnce() {
    var node = TestNode()
    #expect(node.write([], isFinal: true).released.count == 1)
  }

  @Test func theSequenceIsPublishedOnlyAsFarAsItIsWithoutGaps() {
    var node = TestNode()
    let a = node.write([put("a", "1")]).requests[0]
    let b = node.write([put("b", "1")]).requests[0]
    node.acknowledge(b, b.record!.version)
    #expect(node.acknowledged == 0)
    node.acknowledge(a, a.record!.version)
    #expect(node.acknowledged == 2)
  }

  @Test func aRefusedWriteIsUndoneAndFailsWhoMadeItAndWhoReadIt() {
    var node = TestNode()
    node.load("a", value("before"))
    let write = node.write([put("a", "1")], by: 1, isFinal: true).requests[0]
    node.write([], by: 2, from: other, isFinal: true, reading: 1)
    let effects = node.refuse(write, .valueTooLarge)
    #expect(node.shared[Key("a")] == nil)
    #expect(effects.released.map(\.invocation.low) == [1, 2])
    #expect(effects.released.map { $0.failure?.code } == [.valueTooLarge, .conflict])
    #expect(node.acknowledged == 1)
    // Still running when the write was undone, and it read nothing later.
    let late = node.write([], by: 3, from: other, isFinal: true, reading: 1)
    #expect(late.released.first?.failure?.code == .conflict)
  }

  @Test func aRefusalThatMayPassIsTriedAgainAndKeepsTheResultBack() {
    var node = TestNode()
    let write = node.write([put("a", "1")], isFinal: true).requests[0]
    #expect(node.refuse(write, .overloaded).released.isEmpty)
    let again = node.advance(100).requests
    #expect(again.map { $0.record?.payload.text } == ["1"])
    #expect(node.acknowledge(again[0], write.record!.version).released.first?.failure == nil)
  }

  @Test func aSkippedValueOfTheSameCallIsReleasedWithTheOneThatReplacedIt() {
    var node = TestNode()
    let first = node.write([put("a", "1")], by: 1).requests[0]
    node.write([put("a", "2")], by: 2, isFinal: true)
    node.write([delete("a")], by: 3, isFinal: true)
    let deletion = node.acknowledge(first, first.record!.version).requests[0]
    #expect(deletion.request.type == .delete)
    let version = Version(generation: 1, stamp: deletion.request.tuples[0].version.stamp)
    let released = node.acknowledge(deletion, version).released
    #expect(released.map(\.invocation.low).sorted() == [2, 3])
    #expect(node.acknowledged == 3)
  }

  @Test func aReapedExecutorsUnfinishedCallIsForgottenAndItsWritesAreNot() {
    var node = TestNode()
    let write = node.write([put("a", "1")]).requests[0]
    node.step(.executorGone(executor))
    #expect(node.cache.statistics.callsWaiting == 0)
    node.acknowledge(write, write.record!.version)
    #expect(node.acknowledged == 1)
  }
}
