import ClusterModel
import Lattices
import Testing
import WireProtocol

@testable import KeyValueStore

struct ReadWriteTests {
  typealias Harness = ShardHarness

  @Test func whatWasPutIsRead() {
    var harness = Harness()
    #expect(harness.put("k", "v")?.failure == nil)
    #expect(harness.text("k") == "v")
  }

  @Test func aMissingKeyIsNotFound() {
    var harness = Harness()
    #expect(harness.get("missing")?.failure?.code == .keyNotFound)
  }

  @Test func oneRequestIsAnsweredKeyByKeyInOrder() {
    var harness = Harness()
    _ = harness.put("a", "1")
    let tuples = ["a", "b", "a"].map { KeyTuple(key: Key($0)) }
    let answer = harness.send(.get, tuples).replies.first?.tuples
    #expect(answer?.map(\.key.description) == ["a", "b", "a"])
    #expect(answer?.map { $0.failure?.code } == [nil, .keyNotFound, nil])
  }

  @Test func theOwnerStampsWhatComesUnstamped() {
    var harness = Harness()
    let first = harness.put("k", "1")?.version.stamp ?? 0
    let second = harness.put("k", "2")?.version.stamp ?? 0
    #expect(first >= Harness.stamp(0))
    #expect(second > first)
  }

  @Test func aLateWriteWithAnEarlierStampLoses() {
    var harness = Harness()
    _ = harness.put("k", "late", from: Harness.cache, stamp: Harness.stamp(20))
    let answer = harness.put("k", "early", from: Harness.cache, stamp: Harness.stamp(10))
    #expect(harness.text("k") == "late")
    #expect(answer?.version.stamp == Harness.stamp(20))
  }

  @Test func aStampBeyondTheDriftLimitIsRefused() {
    var harness = Harness()
    let within = harness.put("k", "in", from: Harness.cache, stamp: Harness.stamp(500))
    let beyond = harness.put("k", "out", from: Harness.cache, stamp: Harness.stamp(502))
    #expect(within?.failure == nil)
    #expect(beyond?.failure?.code == .clockSkew)
    #expect(harness.text("k") == "in")
  }

  @Test func aShardWhoseWallClockWasSetBackStopsStamping() {
    var harness = Harness()
    _ = harness.put("k", "v")
    harness.now.wall -= 1000
    #expect(harness.put("k", "w")?.failure?.code == .clockSkew)
  }

