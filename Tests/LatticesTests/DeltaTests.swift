import LatticeSamples
import Lattices
import Testing

@Suite struct ObservedRemoveSetTests {
  private let a: ArraySlice<UInt8> = [0x61]

  @Test func anAdditionThatARemovalHasNotSeenStays() throws {
    let first = ObservedRemoveSet.adding(a, as: Dot(actor: 1, number: 1))
    let removal = try #require(first.removing(a))
    let again = ObservedRemoveSet.adding(a, as: Dot(actor: 2, number: 1))
    for order in [[first, removal, again], [again, removal, first], [removal, again, first]] {
      let all = order.reduce(into: ObservedRemoveSet()) { $0.merge($1) }
      #expect(all.contains(a))
      #expect(all.elements.first?.dots == [Dot(actor: 2, number: 1)])
    }
  }

  @Test func aRemovedElementDoesNotComeBackWithALateAddition() throws {
    let addition = ObservedRemoveSet.adding(a, as: Dot(actor: 1, number: 1))
    var set = addition
    set.merge(try #require(set.removing(a)))
    let changed = set.merge(addition)
    #expect(!changed)
    #expect(!set.contains(a))
  }

  @Test func aRemovedElementLeavesOnlyARangeOfDots() throws {
    var set = ObservedRemoveSet()
    for number in 1...1000 as ClosedRange<UInt64> {
      set.merge(.adding(Array("element \(number)".utf8)[...], as: Dot(actor: 1, number: number)))
    }
    for element in set.elements {
      set.merge(try #require(set.removing(element.value)))
    }
    #expect(set.elements.isEmpty)
    #expect(set.serialized().count < 20)
  }

  @Test func whatIsNotThereCannotBeRemoved() {
    #expect(ObservedRemoveSet().removing(a) == nil)
  }

  /// Against a model that keeps every addition and what each removal saw.
  @Test(arguments: seeds) func replicasAgreeWithAModel(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<100 {
      var replicas = [ObservedRemoveSet](repeating: ObservedRemoveSet(), count: 3)
      var added: [Dot: ArraySlice<UInt8>] = [:]
      var removed: Set<Dot> = []
      var next: [UInt64] = [0, 0, 0]
      for _ in 0..<30 {
        let index = Int.random(in: 0..<3, using: &random)
        let value = [UInt8.random(in: 0...2, using: &random)][...]
        switch Int.random(in: 0..<3, using: &random) {
        case 0:
          next[index] += 1
          let dot = Dot(actor: UInt64(index), number: next[index])
          replicas[index].merge(.adding(value, as: dot))
          added[dot] = value
        case 1:
          guard let removal = replicas[index].removing(value) else { continue }
          removed.formUnion(
            replicas[index].elements.filter { $0.value == value }.flatMap(\.dots))
          replicas[index].merge(removal)
        default: replicas[index].merge(replicas[Int.random(in: 0..<3, using: &random)])
        }
      }
      let all = replicas.reduce(into: ObservedRemoveSet()) { $0.merge($1) }
      let expected = Set(added.filter { !removed.contains($0.key) }.values)
      #expect(Set(all.elements.map(\.value)) == expected, "seed \(seed)")
    }
  }
}

@Suite struct NumberTests {
  @Test func numbersCompareByValueWhateverTheirForm() throws {
    let ascending = try [
      #require(Number(-Double.infinity)), #require(Number(-1e300)), Number(.min),
      #require(Number(-1.5)), Number(-1), Number(0), #require(Number(0.5)), Number(1),
      Number(Int64(1) << 53 + 1), Number(.max), #require(Number(0x1p63)),
      #require(Number(Double.infinity)),
    ]
    for (index, lower) in ascending.enumerated() {
      for (other, higher) in ascending.enumerated() {
        #expect((lower < higher) == (index < other), "\(lower), \(higher)")
      }
    }
  }

  @Test func aWholeRealIsAnInteger() throws {
    #expect(try #require(Number(3.0)) == Number(3))
    #expect(try #require(Number(-0.0)) == Number(0))
    #expect(Number(Double.nan) == nil)
  }

  @Test func aMaximumWithoutANumberIsRefused() {
    #expect { try Maximum(serialized: []) } throws: {
      ($0 as? LatticeError)?.code == .incomplete
    }
  }
}

@Suite struct HyperLogLogTests {
  @Test(arguments: [0, 1, 10, 1000, 3000, 4000, 100_000, 1_000_000])
  func theEstimateIsWithinThreePercent(count: Int) throws {
    var random = SeededGenerator(seed: 9)
    var estimate = HyperLogLog()
    var ranks = [UInt16: HyperLogLog.Register]()
    // Inserting into the sorted list a million times is slow: fill in parts and merge them.
    for part in stride(from: 0, to: count, by: 2000) {
      var some = HyperLogLog()
      for _ in part..<min(count, part + 2000) { some.insert(hash: random.next()) }
      estimate.merge(some)
    }
    for register in estimate.registers { ranks[register.index] = register }
    #expect(ranks.count == estimate.registers.count)
    let error = abs(Double(estimate.estimate) - Double(count)) / max(1, Double(count))
    #expect(error < 0.03, "\(estimate.estimate) for \(count)")
    let bytes = estimate.serialized()
    #expect(bytes.count <= 12_292)
    #expect(try HyperLogLog(serialized: bytes[...]) == estimate)
  }

