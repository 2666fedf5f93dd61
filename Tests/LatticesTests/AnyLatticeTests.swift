import LatticeSamples
import Lattices
import Testing

/// What holds for every lattice that can be stored.
@Suite struct AnyLatticeTests {
  private func draw(_ kind: AnyLattice.Kind, _ random: inout SeededGenerator) -> AnyLattice {
    LatticeSamples.any(kind, using: &random)
  }

  @Test(arguments: AnyLattice.Kind.allCases, seeds)
  func everyKindObeysTheLaws(kind: AnyLattice.Kind, seed: UInt64) {
    let broken = firstBrokenLaw(seed: seed, rounds: 800) {
      OfOneKind(value: draw(kind, &$0))
    }
    #expect(broken == nil)
  }

  /// Equal states have equal bytes, whatever way they came about; different ones differ.
  @Test(arguments: AnyLattice.Kind.allCases, seeds)
  func bytesAreCanonical(kind: AnyLattice.Kind, seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<400 {
      let (a, b) = (draw(kind, &random), draw(kind, &random))
      var (left, right) = (a, b)
      left.merge(b)
      right.merge(a)
      #expect(left.serialized() == right.serialized(), "seed \(seed): \(a), \(b)")
      #expect((a == b) == (a.serialized() == b.serialized()), "seed \(seed): \(a), \(b)")
      let read = try AnyLattice(serialized: left.serialized()[...], as: kind)
      #expect(read == left, "seed \(seed): \(left)")
    }
  }

  @Test(arguments: AnyLattice.Kind.allCases, seeds)
  func arbitraryBytesNeverTrapAndReadCanonically(kind: AnyLattice.Kind, seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var read = 0
    for round in 0..<3000 {
      var bytes = draw(kind, &random).serialized()
      for _ in 0..<Int.random(in: 0...2, using: &random) where !bytes.isEmpty {
        bytes[.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
      }
      if round % 3 == 0 {
        bytes = Array(bytes.prefix(.random(in: 0...bytes.count, using: &random)))
      }
      if round % 5 == 0 {
        bytes += (0..<8).map { _ in UInt8.random(in: 0...255, using: &random) }
      }
      guard let value = try? AnyLattice(serialized: bytes[...], as: kind) else { continue }
      read += 1
      let again = try AnyLattice(serialized: value.serialized()[...], as: kind)
      #expect(again == value, "seed \(seed): \(bytes)")
      var merged = value
      #expect(merged.merge(again) == false, "seed \(seed): \(bytes)")
    }
    #expect(read > 100, "the bytes should not all be refused")
  }

  @Test func twoKindsDoNotMerge() {
    var flag = AnyLattice.flag(Flag(isRaised: true))
    let outcome = flag.merge(.set(GrowSet([[1]])))
    #expect(outcome == nil)
    #expect(flag == .flag(Flag(isRaised: true)))
  }

  @Test func mapsWithinMapsEndSomewhere() throws {
    var map = LatticeMap()
    for _ in 0...LatticeMap.depthMax {
      #expect(map.isWithinLimits)
      #expect(try LatticeMap(serialized: map.serialized()[...]) == map)
      map = LatticeMap([LatticeMap.Field(name: [0x6D], value: .map(map))])
    }
    #expect(!map.isWithinLimits)
    let bytes = map.serialized()
    #expect { try LatticeMap(serialized: bytes[...]) } throws: {
      ($0 as? LatticeError)?.code == .tooLarge
    }
  }

  @Test func aRepeatedFieldDoesNotPileUp() throws {
    let field = RegisterMap([.init(name: [0x61], stamp: 1, value: [1])]).serialized()
    let bytes = Array(repeatElement(field, count: 50_000).joined())
    let map = try RegisterMap(serialized: bytes[...])
    #expect(map.fields.count == 1)
    #expect(map.fields.capacity <= 4096)
  }

  /// Lets `firstBrokenLaw` check values that only merge with their kind.
  private struct OfOneKind: Lattice {
    var value: AnyLattice

    mutating func merge(_ other: Self) -> Bool {
      value.merge(other.value) ?? false
    }
  }
}
