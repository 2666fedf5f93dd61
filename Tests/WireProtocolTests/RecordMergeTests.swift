import ClusterModel
import LatticeSamples
import Lattices
import Testing

@testable import WireProtocol

/// The record envelope as a lattice, and the rules by which holders take writes.
struct RecordMergeTests {
  /// Small spaces, so that equal stamps, generations and payloads really meet.
  private func drawn(_ random: inout SplitMix64, lattice: LatticeType) -> Record {
    let isTombstone = UInt64.random(in: 0..<5, using: &random) == 0
    var record = Record(
      lattice: isTombstone ? .none : lattice,
      encoding: isTombstone ? 0 : UInt8.random(in: 0...1, using: &random),
      flags: isTombstone ? .tombstone : [],
      version: Version(
        generation: UInt64.random(in: 0...2, using: &random),
        stamp: UInt64.random(in: 0...3, using: &random)),
      payload: isTombstone ? [] : payload(of: lattice, &random))
    record.expiry = UInt64.random(in: 0...2, using: &random)
    if !isTombstone && Bool.random(using: &random) { record.flags.insert(.partial) }
    record.metadata = [UInt8.random(in: 0...1, using: &random)]
    return record
  }

  private func payload(of lattice: LatticeType, _ random: inout SplitMix64) -> Bytes {
    guard let kind = lattice.payloadKind else {
      return Bytes([UInt8.random(in: 0...2, using: &random)])
    }
    return LatticeSamples.any(kind, using: &random).serialized()[...]
  }

  private func joined(_ left: Record, _ right: Record) -> Record {
    var record = left
    _ = record.merge(right)
    return record
  }

  @Test(arguments: LatticeType.allCases.filter { $0 != .none })
  func recordsOfOneTypeObeyTheLatticeLawsTiesIncluded(lattice: LatticeType) {
    var random = SplitMix64(state: 0xC10D)
    for round in 0..<8000 {
      let a = drawn(&random, lattice: lattice)
      let b = drawn(&random, lattice: lattice)
      let c = drawn(&random, lattice: lattice)
      let context = Comment(rawValue: "seed 0xC10D, round \(round): \(a), \(b), \(c)")
      let ab = joined(a, b)
      guard joined(a, a) == a, ab == joined(b, a), joined(ab, c) == joined(a, joined(b, c)),
        joined(ab, a) == ab, joined(ab, b) == ab
      else {
        Issue.record(context)
        return
      }
    }
  }

  @Test func mergeSaysWhetherTheRecordChanged() {
    var random = SplitMix64(state: 7)
    for _ in 0..<5000 {
      let before = drawn(&random, lattice: .counter)
      var record = before
      let outcome = record.merge(drawn(&random, lattice: .counter))
      #expect((outcome == .changed) == (record != before))
    }
  }

  @Test func twoTypesInOneGenerationConflictAndNothingChanges() {
    var set = value(.set, generation: 1, stamp: 5)
    let before = set
    #expect(set.merge(value(.counter, generation: 1, stamp: 9)) == .latticeConflict)
    #expect(set == before)
  }

  @Test func aNewGenerationMayHaveAnotherType() {
    var set = value(.set, generation: 1, stamp: 5)
    #expect(set.merge(value(.counter, generation: 2, stamp: 1)) == .changed)
    #expect(set.lattice == .counter)
  }

  @Test func aPayloadThatIsNotOfItsTypeNeverGetsIn() {
    var bad = value(.set, generation: 0, stamp: 9)
    bad.payload = [0x0A, 0xFF]
    var set = value(.set, generation: 0, stamp: 5)
    let before = set
    #expect(set.merge(bad) == .latticeConflict)
    bad.generation = 1
    #expect(set.merge(bad) == .latticeConflict)
    #expect(set == before)
  }

  @Test func theExpiryOfAValueGoesWithTheWriteThatSetIt() {
    var short = value(.lastWriterWins, generation: 0, stamp: 5)
    short.expiry = 1000
    #expect(short.merge(value(.lastWriterWins, generation: 0, stamp: 6)) == .changed)
    #expect(short.expiry == 0)
  }