  @Test func aRepeatedElementSaysNothingNew() {
    var estimate = HyperLogLog()
    let first = estimate.insert(hash: 42)
    let second = estimate.insert(hash: 42)
    #expect(first.registers.count == 1)
    #expect(second == HyperLogLog())
  }

  @Test func oneElementIsAFewBytes() {
    var estimate = HyperLogLog()
    estimate.insert(hash: .max)
    #expect(estimate.serialized() == [0x0A, 3, 0xC1, 0xFF, 0x0F])
  }
}

@Suite struct OwnerTests {
  @Test func theOwnerAddsAnAmountToItsOwnEntry() {
    let held = AnyLattice.counter(Counter([.init(actor: 7, added: 10, subtracted: 1)]))
    let write = AnyLattice.counter(Counter([.init(actor: 0, added: 5, subtracted: 2)]))
    let completed = write.completed(stamp: 3, actor: 7, over: held)
    #expect(completed == .counter(Counter([.init(actor: 7, added: 15, subtracted: 3)])))
  }

  @Test func whatHasAnActorIsLeftAlone() {
    let write = AnyLattice.counter(Counter([.init(actor: 4, added: 5, subtracted: 0)]))
    #expect(write.completed(stamp: 3, actor: 7, over: nil) == write)
  }

  @Test func theOwnerStampsFieldsThatHaveNoStamp() {
    let name: ArraySlice<UInt8> = [0x61]
    let inner = AnyLattice.register(LastWriterWins(stamp: 0, value: [1]))
    let write = AnyLattice.map(LatticeMap([.init(name: name, value: inner)]))
    let completed = write.completed(stamp: 3, actor: 7, over: nil)
    #expect(completed.latestStamp == 3)
    #expect(completed.completed(stamp: 9, actor: 7, over: nil).latestStamp == 3)
  }

  @Test func aFieldKeepsItsKind() {
    let name: ArraySlice<UInt8> = [0x61]
    let held = LatticeMap([.init(name: name, value: .flag(Flag()))])
    let other = LatticeMap([.init(name: name, value: .set(GrowSet()))])
    #expect(held.conflicts(with: other))
    #expect(!held.conflicts(with: held))
    #expect(held.merging(other) == other.merging(held))
  }

  @Test func anEarlierWriteOfARemovedFieldStaysRemoved() {
    let name: ArraySlice<UInt8> = [0x61]
    let removed = RegisterMap([.init(name: name, stamp: 2, value: nil)])
    let late = RegisterMap([.init(name: name, stamp: 1, value: [1])])
    #expect(removed.merging(late) == removed)
    #expect(removed.present.isEmpty)
    let tied = RegisterMap([.init(name: name, stamp: 2, value: [])])
    #expect(removed.merging(tied) == tied)
  }
}
