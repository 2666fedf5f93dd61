import ClusterModel
import ControlProtocol
import Foundation
import LatticeSamples
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

  /// The canonical form is what protobuf writes with its maps in order.
  @Test(arguments: AnyLattice.Kind.allCases)
  func payloadsAreTheMessagesOfTheContract(kind: AnyLattice.Kind) throws {
    var random = SeededGenerator(seed: Self.seed)
    for _ in 0..<Self.rounds {
      let bytes = LatticeSamples.any(kind, using: &random).serialized()
      let copied = try kind.copied(bytes)
      #expect(copied == bytes, "seed \(Self.seed)")
    }
  }
}

extension AnyLattice.Kind {
  /// Read and written by swift-protobuf.
  fileprivate func copied(_ bytes: [UInt8]) throws -> [UInt8] {
    switch self {
    case .register: try Cloudburst_RegisterValue.copied(bytes)
    case .set, .orderedSet: try Cloudburst_SetValue.copied(bytes)
    case .singleKeyCausal: try Cloudburst_SingleKeyCausalValue.copied(bytes)
    case .multiKeyCausal: try Cloudburst_MultiKeyCausalValue.copied(bytes)
    case .priority: try Cloudburst_PriorityValue.copied(bytes)
    case .counter, .growCounter: try Cloudburst_CounterValue.copied(bytes)
    case .maximum, .minimum: try Cloudburst_NumberValue.copied(bytes)
    case .flag: try Cloudburst_FlagValue.copied(bytes)
    case .map: try Cloudburst_MapValue.copied(bytes)
    case .observedRemoveSet: try Cloudburst_ObservedRemoveSetValue.copied(bytes)
    case .registerMap: try Cloudburst_RegisterMapValue.copied(bytes)
    case .hyperLogLog: try Cloudburst_HyperLogLogValue.copied(bytes)
    }
  }
}

extension SwiftProtobuf.Message {
  fileprivate static func copied(_ bytes: [UInt8]) throws -> [UInt8] {
    var options = BinaryEncodingOptions()
    options.useDeterministicOrdering = true
    let message = try Self(serializedBytes: bytes)
    return try message.serializedBytes(partial: false, options: options)
  }
}
