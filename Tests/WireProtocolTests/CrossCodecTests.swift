import ClusterModel
import ControlProtocol
import Foundation
import Lattices
import SwiftProtobuf
import Testing
import WireProtocol

/// The contract is `proto/*.proto`; swift-protobuf's generated code is the judge of the hand-written
/// codecs.
struct CrossCodecTests {
  static let seed: UInt64 = 0xc10d_b125
  static let rounds = 300

  @Test(arguments: MessageKind.all)
  func bothCodecsWriteTheSameBytesAndReadEachOther(_ kind: MessageKind) throws {
    try kind.crossCheck(seed: Self.seed, rounds: Self.rounds)
  }

  @Test(arguments: MessageKind.all)
  func unknownFieldsAreSkippedWhereverTheyStand(_ kind: MessageKind) throws {
    try kind.skipUnknown(seed: Self.seed)
  }

  @Test(arguments: MessageKind.all)
  func noBytesAreTheMessageOfDefaults(_ kind: MessageKind) throws {
    try kind.decodeNothing()
  }

  /// The hand-written writer packs; a peer's may not.
  @Test func unpackedNumbersReadLikePackedOnes() throws {
    let packed: Bytes = [0x22, 0x03, 0x01, 0xac, 0x02]
    let unpacked: Bytes = [0x20, 0x01, 0x20, 0xac, 0x02]
    for bytes in [packed, unpacked] {
      #expect(try Stage.decode(bytes).upstream == [1, 300])
      #expect(try Cloudburst_Stage(serializedBytes: Data(bytes)).upstream == [1, 300])
    }
  }

  @Test func setPayloadsAreSetValues() throws {
    var random = SeededGenerator(seed: Self.seed)
    for _ in 0..<Self.rounds {
      let values = random.several { $0.bytes() }
      let mirror = Cloudburst_SetValue.with { $0.values = values.map { Data($0) } }
      let set = try GrowSet(serialized: Bytes(try mirror.serializedData()))
      let read = try Cloudburst_SetValue(serializedBytes: Data(set.serialized()))
      let expected = Set(values).sorted { $0.lexicographicallyPrecedes($1) }
      #expect(read.values == expected.map { Data($0) }, "seed \(Self.seed)")
    }
  }

  @Test func counterPayloadsAreCounterValues() throws {
    var random = SeededGenerator(seed: Self.seed)
    for _ in 0..<Self.rounds {
      let entries = (0..<random.next() % 5).map { index in
        Cloudburst_CounterValue.Entry.with {
          $0.actor = index << 40 | random.next() % 7
          $0.added = random.number()
          $0.subtracted = random.number() | 1
        }
      }
      let mirror = Cloudburst_CounterValue.with { $0.entries = entries }
      let counter = try Counter(serialized: Bytes(try mirror.serializedData()))
      let read = try Cloudburst_CounterValue(serializedBytes: Data(counter.serialized()))
      #expect(read == mirror, "seed \(Self.seed)")
    }
  }

  @Test func controlFailuresKeepEveryField() {
    var random = SeededGenerator(seed: Self.seed)
    for _ in 0..<Self.rounds {
      let failure = random.failure()
      let message = Cloudburst_FailureMessage(failure)
      #expect(message == FailureMessage(failure).mirror, "seed \(Self.seed)")
      #expect(Failure(message) == failure, "seed \(Self.seed)")
    }
  }
}
