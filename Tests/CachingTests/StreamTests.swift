import Caching
import ClusterModel
import Testing
import WireProtocol

@Suite struct StreamTests {
  @Test func aLaterVersionIsInstalledAndAnOlderOneIsNot() {
    var node = TestNode()
    node.load("a", value("1", stamp: 10))
    let effects = node.push("a", value("2", stamp: 20), number: 1)
    #expect(effects.contains(.acknowledgeStream(number: 1, of: owner)))
    node.push("a", value("0", stamp: 5), number: 2)
    #expect(node.shared[Key("a")]?.payload.text == "2")
  }

  @Test func aPushDoesNotUndoWhatIsNotFlushedYet() {
    var node = TestNode()
    node.load("c", counter([1: 10]))
    node.write([add("c", 5)])
    node.push("c", counter([1: 12], stamp: 200), number: 1)
    #expect(count(node.shared[Key("c")]) == 17)
  }

  @Test func aPushOfAKeyThatWasEvictedEndsItsSubscription() {
    var node = TestNode()
    #expect(node.push("gone", value("x"), number: 1).unsubscribed == [Key("gone")])
    #expect(node.shared.isEmpty)
  }

  @Test func aRepeatedPushIsAcknowledgedOnly() {
    var node = TestNode()
    node.load("a", value("1", stamp: 10))
    node.push("a", value("2", stamp: 20), number: 1)
    #expect(
      node.push("a", value("3", stamp: 30), number: 1) == [.acknowledgeStream(number: 1, of: owner)]
    )
  }

  @Test func aGapInTheStreamComparesEverythingWithTheOwner() {
    var node = TestNode()
    node.load("a", value("1", stamp: 10))
    node.load("b", value("1", stamp: 10))
    let effects = node.push("a", value("2", stamp: 20), number: 3)
    #expect(effects.requests.map(\.keys) == [[Key("a"), Key("b")]])
    #expect(effects.requests[0].request.subscribe)
  }

  /// A key that was evicted, then written blind: it is not subscribed to, whatever still arrives.
  @Test func aPushOfAKeyThatIsNotSubscribedToIsNotTakenForItsWholeState() {
    var node = TestNode()
    let flush = node.write([add("a", 5)]).requests[0]
    let effects = node.push("a", counter([9: 4]), number: 1)
    #expect(effects.unsubscribed == [Key("a")])
    node.acknowledge(flush, Version(generation: 0, stamp: 200))
    #expect(node.fetch("a").requests.map(\.keys) == [[Key("a")]])
  }

  @Test func aHeartbeatTellsOfALostLastPush() {
    var node = TestNode()
    node.load("a", value("1", stamp: 10))
    #expect(node.step(.heartbeat(number: 0, from: owner)).requests.isEmpty)
    #expect(node.step(.heartbeat(number: 1, from: owner)).requests.count == 1)
  }

  @Test func anOwnerThatLostWhatItHadIsBelieved() {
    var node = TestNode()
    node.load("a", value("only accepted", stamp: 10))
    node.step(.ownerLost(owner))
    let verification = node.step(.ownerConnected(owner, clock: 0)).requests[0]
    #expect(verification.keys == [Key("a")])
    node.answer(verification, nil)
    #expect(node.shared[Key("a")]?.isTombstone == true)
  }

  @Test func aNewConnectionFlushesAgainWhatWasUnderWay() {
    var node = TestNode()
    let flush = node.write([put("a", "1")]).requests[0]
    node.step(.ownerLost(owner))
    #expect(node.write([put("b", "1")]).requests.isEmpty)
    let again = node.step(.ownerConnected(owner, clock: 0)).requests
    #expect(again.flatMap(\.keys).sorted() == [Key("a"), Key("b")])
    #expect(again.allSatisfy { $0.number != flush.number })
  }

  @Test func manyKeysAreComparedInAFewRequestsAtATime() {
    var node = TestNode {
      $0.requestKeysMax = 2
      $0.verificationsMax = 2
    }
    for key in ["a", "b", "c", "d", "e"] { node.load(key, value("1")) }
    let first = node.step(.ownerConnected(owner, clock: 0)).requests
    #expect(first.map(\.keys.count) == [2, 2])
    #expect(node.cache.unverifiedKeys(at: node.now) == 5)
    let tuples = first[1].keys.map { key in
      var tuple = KeyTuple(key: key)
      tuple.record = value("1").encoded()
      return tuple
    }
    #expect(node.respond(first[1], tuples).requests.map(\.keys.count) == [1])
    #expect(node.cache.unverifiedKeys(at: node.now) == 3)
  }

  @Test func aRefusedComparisonIsMadeAgainAfterAPause() {
    var node = TestNode()
    node.load("a", value("1"))
    let first = node.step(.ownerConnected(owner, clock: 0)).requests[0]
    #expect(node.refuse(first, .overloaded).requests.isEmpty)
    #expect(node.advance(100).requests.map(\.keys) == [[Key("a")]])
  }

  @Test func whatASilentOwnerPushesIsUnverifiedAndServed() {
    var node = TestNode()
    node.load("a", value("1"))
    node.advance(2999)
    #expect(node.cache.unverifiedKeys(at: node.now) == 0)
    node.advance(2)
    #expect(node.cache.unverifiedKeys(at: node.now) == 1)
    #expect(node.fetch("a").fetched.count == 1)
    node.step(.heartbeat(number: 0, from: owner))
    #expect(node.cache.unverifiedKeys(at: node.now) == 0)
  }
}

