import ClusterModel
import Testing
import WireProtocol

@testable import KeyValueStore

struct RecordTableTests {
  @Test(arguments: 1...8 as ClosedRange<UInt64>)
  func theTableHoldsWhatADictionaryHolds(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var table = RecordTable(minimumCapacity: 4)
    var model: [Key: Record] = [:]
    for _ in 0..<4000 {
      let key = Key("key/\(random.next() % 300)")
      let record = ShardHarness.value(
        String(repeating: "v", count: Int(random.next() % 50 * (random.next() % 8 == 0 ? 800 : 1))),
        stamp: random.next() % 9)
      switch (random.next() % 4, table.find(key)) {
      case (0, let entry?):
        table.remove(entry)
        model[key] = nil
      case (0, nil): continue
      case (_, let entry?):
        table.replace(entry, by: record)
        model[key] = record
      case (_, nil):
        _ = table.insert(record, under: key)
        model[key] = record
      }
    }
    #expect(table.liveCount == model.count, "seed \(seed)")
    let bytes = model.reduce(0) { $0 + $1.key.bytes.count + $1.value.encoded().count }
    #expect(table.byteCount == bytes, "seed \(seed)")
    for number in 0..<300 {
      let key = Key("key/\(number)")
      #expect(table.find(key).map { table[$0].record } == model[key], "seed \(seed)")
    }
  }

  @Test func aCopyIsAValueOfItsOwn() throws {
    var table = RecordTable(minimumCapacity: 4)
    let entry = table.insert(ShardHarness.value("one"), under: Key("k"))
    let copy = table
    table.replace(entry, by: ShardHarness.value("another"))
    table[entry].isObserved = true
    _ = table.insert(ShardHarness.value("two"), under: Key("l"))
    #expect(copy[entry].record.payload.text == "one")
    #expect(!copy[entry].isObserved)
    #expect(copy.find(Key("l")) == nil)
    #expect(table[entry].record.payload.text == "another")
  }
}
