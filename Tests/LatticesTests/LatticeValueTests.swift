import Lattices
import Testing

@Suite struct LatticeValueTests {
  @Test func theHigherStampWinsWhateverTheBytes() {
    var value = LastWriterWins(stamp: 1, value: [9, 9, 9])
    let changed = value.merge(LastWriterWins(stamp: 2, value: [0]))
    #expect(changed)
    #expect(value.value == [0])
  }

  @Test func equalStampsAreDecidedByTheBytesAndThenTheEncoding() {
    let low = LastWriterWins(stamp: 1, value: [1], encoding: 5)
    let high = LastWriterWins(stamp: 1, value: [1, 0], encoding: 0)
    #expect(low.merging(high) == high)
    let tagged = LastWriterWins(stamp: 1, value: [1], encoding: 6)
    #expect(tagged.merging(low) == tagged)
  }

  @Test(arguments: seeds) func bytesCompareAsTheStandardLibraryComparesThem(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<3000 {
      let (a, b) = (random.bytes(), random.bytes())
      #expect((compareBytes(a, b) < 0) == a.lexicographicallyPrecedes(b), "seed \(seed)")
      #expect((compareBytes(a, b) == 0) == (a == b), "seed \(seed)")
    }
  }

  @Test(arguments: seeds) func aGrowSetAgreesWithSet(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<500 {
      var set = sampleGrowSet(&random)
      var model = Set(set.elements)
      let element = random.bytes()
      #expect(set.contains(element) == model.contains(element), "seed \(seed)")
      let (isNew, expected) = (set.insert(element), model.insert(element).inserted)
      #expect(isNew == expected, "seed \(seed)")
      let other = sampleGrowSet(&random)
      set.merge(other)
      model.formUnion(other.elements)
      #expect(
        set.elements == model.sorted { $0.lexicographicallyPrecedes($1) }, "seed \(seed)")
    }
  }

  @Test(arguments: seeds) func aSetDeltaBringsTheOtherSideUpToDate(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<500 {
      let (mine, theirs) = (sampleGrowSet(&random), sampleGrowSet(&random))
      let delta = mine.delta(over: theirs)
      #expect(theirs.merging(delta) == theirs.merging(mine), "seed \(seed)")
      #expect(delta.elements.allSatisfy { !theirs.contains($0) }, "seed \(seed)")
    }
  }

  @Test func aCompactedSetIsEqualAndInOneBuffer() {
    let message: [UInt8] = Array("....banana..apple".utf8)
    let set = GrowSet([message[4..<10], message[12...], message[0..<0]])
    let compacted = set.compacted()
    #expect(compacted == set)
    #expect(compacted.elements.last?.endIndex == 11)
  }

  @Test func aCounterSumsWhatItsActorsDid() {
    var mine = Counter()
    var theirs = Counter()
    mine.increment(by: 5, actor: 1)
    theirs.increment(by: 7, actor: 2)
    theirs.decrement(by: 20, actor: 2)
    mine.merge(theirs)
    mine.merge(theirs)
    #expect(mine.value == -8)
  }

  @Test func aCounterDeltaIsOnlyTheChangedActor() {
    var counter = Counter()
    counter.increment(by: 5, actor: 1)
    counter.increment(by: 5, actor: 2)
    let before = counter
    let delta = counter.decrement(actor: 2)
    #expect(delta.entries == [Counter.Entry(actor: 2, added: 5, subtracted: 1)])
    #expect(before.merging(delta) == counter)
  }

  @Test func aCounterStaysAtTheEndsOfItsRange() {
    var counter = Counter()
    for actor in 0..<3 as Range<UInt64> { counter.increment(by: .max, actor: actor) }
    #expect(counter.value == .max)
    let delta = counter.increment(by: 1, actor: 0)
    #expect(delta == Counter())
    for actor in 0..<6 as Range<UInt64> { counter.decrement(by: .max, actor: actor) }
    #expect(counter.value == .min)
  }

  @Test func addingNothingLeavesNoTrace() {
    var counter = Counter()
    let delta = counter.increment(by: 0, actor: 1)
    #expect(delta == Counter())
    #expect(counter.entries.isEmpty)
  }

  @Test func aLateMergeFromBeforeTheDeleteIsLost() throws {
    let stored = Generational(content: GrowSet([[1], [2]]))
    var deleted = try #require(stored.succeeded(by: GrowSet()))
    let revived = deleted.merge(stored)
    #expect(!revived)
    #expect(deleted.content.isEmpty)
    #expect(stored.merging(deleted) == deleted)
  }

  @Test func theLastGenerationHasNoSuccessor() {
    #expect(Generational(generation: .max, content: GrowSet()).succeeded(by: GrowSet()) == nil)
  }
}