@Suite struct EvictionTests {
  @Test func whatIsUsedStaysAndTheRestGoesWithItsSubscription() {
    var node = TestNode {
      $0.bytesMax = 2000; $0.dirtyBytesMax = 1000
    }
    node.load("used", value("x"))
    var effects: [NodeCache.Effect] = []
    for number in 0..<20 where !effects.contains(.needsRoom) {
      effects = node.answer(node.fetch("k\(number)").requests[0], value("x"))
    }
    var references = [UInt8](repeating: 0, count: 1 << 16)
    references[Int(StableHash.of(Key("used").bytes) % (1 << 16))] = 1
    let evicted = node.step(.references(references))
    #expect(node.shared[Key("used")] != nil)
    #expect(!evicted.unsubscribed.isEmpty && node.cache.statistics.bytes <= 1750)
    #expect(node.cache.statistics.evictions == evicted.unsubscribed.count)
    #expect(node.shared.count == node.cache.statistics.keys)
  }

  @Test func unacknowledgedWritesStay() {
    var node = TestNode {
      $0.bytesMax = 2000; $0.dirtyBytesMax = 1000
    }
    node.write([put("dirty", "x")])
    for number in 0..<30 {
      node.load("k\(number)", value("x"))
      node.step(.references([]))
    }
    #expect(node.shared[Key("dirty")] != nil)
  }

  @Test func afterSharedMemoryWasEmptiedOnlyTheUnacknowledgedIsInstalledAgain() {
    var node = TestNode()
    node.load("clean", value("x"))
    node.write([put("dirty", "x")])
    node.shared = [:]
    let effects = node.step(.cacheEmptied)
    #expect(node.shared.keys.map(\.description) == ["dirty"])
    #expect(effects.unsubscribed == [Key("clean")])
    #expect(node.fetch("clean").requests.count == 1)
  }

  @Test func aRecordThatFoundNoRoomIsFetchedAgainOrServedFromMemory() {
    var node = TestNode()
    node.load("clean", value("x"))
    node.step(.notInstalled(Key("clean")))
    #expect(node.fetch("clean").requests.count == 1)
    node.write([put("dirty", "x")])
    node.step(.notInstalled(Key("dirty")))
    #expect(node.fetch("dirty").fetched.count == 1)
  }
}
