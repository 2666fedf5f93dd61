import Lattices
import Testing

@Suite struct LatticeBytesTests {
  @Test func aSetHasGoldenBytes() throws {
    let set = GrowSet([[0x62], [], [0x61, 0x61]])
    let bytes: [UInt8] = [0x0A, 0x00, 0x0A, 0x02, 0x61, 0x61, 0x0A, 0x01, 0x62]
    #expect(set.serialized() == bytes)
  }

  @Test func aCounterHasGoldenBytes() throws {
    let counter = Counter([
      Counter.Entry(actor: 0, added: 300, subtracted: 0),
      Counter.Entry(actor: 0x0102_0304_0506_0708, added: 0, subtracted: 1),
    ])
    let bytes: [UInt8] = [
      0x0A, 0x03, 0x10, 0xAC, 0x02,
      0x0A, 0x0B, 0x09, 8, 7, 6, 5, 4, 3, 2, 1, 0x18, 0x01,
    ]
    #expect(counter.serialized() == bytes)
  }

  @Test(arguments: seeds) func setsSurviveARoundTrip(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<500 {
      let set = sampleGrowSet(&random)
      let bytes = set.serialized()
      #expect(try GrowSet(serialized: bytes[...]) == set, "seed \(seed)")
      #expect(bytes.count == set.serializedCount, "seed \(seed)")
    }
  }

  @Test(arguments: seeds) func countersSurviveARoundTrip(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<500 {
      let counter = sampleCounter(&random)
      let bytes = counter.serialized()
      #expect(try Counter(serialized: bytes[...]) == counter, "seed \(seed)")
      #expect(bytes.count == counter.serializedCount, "seed \(seed)")
    }
  }

  @Test func unsortedAndRepeatedElementsAreNormalised() throws {
    let bytes: [UInt8] = [0x0A, 1, 3, 0x0A, 1, 1, 0x0A, 1, 3, 0x0A, 1, 2, 0x0A, 1, 1]
    #expect(try GrowSet(serialized: bytes[...]).elements == [[1], [2], [3]])
  }

  @Test func repeatedElementsDoNotPileUp() throws {
    var bytes: [UInt8] = []
    for _ in 0..<100_000 { bytes += [0x0A, 1, 2, 0x0A, 1, 1] }
    let set = try GrowSet(serialized: bytes[...])
    #expect(set.elements == [[1], [2]])
    #expect(set.elements.capacity <= 4096)
  }

  @Test func entriesOfOneActorAreMerged() throws {
    let bytes: [UInt8] = [0x0A, 2, 0x10, 5, 0x0A, 4, 0x10, 3, 0x18, 4]
    #expect(
      try Counter(serialized: bytes[...]).entries
        == [Counter.Entry(actor: 0, added: 5, subtracted: 4)])
  }

  @Test func unknownFieldsAreSkipped() throws {
    // Field 2 as varint, field 3 as fixed64, field 1 as varint, field 4 as fixed32.
    let strange: [UInt8] = [0x10, 0x01, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x08, 0x05, 0x25, 1, 2, 3, 4]
    let known: [UInt8] = [0x0A, 1, 7]
    #expect(try GrowSet(serialized: (strange + known + strange)[...]) == GrowSet([[7]]))
  }

  @Test(arguments: [
    ([0x0A, 2, 1], LatticeError.Code.truncated),
    ([0x0A], .truncated),
    ([0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], .truncated),
    ([0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02], .varint),
    ([0x02, 0], .fieldNumber),
    ([0x80, 0x80, 0x80, 0x80, 0x10, 0], .fieldNumber),
    ([0x0B], .wireType),
    ([0x0F], .wireType),
  ])
  func malformedBytesAreNamed(bytes: [UInt8], code: LatticeError.Code) {
    #expect { try GrowSet(serialized: bytes[...]) } throws: { ($0 as? LatticeError)?.code == code }
    #expect { try Counter(serialized: bytes[...]) } throws: { ($0 as? LatticeError)?.code == code }
  }

  /// What arbitrary bytes decode to must be canonical: it survives its own round trip.
  @Test(arguments: seeds) func arbitraryBytesNeverTrap(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var decoded = 0
    for _ in 0..<25_000 {
      let bytes = arbitraryBytes(&random)
      if let set = try? GrowSet(serialized: bytes) {
        #expect(try GrowSet(serialized: set.serialized()[...]) == set, "seed \(seed): \(bytes)")
        decoded += 1
      }
      if let counter = try? Counter(serialized: bytes) {
        let again = try Counter(serialized: counter.serialized()[...])
        #expect(again == counter, "seed \(seed): \(bytes)")
        decoded += 1
      }
    }
    #expect(decoded > 1000, "the bytes should not all be refused at once")
  }

  /// Half noise, half valid payloads with a byte changed or the end cut off.
  private func arbitraryBytes(_ random: inout SeededGenerator) -> ArraySlice<UInt8> {
    var bytes: [UInt8]
    switch Int.random(in: 0..<4, using: &random) {
    case 0: bytes = sampleGrowSet(&random).serialized()
    case 1: bytes = sampleCounter(&random).serialized()
    default:
      bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
        .random(in: 0...255, using: &random)
      }
    }
    guard let index = bytes.indices.randomElement(using: &random) else { return [] }
    bytes[index] = .random(in: 0...255, using: &random)
    return bytes[..<Int.random(in: index...bytes.count, using: &random)]
  }
}
