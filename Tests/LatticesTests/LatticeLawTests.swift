import Lattices
import Testing

let seeds: [UInt64] = [1, 2, 3, 0xC10D_B125]

@Suite struct LatticeLawTests {
  @Test(arguments: seeds) func lastWriterWinsIsALattice(seed: UInt64) {
    let broken = firstBrokenLaw(seed: seed, drawing: sampleLastWriterWins)
    #expect(broken == nil)
  }

  @Test(arguments: seeds) func growSetIsALattice(seed: UInt64) {
    let broken = firstBrokenLaw(seed: seed, drawing: sampleGrowSet)
    #expect(broken == nil)
  }

  @Test(arguments: seeds) func counterIsALattice(seed: UInt64) {
    let broken = firstBrokenLaw(seed: seed, drawing: sampleCounter)
    #expect(broken == nil)
  }

  @Test(arguments: seeds) func priorityIsALattice(seed: UInt64) {
    let broken = firstBrokenLaw(seed: seed, drawing: samplePriority)
    #expect(broken == nil)
  }

  @Test(arguments: seeds) func vectorClockIsALattice(seed: UInt64) {
    let broken = firstBrokenLaw(seed: seed, drawing: sampleClock)
    #expect(broken == nil)
  }

  @Test(arguments: seeds) func causalValueIsALattice(seed: UInt64) {
    let broken = firstBrokenLaw(seed: seed, rounds: 1500) { sampleCausal(&$0, .multiKey) }
    #expect(broken == nil)
  }

  @Test func theLawsCatchOneClockForAllVersions() {
    let broken = firstBrokenLaw(seed: 1) { random in
      OneClock(clock: sampleClock(&random), values: sampleGrowSet(&random))
    }
    #expect(broken != nil)
  }

  @Test(arguments: seeds) func generationalIsALattice(seed: UInt64) {
    let broken = firstBrokenLaw(seed: seed) { random in
      Generational(
        generation: .random(in: 0...2, using: &random), content: sampleCounter(&random))
    }
    #expect(broken == nil)
  }

  @Test func theLawsCatchAMissingTieBreak() {
    let broken = firstBrokenLaw(seed: 1) { random in
      WithoutTieBreak(stamp: .random(in: 0...2, using: &random), value: random.bytes())
    }
    #expect(broken?.description.hasPrefix("commutativity") == true)
  }

  @Test func theLawsCatchASumInPlaceOfAMaximum() {
    let broken = firstBrokenLaw(seed: 1) { random in
      Sum(value: .random(in: 0...2, using: &random))
    }
    #expect(broken?.description.hasPrefix("idempotence") == true)
  }

  @Test func theLawsCatchAMergeThatAlwaysClaimsAChange() {
    let broken = firstBrokenLaw(seed: 1) { random in
      Boastful(value: .random(in: 0...2, using: &random))
    }
    #expect(broken?.description.hasPrefix("merge tells") == true)
  }

  @Test func theSamplesReallyTie() {
    var random = SeededGenerator(seed: 1)
    var sameStamp = 0
    for _ in 0..<1000 {
      let (a, b) = (sampleLastWriterWins(&random), sampleLastWriterWins(&random))
      if a.stamp == b.stamp, a.value != b.value { sameStamp += 1 }
    }
    #expect(sameStamp > 100)
  }
}

func sampleLastWriterWins(_ random: inout SeededGenerator) -> LastWriterWins {
  LastWriterWins(
    stamp: .random(in: 0...2, using: &random), value: random.bytes(),
    encoding: .random(in: 0...1, using: &random))
}

func sampleGrowSet(_ random: inout SeededGenerator) -> GrowSet {
  GrowSet((0..<Int.random(in: 0...9, using: &random)).map { _ in random.bytes() })
}

func sampleCounter(_ random: inout SeededGenerator) -> Counter {
  let totals: [UInt64] = [0, 0, 1, 2, 300, .max]
  return Counter(
    (0..<Int.random(in: 0...4, using: &random)).map { _ in
      Counter.Entry(
        actor: .random(in: 0...3, using: &random),
        added: totals.randomElement(using: &random) ?? 0,
        subtracted: totals.randomElement(using: &random) ?? 0)
    })
}

/// The original system's causal value: the joined clock stands for all values.
private struct OneClock: Lattice {
  var clock: VectorClock
  var values: GrowSet

  mutating func merge(_ other: Self) -> Bool {
    switch clock.order(to: other.clock) {
    case .after: return false
    case .before: self = other
    case .equal: return values.merge(other.values)
    case .concurrent:
      clock.merge(other.clock)
      values.merge(other.values)
    }
    return true
  }
}

/// The original system's last-writer-wins: equal stamps keep whatever came first.
private struct WithoutTieBreak: Lattice {
  var stamp: UInt64
  var value: ArraySlice<UInt8>

  mutating func merge(_ other: Self) -> Bool {
    guard stamp < other.stamp else { return false }
    self = other
    return true
  }
}

private struct Sum: Lattice {
  var value: Int

  mutating func merge(_ other: Self) -> Bool {
    value += other.value
    return other.value != 0
  }
}

private struct Boastful: Lattice {
  var value: Int

  mutating func merge(_ other: Self) -> Bool {
    value = max(value, other.value)
    return true
  }
}
