import Caching
import ClusterModel
import StoreAccess
import Testing
import WireProtocol

/// A cache whose keys have different owners.
@Suite struct ShardTests {
  private static let left = Route(0)
  private static let right = Route(1)

  /// Both shards are connected; `a` came from the left one, `b` from the right one.
  private func node() -> TestNode {
    var node = TestNode()
    node.step(.ownerConnected(Self.right, clock: 0))
    node.load("a", value("1", stamp: 10), from: Self.left)
    node.load("b", value("1", stamp: 10), from: Self.right)
    return node
  }

  @Test func theLossOfAShardConcernsItsKeysOnly() {
    var node = node()
    let effects = node.step(.ownerLost(Self.right))
    // Asked again at once: another copy may answer.
    #expect(effects.requests.map(\.keys) == [[Key("b")]])
    #expect(node.cache.unverifiedKeys(at: node.now) == 1)
    #expect(node.shared[Key("b")]?.payload.text == "1", "it is served all the while")
    node.respond(effects.requests[0], [tuple("b", value("2", stamp: 20))], from: Self.left)
    #expect(node.shared[Key("b")]?.payload.text == "2")
    #expect(node.cache.unverifiedKeys(at: node.now) == 0)
  }

  @Test func theStreamsOfTwoShardsAreNumberedApart() {
    var node = node()
    node.push("a", value("2", stamp: 20), number: 1, from: Self.left)
    let effects = node.push("b", value("2", stamp: 20), number: 1, from: Self.right)
    #expect(effects.contains(.acknowledgeStream(number: 1, of: Self.right)))
    #expect(effects.requests.isEmpty, "nothing is missing")
    #expect(node.shared[Key("b")]?.payload.text == "2")
  }

  @Test func aGapComparesTheKeysOfThatShard() {
    var node = node()
    let effects = node.push("b", value("2", stamp: 20), number: 5, from: Self.right)
    #expect(effects.requests.map(\.keys) == [[Key("b")]])
  }

  @Test func aKeyThatHasMovedIsAskedOfItsNewOwnerAndLeftAtTheOldOne() {
    var node = node()
    let effects = node.step(.ownersChanged([Key("a")]))
    #expect(effects.contains(.unsubscribe(Key("a"), at: Self.left)))
    let request = effects.requests[0]
    #expect(request.keys == [Key("a")] && request.request.subscribe)
    // The answer is late, and the old owner still says something: it counts until then.
    node.push("a", value("2", stamp: 20), number: 1, from: Self.left)
    #expect(node.shared[Key("a")]?.payload.text == "2")
    node.respond(request, [tuple("a", value("3", stamp: 30))], from: Self.right)
    #expect(node.shared[Key("a")]?.payload.text == "3")
    node.push("a", value("4", stamp: 40), number: 1, from: Self.right)
    #expect(node.shared[Key("a")]?.payload.text == "4")
    let late = node.push("a", value("5", stamp: 50), number: 2, from: Self.left)
    #expect(late.contains(.unsubscribe(Key("a"), at: Self.left)))
    #expect(node.shared[Key("a")]?.payload.text == "4", "it is not the left one's key any more")
  }

  @Test func anAnswerOfAShardThatIsGoneByNowIsComparedWithAnothers() {
    var node = node()
    let fetch = node.fetch("c").requests[0]
    node.step(.ownerLost(Self.right))
    let effects = node.respond(fetch, [tuple("c", value("1", stamp: 10))], from: Self.right)
    #expect(effects.fetched.count == 1, "it was true when it was said")
    #expect(effects.requests.map(\.keys) == [[Key("c")]])
  }

  @Test func aWriteThatFailedWithItsShardIsSentAgain() {
    var node = node()
    let flush = node.write([put("b", "new")]).requests[0]
    node.step(.ownerLost(Self.right))
    node.step(.refused(Failure(.unavailable, "the connection was lost"), number: flush.number))
    let again = node.advance(100).requests.filter { $0.request.type == .put }
    #expect(again.map(\.keys) == [[Key("b")]])
    #expect(again[0].record?.payload.text == "new")
  }

  @Test func theOnlyShardThatComesBackIsAskedForEverything() {
    var node = node()
    node.step(.ownerLost(Self.left))
    #expect(node.step(.ownerLost(Self.right)).requests.isEmpty, "there is nobody to ask")
    let effects = node.step(.ownerConnected(Self.left, clock: 0))
    #expect(Set(effects.requests.flatMap(\.keys)) == [Key("a"), Key("b")])
  }
}
