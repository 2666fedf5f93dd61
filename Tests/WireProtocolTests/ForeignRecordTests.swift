import ClusterModel
import Testing

@testable import WireProtocol

/// Values stamped by another system, among themselves and among ours.
struct ForeignRecordTests {
  private func native(_ text: String, stamp: UInt64) -> Record {
    Record(
      lattice: .lastWriterWins, version: Version(generation: 0, stamp: stamp),
      payload: Bytes(text: text))
  }

  /// A foreign put as its owner takes it.
  private func foreign(_ text: String, _ foreignStamp: UInt64, ownerStamp: UInt64) -> Record {
    var record = Record.foreign(stamp: foreignStamp, payload: Bytes(text: text))
    record.stamp = ownerStamp
    return record
  }

  /// Native, foreign, and native over foreign, from small spaces, so that ties occur.
  private func drawn(_ random: inout SplitMix64) -> Record {
    var record = Record(
      lattice: .lastWriterWins, encoding: UInt8.random(in: 0...1, using: &random),
      version: Version(
        generation: UInt64.random(in: 0...1, using: &random),
        stamp: UInt64.random(in: 0...4, using: &random)),
      payload: [UInt8.random(in: 0...1, using: &random)])
    record.expiry = UInt64.random(in: 0...1, using: &random)
    if Bool.random(using: &random) { record.flags.insert(.partial) }
    let base = UInt64.random(in: 0...record.stamp, using: &random)
    let rest = Bytes(repeating: 7, count: Int.random(in: 0...1, using: &random))
    switch Int.random(in: 0..<4, using: &random) {
    case 0: record.metadata = rest
    case 1: record.place = .init(base: base, foreignStamp: nil, rest: rest)
    default:
      let foreignStamp = [0, 1, 2, UInt64.max].randomElement(using: &random)
      record.place = .init(base: base, foreignStamp: foreignStamp, rest: [])
    }
    return record
  }

  private func joined(_ left: Record, _ right: Record) -> Record {
    var record = left
    _ = record.merge(right)
    return record
  }

  @Test func foreignAndNativeValuesObeyTheLatticeLawsTiesIncluded() {
    var random = SplitMix64(seed: 0xA77A)
    for round in 0..<50_000 {
      let (a, b, c) = (drawn(&random), drawn(&random), drawn(&random))
      let ab = joined(a, b)
      guard joined(a, a) == a, ab == joined(b, a), joined(ab, c) == joined(a, joined(b, c)),
        joined(ab, a) == ab, joined(ab, b) == ab, ab.isWellFormed
      else {
        Issue.record("seed 0xA77A, round \(round): \(a), \(b), \(c)")
        return
      }
    }
  }

  @Test func theLowerForeignStampLosesWhicheverComesLast() {
    var held = native("old", stamp: 100)
    #expect(held.take(foreign("nine", 9, ownerStamp: 101)) == .changed)
    #expect(held.take(foreign("five", 5, ownerStamp: 102)) == .unchanged)
    #expect(held.payload.text == "nine")
    #expect(held.foreignStamp == 9)
    #expect(held.stamp == 101)
  }

  @Test func equalForeignStampsAreDecidedByTheBytes() {
    var held = native("old", stamp: 100)
    #expect(held.take(foreign("a", 9, ownerStamp: 101)) == .changed)
    #expect(held.take(foreign("b", 9, ownerStamp: 102)) == .changed)
    #expect(held.take(foreign("a", 9, ownerStamp: 103)) == .unchanged)
    #expect(held.payload.text == "b")
  }

  @Test func nativeAndForeignPutsBecomeVisibleInTurn() {
    var held = native("first", stamp: 100)
    #expect(held.take(foreign("second", 3, ownerStamp: 101)) == .changed)
    #expect(held.take(native("third", stamp: 102)) == .changed)
    #expect(held.payload.text == "third")
    #expect(held.foreignStamp == nil)
    #expect(held.take(foreign("fourth", 1, ownerStamp: 103)) == .changed)
    #expect(held.payload.text == "fourth")
    #expect(held.version.stamp == 103)
  }

  @Test func theLargestForeignStampDoesNotOwnAKey() {
    var held = native("old", stamp: 100)
    #expect(held.take(foreign("mine for ever", .max, ownerStamp: 101)) == .changed)
    #expect(held.take(native("no", stamp: 102)) == .changed)
    #expect(held.payload.text == "no")
  }

  @Test func foreignPutsAtTwoReplicasAreComparedWithEachOther() {
    var (one, other) = (native("old", stamp: 100), native("old", stamp: 100))
    _ = one.take(foreign("nine", 9, ownerStamp: 110))
    _ = other.take(foreign("five", 5, ownerStamp: 120))
    #expect(one.merge(other) == .changed)
    #expect(one.payload.text == "nine")
    // A version that was given out stays reached.
    #expect(one.stamp == 120)
    #expect(joined(other, one) == one)
  }

  @Test func aNativePutThatComesLateKeepsItsPlaceUnderTheLaterVersion() {
    var held = native("old", stamp: 100)
    _ = held.take(foreign("foreign", 9, ownerStamp: 130))
    #expect(held.take(native("late", stamp: 120)) == .changed)
    #expect(held.stamp == 130)
    #expect(held.payload.text == "late")
    #expect(held.asWrite == native("late", stamp: 120))
    #expect(held.take(native("earlier still", stamp: 110)) == .unchanged)
  }

  @Test func aForeignPutOverADeletedKeyIsThere() {
    var held = native("old", stamp: 100)
    _ = held.take(deleteStamped: 105)
    #expect(held.take(foreign("new", 1, ownerStamp: 106)) == .changed)
    #expect(held.generation == 1)
    #expect(held.payload.text == "new")
  }

  @Test func aForeignPutOverAnotherTypeChangesNothing() {
    var held = Record(lattice: .set, version: Version(generation: 0, stamp: 5), payload: [])
    let before = held
    #expect(held.take(foreign("x", 1, ownerStamp: 9)) == .latticeConflict)
    #expect(held == before)
  }

  @Test func flagsWithoutWhatTheyAnnounceNeverGetIn() {
    var bad = native("x", stamp: 9)
    bad.flags = .foreign
    var held = native("old", stamp: 5)
    #expect(held.merge(bad) == .latticeConflict)
    #expect(!bad.isWellFormed)
    #expect(held == native("old", stamp: 5))
  }
}