  @Test func reservedKeysAreReadableForClientsAndWritableForThePlatform() {
    var harness = Harness()
    #expect(harness.put("_cb/x", "v")?.failure?.code == .keyReserved)
    #expect(
      harness.answer(.delete, KeyTuple(key: Key("_cb/x")))?.failure?.code == .keyReserved)
    #expect(harness.put("_cb/x", "v", from: Harness.cache)?.failure == nil)
    #expect(harness.text("_cb/x") == "v")
  }

  @Test func keysThatAreNoneAreRefused() {
    var harness = Harness()
    let long = String(repeating: "k", count: Limits.keyBytesMax + 1)
    for key in ["", long] {
      #expect(harness.put(key, "v")?.failure?.code == .keyInvalid)
      #expect(harness.get(key)?.failure?.code == .keyInvalid)
    }
    let notText = KeyTuple(key: Key(trusted: [0xFF, 0xFE]))
    #expect(harness.answer(.get, notText)?.failure?.code == .keyInvalid)
  }

  @Test func anotherTypeIsRefusedAndNothingChanges() {
    var harness = Harness()
    _ = harness.put("k", "text")
    let answer = harness.answer(.put, Harness.tuple("k", Harness.set(["a"])))
    #expect(answer?.failure?.code == .lattice)
    #expect(harness.answer(.put, Harness.delta("k", 1))?.failure?.code == .lattice)
    #expect(harness.text("k") == "text")
  }

  @Test func bytesThatAreNoRecordAreRefused() {
    var harness = Harness()
    var garbage = KeyTuple(key: Key("k"))
    garbage.record = [1, 2, 3]
    #expect(harness.answer(.put, garbage)?.failure?.code == .badRequest)
    var badSet = Harness.set(["a"])
    badSet.payload = [0x0A, 0xFF]
    #expect(harness.answer(.put, Harness.tuple("k", badSet))?.failure?.code == .badRequest)
    let tombstone = Record.tombstone(.none)
    #expect(harness.answer(.put, Harness.tuple("k", tombstone))?.failure?.code == .badRequest)
  }

  @Test func aTypeThatNobodyKnowsIsRefused() {
    var harness = Harness()
    var unknown = Harness.tuple("k", Harness.set(["a"]))
    unknown.record[unknown.record.startIndex + 1] = 99
    #expect(harness.answer(.put, unknown)?.failure?.code == .badRequest)
  }

  @Test func setsGrowByUnion() {
    var harness = Harness()
    _ = harness.answer(.put, Harness.tuple("s", Harness.set(["b", "a"])))
    _ = harness.answer(.put, Harness.tuple("s", Harness.set(["c"])))
    #expect(harness.get("s")?.decoded?.payload == Harness.set(["a", "b", "c"]).payload)
  }

  @Test func countersAddClientsAndCaches() {
    var harness = Harness()
    _ = harness.answer(.put, Harness.delta("c", 5))
    _ = harness.answer(.put, Harness.delta("c", -2))
    let cached = Harness.counter(actor: 9, 10, stamp: Harness.stamp(1))
    _ = harness.answer(.put, Harness.tuple("c", cached), from: Harness.cache)
    #expect(harness.counterValue("c") == 13)
  }

  @Test func aCountersStateSentAgainCountsOnce() {
    var harness = Harness()
    let cached = Harness.tuple("c", Harness.counter(actor: 9, 10, stamp: Harness.stamp(1)))
    let first = harness.answer(.put, cached, from: Harness.cache)
    let second = harness.answer(.put, cached, from: Harness.cache)
    #expect(harness.counterValue("c") == 10)
    #expect(first?.version == second?.version)
  }

  @Test func aReadAsksForAVersionOrLater() {
    var harness = Harness()
    let version = harness.put("k", "v")?.version ?? .none
    var asked = KeyTuple(key: Key("k"))
    asked.version = version
    #expect(harness.answer(.get, asked)?.failure == nil)
    asked.version.stamp += 1
    let answer = harness.answer(.get, asked)
    #expect(answer?.failure?.code == .keyNotFound)
    #expect(answer?.record.isEmpty == true)
  }

  @Test func aDeletedKeyIsAbsentAndANewWriteStartsTheNextGeneration() {
    var harness = Harness()
    _ = harness.put("k", "v")
    #expect(harness.answer(.delete, KeyTuple(key: Key("k")))?.version.generation == 1)
    #expect(harness.get("k")?.failure?.code == .keyNotFound)
    #expect(harness.get("k")?.version.generation == 1)
    #expect(harness.answer(.put, Harness.tuple("k", Harness.set(["a"])))?.failure == nil)
    #expect(harness.get("k")?.decoded?.generation == 1)
  }

  @Test func aDeleteOfNothingSaysSoByItsVersion() {
    var harness = Harness()
    let answer = harness.answer(.delete, KeyTuple(key: Key("missing")))
    #expect(answer?.failure == nil)
    #expect(answer?.version == Version.none)
    #expect(harness.shard.table.count == 0)
  }

  @Test func aFlushOfADeletedGenerationDoesNotBringItBack() {
    var harness = Harness()
    let state = Harness.tuple("c", Harness.counter(actor: 9, 1, stamp: Harness.stamp(1)))
    _ = harness.answer(.put, state, from: Harness.cache)
    _ = harness.answer(.delete, KeyTuple(key: Key("c")))
    harness.advance(.milliseconds(50))
    let late = Harness.tuple("c", Harness.counter(actor: 9, 2, stamp: Harness.stamp(40)))
    #expect(harness.answer(.put, late, from: Harness.cache)?.version.generation == 1)
    #expect(harness.get("c")?.failure?.code == .keyNotFound)
  }

  @Test func aBlindWriteJoinsTheOwnersGeneration() {
    var harness = Harness()
    _ = harness.answer(.put, Harness.delta("c", 1))
    _ = harness.answer(.delete, KeyTuple(key: Key("c")))
    _ = harness.answer(.put, Harness.delta("c", 1))
    let blind = Harness.counter(actor: 9, 4, stamp: Harness.stamp(1), flags: .blind)
    let answer = harness.answer(.put, Harness.tuple("c", blind), from: Harness.cache)
    #expect(answer?.version.generation == 1)
    #expect(harness.counterValue("c") == 5)
  }

  @Test func aFullStoreRefusesWritesAndStillDeletes() {
    var limits = StorageLimits()
    limits.memoryBytesMax = 200
    var harness = Harness(limits: limits)
    #expect(harness.put("a", String(repeating: "x", count: 100))?.failure == nil)
    let refused = harness.put("b", String(repeating: "x", count: 100))
    #expect(refused?.failure?.code == .overloaded)
    #expect(harness.answer(.delete, KeyTuple(key: Key("a")))?.failure == nil)
    #expect(harness.put("b", "x")?.failure == nil)
  }

  @Test func aRequestOfTooManyKeysIsRefusedWhole() {
    var limits = StorageLimits()
    limits.tuplesPerRequestMax = 2
    var harness = Harness(limits: limits)
    let tuples = ["a", "b", "c"].map { Harness.tuple($0, Harness.value("v")) }
    #expect(harness.send(.put, tuples).replies.first?.failure?.code == .badRequest)
    #expect(harness.text("a") == nil)
  }

  @Test func anExpiredRecordReadsAsAbsentAndItsKeyCanBeWrittenAgain() {
    var harness = Harness()
    _ = harness.put("k", "v", expiry: Harness.start + 1000)
    harness.advance(.milliseconds(999))
    #expect(harness.text("k") == "v")
    harness.advance(.milliseconds(1))
    #expect(harness.get("k")?.failure?.code == .keyNotFound)
    _ = harness.put("k", "w")
    #expect(harness.text("k") == "w")
    #expect(harness.get("k")?.decoded?.generation == 1)
  }

  @Test func aPutWithoutExpiryLiftsTheExpiryOfTheOneBefore() {
    var harness = Harness()
    _ = harness.put("k", "v", expiry: Harness.start + 1000)
    _ = harness.put("k", "w")
    harness.advance(.seconds(2))
    #expect(harness.text("k") == "w")
  }

  @Test func theSweepReclaimsExpiredRecordsBoundedAtATime() {
    var limits = StorageLimits()
    limits.expiredPerStepMax = 2
    var harness = Harness(limits: limits)
    for key in ["a", "b", "c"] { _ = harness.put(key, "v", expiry: Harness.start + 1000) }
    _ = harness.fireTimer()
    #expect(harness.shard.statistics.keys == 1)
    _ = harness.fireTimer()
    #expect(harness.shard.statistics.keys == 0)
    // Only the tombstones are left, to be forgotten some day.
    #expect(harness.shard.nextDeadline == harness.shard.collection?.nextAt)
  }

  @Test func anExpiryThatMovedIsSweptAtItsNewTime() {
    var harness = Harness()
    _ = harness.put("k", "v", expiry: Harness.start + 1000)
    _ = harness.put("k", "w", expiry: Harness.start + 5000)
    _ = harness.fireTimer()
    #expect(harness.text("k") == "w")
    _ = harness.fireTimer()
    #expect(harness.shard.statistics.keys == 0)
    #expect(harness.now.wall == Harness.start + 5000)
  }

  @Test func listPagesThroughThePrefixAndNamesEachKeyOnce() {
    var limits = StorageLimits()
    limits.listRecordsPerStepMax = 7
    var harness = Harness(limits: limits)
    for number in 0..<100 {
      _ = harness.put(number % 2 == 0 ? "even/\(number)" : "odd/\(number)", "v")
    }
    _ = harness.answer(.delete, KeyTuple(key: Key("even/0")))
    var request = KeyRequest()
    request.type = .list
    request.tuples = [KeyTuple(key: Key("even/"))]
    request.pageSize = 3
    var keys: [String] = []
    repeat {
      let effects = harness.step(.request(request, number: 1, from: Harness.client))
      guard let page = effects.replies.first else { break }
      #expect(page.tuples.count <= 3)
      keys += page.tuples.map(\.key.description)
      request.cursor = page.cursor
    } while request.cursor != 0
    #expect(keys.sorted() == (1..<50).map { "even/\(2 * $0)" }.sorted())
  }

  @Test func theTableFindsEveryKeyAfterItHasGrown() {
    var table = RecordTable(minimumCapacity: 4)
    for number in 0..<10_000 {
      _ = table.insert(ShardHarness.value("\(number)"), under: Key("key/\(number)"))
    }
    #expect(table.count == 10_000)
    for number in 0..<10_000 {
      let entry = table.find(Key("key/\(number)"))
      #expect(entry == number)
    }
    #expect(table.find(Key("key/10000")) == nil)
  }

  @Test func storedBytesFollowWhatIsStored() {
    var harness = Harness()
    _ = harness.put("key", "12345")
    #expect(harness.shard.statistics.storedBytes == 3 + Record.headerByteCount + 5)
    _ = harness.put("key", "1")
    #expect(harness.shard.statistics.storedBytes == 3 + Record.headerByteCount + 1)
  }
}
