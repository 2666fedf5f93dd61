import Caching
import ClusterModel
import Lattices
import Testing
import WireProtocol

@Suite struct WriteTests {
  @Test func aPutIsReadableBeforeTheOwnerHasIt() {
    var node = TestNode()
    let effects = node.write([put("a", "x")], level: .durable)
    #expect(node.shared[Key("a")]?.payload.text == "x")
    #expect(node.shared[Key("a")]?.writeSequence == 1)
    #expect(effects.contains(.applied(number: 1, to: executor)))
    #expect(effects.requests.map(\.request.level) == [.durable])
    #expect(effects.requests.map(\.request.type) == [.put])
  }

  /// The caller's put may have been stamped by an owner whose clock is ahead of this node's.
  @Test func aWriteIsStampedAfterWhatItsCallKnows() throws {
    var node = TestNode()
    let known = HybridLogicalClock.stamp(milliseconds: node.now.wall + 200) + 7
    var frame = CacheWrites()
    frame.invocation = InvocationID(high: 0, low: 1)
    frame.writes = [put("a", "x")]
    frame.clock = known
    node.step(.writes(frame, number: 1, from: executor))
    let stamp = try #require(node.shared[Key("a")]?.stamp)
    #expect(stamp > known)
  }

  /// An earlier life of this cache may have stamped ahead of this node's clock.
  @Test func noWriteIsStampedBeforeTheOwnersClockIsKnown() throws {
    var node = TestNode(connected: false)
    let owners = HybridLogicalClock.stamp(milliseconds: node.now.wall + 300)
    #expect(node.write([put("a", "x")]).isEmpty == false)
    #expect(node.shared[Key("a")] == nil)
    node.step(.ownerConnected(owner, clock: owners))
    let stamp = try #require(node.shared[Key("a")]?.stamp)
    #expect(stamp > owners)
  }

  @Test func writesGatherBehindTheOneUnderWay() {
    var node = TestNode()
    let first = node.write([put("a", "1")]).requests[0]
    #expect(node.write([put("a", "2")]).requests.isEmpty)
    #expect(node.write([put("a", "3")]).requests.isEmpty)
    let next = node.acknowledge(first, first.record!.version).requests
    #expect(next.map { $0.record?.payload.text } == ["3"])
    #expect(node.acknowledged == 1)
    node.acknowledge(next[0], next[0].record!.version)
    #expect(node.acknowledged == 3)
  }

  @Test func keysOfOneTurnShareARequest() {
    var node = TestNode()
    let requests = node.write([put("a", "1"), put("b", "2"), delete("c")]).requests
    #expect(requests.map(\.keys) == [[Key("a"), Key("b")], [Key("c")]])
    #expect(requests[1].request.type == .delete)
  }

  @Test func aFlushWithoutAnswerIsSentAgainAsItWas() {
    var node = TestNode()
    let first = node.write([add("a", 5)]).requests[0]
    node.write([add("a", 1)])
    let again = node.advance(1000).requests
    #expect(again.map(\.request.tuples) == [first.request.tuples])
    // The first one's answer comes after all: only the second counts.
    node.acknowledge(first, Version(generation: 0, stamp: 5))
    #expect(node.acknowledged == 0)
    node.acknowledge(again[0], Version(generation: 0, stamp: 5))
    #expect(node.acknowledged == 1)
  }

  @Test func aRepeatedFrameIsAnsweredAndNotAppliedAgain() {
    var node = TestNode()
    node.write([add("a", 5)], number: 9)
    let effects = node.write([add("a", 5)], number: 9)
    #expect(effects == [.applied(number: 9, to: executor)])
    #expect(count(node.shared[Key("a")]) == 5)
  }

  @Test func aBlindIncrementIsPartialUntilTheOwnersStateIsMerged() {
    var node = TestNode()
    node.write([add("a", 5)])
    #expect(node.shared[Key("a")]?.flags == [.partial, .blind])
    let effects = node.answer(node.fetch("a").requests[0], counter([1: 10]))
    guard case .record(let record)? = effects.fetched.first else {
      Issue.record("\(effects)")
      return
    }
    #expect(count(record) == 15 && record.flags == [])
    #expect(node.shared[Key("a")] == record)
  }

  @Test func aBlindPutMayBeRead() {
    var node = TestNode()
    node.write([put("a", "x")])
    #expect(node.fetch("a").fetched.count == 1)
  }

  @Test func addingToASetSendsOnlyWhatWasAdded() throws {
    var node = TestNode()
    let owners = Record(
      lattice: .set, version: Version(generation: 0, stamp: 9),
      payload: GrowSet([Bytes(text: "old")]).serialized()[...])
    node.load("s", owners)
    let flush = node.write([addToSet("s", ["new"])]).requests[0]
    #expect(try GrowSet(serialized: flush.record!.payload).elements.map(\.text) == ["new"])
    let read = try #require(node.shared[Key("s")])
    #expect(try GrowSet(serialized: read.payload).elements.map(\.text) == ["new", "old"])
    #expect(read.version == owners.version)
  }