  @Test func theHoldersWriteSequenceSurvivesEveryMerge() {
    var held = value(.lastWriterWins, generation: 0, stamp: 5)
    held.writeSequence = 42
    _ = held.merge(value(.lastWriterWins, generation: 3, stamp: 1))
    #expect(held.writeSequence == 42)
  }

  @Test func aPutLaterThanADeleteItNeverSawSurvivesIt() {
    var held = value(.lastWriterWins, generation: 0, stamp: 5)
    #expect(held.take(deleteStamped: 8) == .changed)
    #expect(held.take(value(.lastWriterWins, generation: 0, stamp: 9)) == .changed)
    #expect(held.version == Version(generation: 1, stamp: 9))
  }

  @Test func aPutEarlierThanADeleteStaysDeleted() {
    var held = value(.lastWriterWins, generation: 0, stamp: 5)
    _ = held.take(deleteStamped: 8)
    #expect(held.take(value(.lastWriterWins, generation: 0, stamp: 8)) == .unchanged)
    #expect(held.isTombstone)
  }

  @Test func aDeleteEarlierThanTheValueDoesNothing() {
    var held = value(.lastWriterWins, generation: 0, stamp: 5)
    #expect(held.take(deleteStamped: 5) == .unchanged)
    #expect(held.generation == 0)
  }

  @Test func aSecondDeleteStartsNoSecondGeneration() {
    var held = value(.lastWriterWins, generation: 0, stamp: 5)
    _ = held.take(deleteStamped: 8)
    _ = held.take(deleteStamped: 9)
    #expect(held.version == Version(generation: 1, stamp: 9))
  }

  @Test func setStateOfADeletedGenerationDoesNotComeBack() {
    var held = value(.set, generation: 0, stamp: 5)
    _ = held.take(deleteStamped: 8)
    #expect(held.take(value(.set, generation: 0, stamp: 9)) == .unchanged)
    #expect(held.isTombstone)
  }

  @Test func aBlindWriteJoinsTheHoldersGeneration() {
    var held = value(.counter, generation: 4, stamp: 5)
    var write = value(.counter, generation: 0, stamp: 6)
    write.flags = [.blind, .partial]
    write.payload = Counter([Counter.Entry(actor: 2, added: 3, subtracted: 0)]).serialized()[...]
    #expect(held.take(write) == .changed)
    #expect(held.generation == 4)
    #expect(held.flags == [])
  }

  @Test func anOldPutSentAgainDoesNotConflictWithTheTypeThatFollowedIt() {
    var held = value(.set, generation: 1, stamp: 9)
    #expect(held.take(value(.lastWriterWins, generation: 0, stamp: 5)) == .unchanged)
    #expect(held.take(value(.lastWriterWins, generation: 0, stamp: 10)) == .latticeConflict)
  }

  @Test func expiryBuriesARecordAtTheInstantItNamed() {
    var held = value(.set, generation: 2, stamp: 5)
    held.expiry = 100
    #expect(held.buried(at: 99) == nil)
    #expect(held.buried(at: 100)?.version == Version(generation: 3, stamp: (100 << 16) - 1))
  }

  @Test func generationsThatAreUsedUpRefuseADelete() {
    var held = value(.set, generation: .max, stamp: 5)
    #expect(held.take(deleteStamped: 9) == .latticeConflict)
  }

  @Test func aWriteThatGivesAFieldAnotherKindIsAConflict() {
    func map(_ value: AnyLattice) -> Record {
      let field = LatticeMap.Field(name: [0x61], value: value)
      return Record(lattice: .map, payload: LatticeMap([field]).serialized()[...])
    }
    var held = map(.flag(Flag()))
    let before = held
    var write = map(.set(GrowSet()))
    write.flags = .blind
    #expect(held.take(write) == .latticeConflict)
    #expect(held == before)
  }

  private func value(_ lattice: LatticeType, generation: UInt64, stamp: UInt64) -> Record {
    var payload = Bytes([1])
    if lattice == .set { payload = GrowSet([[1]]).serialized()[...] }
    if lattice == .counter {
      payload = Counter([Counter.Entry(actor: 1, added: 1, subtracted: 0)]).serialized()[...]
    }
    return Record(
      lattice: lattice, version: Version(generation: generation, stamp: stamp), payload: payload)
  }
}

/// The same seed, the same values, on every machine.
private struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
