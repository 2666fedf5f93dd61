import Caching
import ClusterModel
import Testing
import WireProtocol

/// What a release tells of the call's writes, and what level `cached` does without.
@Suite struct SessionTests {
  @Test func aReleaseCarriesTheVersionsThatTheWritesGot() throws {
    var node = TestNode()
    let request = node.write([put("a", "1"), put("b", "2")], isFinal: true).requests[0]
    let own = try #require(request.record).version
    let tuples = [
      answer("a", Version(generation: 3, stamp: own.stamp)),
      // Somebody's later value won: that is the version to insist on.
      answer("b", Version(generation: 0, stamp: .max / 2)),
    ]
    let released = try #require(node.respond(request, tuples).released.first)
    let versions = try SessionToken.decode(released.session).entries
    #expect(versions.map(\.key) == [Key("a"), Key("b")])
    #expect(versions.map(\.version) == tuples.map(\.version))
  }

  @Test func aReleaseCarriesNoMoreVersionsThanASessionHolds() throws {
    var node = TestNode()
    let keys = (0..<100).map { "k\($0)" }
    let request = node.write(keys.map { put($0, "1") }, isFinal: true).requests[0]
    let tuples = request.keys.map { answer($0.description, Version(generation: 1, stamp: 1)) }
    let released = try #require(node.respond(request, tuples).released.first)
    let versions = try SessionToken.decode(released.session).entries
    #expect(versions.map(\.key) == keys.suffix(Limits.sessionEntriesMax).map { Key($0) })
  }

  @Test func aCounterThatNobodyElseChangedIsHeldAtItsNewVersion() {
    var node = TestNode()
    node.load("c", counter([9: 5], stamp: 100))
    let request = node.write([add("c", 1)], isFinal: true).requests[0]
    var tuple = answer("c", Version(generation: 0, stamp: 200))
    tuple.replaced = Version(generation: 0, stamp: 100)
    node.respond(request, [tuple])
    #expect(node.fetch("c", minimum: tuple.version).requests.isEmpty)
    #expect(count(node.shared[Key("c")]) == 6)
  }

  @Test func aCounterThatSomebodyElseChangedIsFetchedForItsNewVersion() {
    var node = TestNode()
    node.load("c", counter([9: 5], stamp: 100))
    let request = node.write([add("c", 1)], isFinal: true).requests[0]
    var tuple = answer("c", Version(generation: 0, stamp: 200))
    tuple.replaced = Version(generation: 0, stamp: 150)
    node.respond(request, [tuple])
    #expect(node.fetch("c", minimum: tuple.version).requests.count == 1)
  }

  @Test func atLevelCachedTheReleaseComesWithTheApplication() {
    var node = TestNode()
    let effects = node.write([put("a", "1")], isFinal: true, level: .cached)
    #expect(effects.released.map(\.invocation.low) == [1])
    #expect(effects.released[0].session.isEmpty)
    // It is sent to the owner all the same, which knows no such level.
    #expect(effects.requests.map(\.request.level) == [.accepted])
    #expect(node.cache.statistics.callsWaiting == 0)
  }

  @Test func whoReadsAnEarlyWriteAtAnotherLevelWaitsForIt() {
    var node = TestNode()
    let write = node.write([put("a", "1")], by: 1, isFinal: true, level: .cached).requests[0]
    #expect(node.write([], by: 2, from: other, isFinal: true, reading: 1).released.isEmpty)
    #expect(node.acknowledge(write, write.record!.version).released.map(\.invocation.low) == [2])
  }

  @Test func earlyWritesAreCountedUntilTheOwnerHasThem() {
    var node = TestNode()
    let first = node.write([put("a", "1")], isFinal: true, level: .cached).requests[0]
    node.write([put("a", "2"), put("a", "3")], by: 2, isFinal: true, level: .cached)
    #expect(node.cache.statistics.earlyWrites == 3)
    let second = node.acknowledge(first, first.record!.version).requests[0]
    #expect(node.cache.statistics.earlyWrites == 2)
    node.acknowledge(second, second.record!.version)
    #expect(node.cache.statistics.earlyWrites == 0)
    #expect(node.cache.statistics.earlyWritesEver == 3)
  }

  @Test func aValueWhoseStampAnotherOneHasIsNotKept() {
    var node = TestNode()
    node.load("a", value("before"))
    let request = node.write([put("a", "1")], isFinal: true).requests[0]
    var tuple = answer("a", request.record!.version)
    tuple.replaced = tuple.version
    node.respond(request, [tuple])
    #expect(node.shared[Key("a")] == nil)
  }

  @Test func aDeleteThatCameTooLateIsNotKept() {
    var node = TestNode()
    node.load("a", value("before"))
    let request = node.write([delete("a")], isFinal: true).requests[0]
    let later = request.request.tuples[0].version.stamp + 1
    node.acknowledge(request, Version(generation: 0, stamp: later))
    #expect(node.shared[Key("a")] == nil)
  }

  private func answer(_ key: String, _ version: Version) -> KeyTuple {
    var tuple = KeyTuple(key: Key(key))
    tuple.version = version
    return tuple
  }
}