  @Test func aCounterThatWasEvictedIsCountedByANewActor() throws {
    var node = TestNode {
      $0.bytesMax = 2000; $0.dirtyBytesMax = 1000
    }
    node.load("a", counter([1: 10]))
    let first = node.write([add("a", 1)]).requests[0]
    node.acknowledge(first, Version(generation: 0, stamp: 200))
    var number = 0
    while node.shared[Key("a")] != nil {
      number += 1
      node.load("fill\(number)", value("x"))
      node.step(.references([]))
    }
    node.load("a", counter([1: 11]))
    let second = node.write([add("a", 1)]).requests[0]
    let actors = try [first, second].map {
      try Counter(serialized: $0.record!.payload).entries.map(\.actor)
    }
    #expect(actors[0] != actors[1])
  }

  @Test func incrementsThatMetADeleteBeginANewCounter() throws {
    var node = TestNode()
    node.load("a", counter([1: 10]))
    let acknowledged = node.write([add("a", 3)]).requests[0]
    node.acknowledge(acknowledged, Version(generation: 0, stamp: 200))
    let lost = node.write([add("a", 2)], isFinal: true).requests[0]
    let effects = node.acknowledge(lost, Version(generation: 1, stamp: 300))
    #expect(effects.released.isEmpty)
    let again = try #require(effects.requests.first)
    #expect(count(again.record) == 2 && again.record?.flags == .blind)
    #expect(node.acknowledge(again, Version(generation: 1, stamp: 400)).released.count == 1)
  }

  @Test func aDeleteGoesBeforeTheNextValueOfAnotherType() throws {
    var node = TestNode()
    node.load("a", counter([1: 10]))
    let deletion = node.write([delete("a"), put("a", "x")]).requests
    #expect(deletion.map(\.request.type) == [.delete])
    #expect(deletion[0].request.tuples[0].version.stamp > 0)
    #expect(node.shared[Key("a")]?.payload.text == "x")
    let stamp = deletion[0].request.tuples[0].version.stamp
    let next = node.acknowledge(deletion[0], Version(generation: 1, stamp: stamp)).requests
    #expect(next.map { $0.record?.payload.text } == ["x"])
  }

  @Test func whatIsCountedAfterADeleteBeginsAtZero() {
    var node = TestNode()
    node.load("a", counter([1: 10]))
    node.write([add("a", 5)])
    node.write([delete("a"), add("a", 1)])
    #expect(count(node.shared[Key("a")]) == 1)
  }

  @Test func anotherTypeFailsTheCallAndChangesNothing() throws {
    var node = TestNode()
    node.load("a", counter([1: 10]))
    let effects = node.write([put("a", "x")], isFinal: true)
    #expect(effects.released.first?.failure?.code == .lattice)
    #expect(effects.requests.isEmpty)
    #expect(count(node.shared[Key("a")]) == 10)
  }

  @Test func usersDoNotWriteThePlatformsKeys() {
    var node = TestNode()
    let effects = node.write([put("_cb/functions", "x")], isFinal: true)
    #expect(effects.released.first?.failure?.code == .keyReserved)
    #expect(effects.requests.isEmpty && node.shared.isEmpty)
  }

  @Test func aPutAfterAnAcknowledgedOneFromElsewhereWins() {
    var node = TestNode()
    let ahead = HybridLogicalClock.stamp(milliseconds: node.now.wall + 400)
    node.load("a", value("elsewhere", stamp: ahead))
    let flush = node.write([put("a", "here")]).requests[0]
    #expect(flush.record!.stamp > ahead)
    #expect(node.shared[Key("a")]?.payload.text == "here")
  }

  @Test func anUnsubscribedValueGoesWhenTheOwnerHasIt() {
    var node = TestNode()
    let flush = node.write([put("a", "x")]).requests[0]
    node.acknowledge(flush, flush.record!.version)
    #expect(node.shared[Key("a")] == nil && node.cache.statistics.bytes == 0)
  }

  @Test func aSubscribedValueStaysAndTakesTheOwnersGeneration() {
    var node = TestNode()
    node.load("a", value("old"))
    let flush = node.write([put("a", "x")]).requests[0]
    let stamp = flush.record!.stamp
    node.acknowledge(flush, Version(generation: 3, stamp: stamp))
    #expect(node.shared[Key("a")]?.version == Version(generation: 3, stamp: stamp))
  }

  @Test func atTheDirtyLimitWritesWaitAndAreRefusedInTheEnd() {
    var node = TestNode {
      $0.bytesMax = 4096; $0.dirtyBytesMax = 100
    }
    let first = node.write([put("a", String(repeating: "x", count: 200))]).requests[0]
    #expect(node.write([put("b", "1")], by: 2, isFinal: true).isEmpty)
    #expect(node.shared[Key("b")] == nil)
    node.write([put("c", "1")], by: 3)
    let effects = node.acknowledge(first, first.record!.version)
    #expect(effects.contains(.applied(number: 2, to: executor)))
    #expect(node.shared[Key("b")] != nil)

    var stuck = TestNode {
      $0.bytesMax = 4096; $0.dirtyBytesMax = 100
    }
    stuck.write([put("a", String(repeating: "x", count: 200))])
    stuck.write([put("b", "1")], by: 2, isFinal: true)
    let refused = stuck.advance(2000)
    #expect(refused.released.first?.failure?.code == .overloaded)
    #expect(stuck.shared[Key("b")] == nil)
  }

  @Test func aClockSetBackStopsTheStamps() {
    var node = TestNode()
    node.write([put("a", "x")])
    node.now.wall -= 10_000
    let effects = node.write([put("a", "y")], by: 2, isFinal: true)
    #expect(effects.released.first?.failure?.code == .clockSkew)
  }
}
