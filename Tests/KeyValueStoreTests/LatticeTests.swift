import ClusterModel
import LatticeSamples
import Lattices
import Testing
import WireProtocol

@testable import KeyValueStore

/// Every lattice through the shard: what it stores, merges, refuses and fills in.
struct LatticeTests {
  typealias Harness = ShardHarness

  static let kinds = AnyLattice.Kind.allCases.filter { $0 != .register }

  private func record(_ value: AnyLattice, _ flags: Record.Flags = []) -> Record {
    let type = LatticeType(rawValue: value.kind.rawValue) ?? .none
    return Record(lattice: type, flags: flags, payload: value.serialized()[...])
  }

  @Test(arguments: kinds, [1, 2] as [UInt64])
  func deltasMergeToTheirJoin(kind: AnyLattice.Kind, seed: UInt64) {
    var random = SplitMix64(seed: seed)
    for _ in 0..<100 {
      var harness = Harness()
      let drawn = (0..<4).map { _ in LatticeSamples.any(kind, using: &random) }
      // Fields of a map that another write gave another kind are refused: see below.
      let writes = kind == .map ? Array(drawn.prefix(1)) : drawn
      for write in writes {
        let answer = harness.answer(.put, Harness.tuple("k", record(write)))
        #expect(answer?.failure == nil, "seed \(seed): \(write)")
      }
      var expected = writes[0]
      for write in writes { expected.merge(write) }
      let stored = harness.get("k")?.decoded?.latticeValue
      #expect(stored == expected, "seed \(seed): \(writes)")
    }
  }

  @Test(arguments: kinds) func anotherTypeChangesNothing(kind: AnyLattice.Kind) {
    var random = SplitMix64(seed: 3)
    var harness = Harness()
    let held = record(LatticeSamples.any(kind, using: &random))
    _ = harness.answer(.put, Harness.tuple("k", held))
    let before = harness.get("k")?.record
    for other in Self.kinds where other != kind {
      let write = record(LatticeSamples.any(other, using: &random))
      #expect(harness.answer(.put, Harness.tuple("k", write))?.failure?.code == .lattice)
    }
    #expect(harness.put("k", "text")?.failure?.code == .lattice)
    #expect(harness.get("k")?.record == before)
  }

  @Test(arguments: kinds) func anEmptyValueIsAValue(kind: AnyLattice.Kind) throws {
    var harness = Harness()
    guard let empty = try? AnyLattice(serialized: [], as: kind) else { return }
    #expect(harness.answer(.put, Harness.tuple("k", record(empty)))?.failure == nil)
    #expect(harness.get("k")?.decoded?.latticeValue == empty)
  }

  @Test(arguments: kinds) func aNewGenerationMayHaveAnyType(kind: AnyLattice.Kind) {
    var random = SplitMix64(seed: 5)
    var harness = Harness()
    _ = harness.put("k", "text")
    harness.advance(.milliseconds(5))
    _ = harness.answer(.delete, KeyTuple(key: Key("k")))
    let value = LatticeSamples.any(kind, using: &random)
    #expect(harness.answer(.put, Harness.tuple("k", record(value)))?.failure == nil)
    #expect(harness.get("k")?.decoded?.generation == 1)
  }

  @Test func anAmountCountsFromZeroAfterADelete() {
    var harness = Harness()
    let five = record(.counter(Counter([.init(actor: 0, added: 5, subtracted: 0)])))
    _ = harness.answer(.put, Harness.tuple("k", five))
    _ = harness.answer(.put, Harness.tuple("k", five))
    #expect(harness.counterValue("k") == 10)
    harness.advance(.milliseconds(5))
    _ = harness.answer(.delete, KeyTuple(key: Key("k")))
    _ = harness.answer(.put, Harness.tuple("k", five))
    #expect(harness.counterValue("k") == 5)
  }

  @Test func anAmountInAMapIsAddedToTheField() throws {
    var harness = Harness()
    func visits(_ amount: UInt64) -> Record {
      let counter = Counter([.init(actor: 0, added: amount, subtracted: 0)])
      return record(.map(LatticeMap([.init(name: [0x76], value: .counter(counter))])))
    }
    _ = harness.answer(.put, Harness.tuple("k", visits(5)))
    _ = harness.answer(.put, Harness.tuple("k", visits(2)))
    guard case .map(let map) = harness.get("k")?.decoded?.latticeValue,
      case .counter(let counter) = map.fields.first?.value
    else {
      Issue.record("no map with a counter")
      return
    }
    #expect(counter.value == 7)
  }

  @Test func aFieldOfALaterWriteWins() {
    var harness = Harness()
    func field(_ text: String?) -> Record {
      let value = text.map { ArraySlice($0.utf8) }
      return record(.registerMap(RegisterMap([.init(name: [0x66], stamp: 0, value: value)])))
    }
    func held() -> ArraySlice<UInt8>?? {
      guard case .registerMap(let map) = harness.get("k")?.decoded?.latticeValue else { return nil }
      return map.fields.first?.value
    }
    _ = harness.answer(.put, Harness.tuple("k", field("z")))
    _ = harness.answer(.put, Harness.tuple("k", field("a")))
    #expect(held() == .some(ArraySlice("a".utf8)))
    _ = harness.answer(.put, Harness.tuple("k", field(nil)))
    #expect(held() == .some(nil))
  }

  @Test func aFieldStampedInTheFarFutureIsRefused() {
    var harness = Harness()
    let field = RegisterMap.Field(name: [0x66], stamp: .max, value: [1])
    let write = record(.registerMap(RegisterMap([field])))
    #expect(harness.answer(.put, Harness.tuple("k", write))?.failure?.code == .clockSkew)
    #expect(harness.get("k")?.failure?.code == .keyNotFound)
  }

  @Test func aFieldOfAMapKeepsItsKind() {
    var harness = Harness()
    func map(_ value: AnyLattice) -> Record {
      record(.map(LatticeMap([.init(name: [0x66], value: value)])))
    }
    _ = harness.answer(.put, Harness.tuple("k", map(.flag(Flag(isRaised: true)))))
    let write = Harness.tuple("k", map(.set(GrowSet())))
    #expect(harness.answer(.put, write)?.failure?.code == .lattice)
  }

  @Test func moreVersionsThanTheLimitAreRefusedUntilOneSupersedesThem() {
    var harness = Harness()
    func version(_ clock: VectorClock) -> Record {
      record(.singleKeyCausal(CausalValue([.init(clock: clock, values: GrowSet([[1]]))])))
    }
    var all = VectorClock()
    for writer in 0..<CausalValue.versionsMax {
      let clock = VectorClock(["w\(writer)": 1])
      all.merge(clock)
      #expect(harness.answer(.put, Harness.tuple("k", version(clock)))?.failure == nil)
    }
    let one = version(VectorClock(["other": 1]))
    #expect(harness.answer(.put, Harness.tuple("k", one))?.failure?.code == .lattice)
    all.merge(VectorClock(["other": 1]))
    #expect(harness.answer(.put, Harness.tuple("k", version(all)))?.failure == nil)
  }
}
