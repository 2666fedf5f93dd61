import ClusterModel
import Foundation
import SwiftProtobuf
import Testing
import WireProtocol

/// One hot message, without its type, so that tests can go over all of them.
struct MessageKind: Sendable, CustomTestStringConvertible {
  let testDescription: String
  /// Random valid bytes of it.
  let sample: @Sendable (inout SeededGenerator) -> Bytes
  /// - Returns: how many elements were decoded.
  let decode: @Sendable (Bytes) throws(WireError) -> Int
  private let check: @Sendable (UInt64, Int) throws -> Void
  private let checkUnknown: @Sendable (UInt64) throws -> Void
  private let checkNothing: @Sendable () throws -> Void

  func crossCheck(seed: UInt64, rounds: Int) throws { try check(seed, rounds) }
  func skipUnknown(seed: UInt64) throws { try checkUnknown(seed) }
  func decodeNothing() throws { try checkNothing() }

  private init<Message: Mirrored>(_: Message.Type) {
    testDescription = "\(Message.self)"
    sample = { Message.random(using: &$0).encoded() }
    decode = { (bytes) throws(WireError) in try Message.decode(bytes).elementCount }
    check = { try Self.crossCheck(Message.self, seed: $0, rounds: $1) }
    checkUnknown = { try Self.skipUnknown(Message.self, seed: $0) }
    checkNothing = {
      let message = try Message.decode([])
      #expect(message == Message())
    }
  }

  static let all: [MessageKind] = [
    MessageKind(FailureMessage.self), MessageKind(Hello.self), MessageKind(Welcome.self),
    MessageKind(KeyTuple.self), MessageKind(KeyRequest.self), MessageKind(KeyResponse.self),
    MessageKind(WatchRequest.self), MessageKind(Argument.self), MessageKind(DAGInput.self),
    MessageKind(Call.self), MessageKind(Stage.self), MessageKind(Dispatch.self),
    MessageKind(CallResult.self), MessageKind(CancelCall.self),
    MessageKind(SessionToken.Entry.self), MessageKind(SessionToken.self),
    MessageKind(CacheFetch.self), MessageKind(CacheFetched.self), MessageKind(CacheWrite.self),
    MessageKind(CacheWrites.self), MessageKind(Released.Entry.self), MessageKind(Released.self),
    MessageKind(ExecutorLost.self), MessageKind(KillExecutor.self),
    MessageKind(Recall.self),
    MessageKind(RingMessage.Shard.self), MessageKind(RingMessage.self),
    MessageKind(MemberReport.self), MessageKind(Lease.self), MessageKind(Replicate.self),
    MessageKind(Replicated.self), MessageKind(RangeDigest.self), MessageKind(RangeRepair.self),
    MessageKind(ReplicaWord.self), MessageKind(HotKeyList.self),
    MessageKind(KeyExplanation.Holder.self), MessageKind(KeyExplanation.self),
    MessageKind(BundleRequest.self), MessageKind(BundleReady.self),
    MessageKind(LogLines.Line.self), MessageKind(LogLines.self),
    MessageKind(FunctionRecord.self), MessageKind(BundleRecord.self),
    MessageKind(DAGRecord.Edge.self), MessageKind(DAGRecord.self),
  ]

  private static func crossCheck<Message: Mirrored>(
    _: Message.Type, seed: UInt64, rounds: Int
  ) throws {
    var random = SeededGenerator(seed: seed)
    for round in 0..<rounds {
      let message = Message.random(using: &random)
      let mirror = message.mirror
      let bytes = message.encoded()
      let theirs = try mirror.serializedData()
      let place: Comment = "seed \(seed), round \(round)"
      try #require(Data(bytes) == theirs, place)
      try #require(try Message.Mirror(serializedBytes: Data(bytes)) == mirror, place)
      try #require(try Message.decode(Bytes(theirs)) == message, place)
    }
  }

  /// Fields of a number that no message uses, in every wire type proto3 has.
  private static let unknown: [Bytes] = [
    [0xc0, 0xbb, 0x01, 0x96, 0x01],
    [0xc1, 0xbb, 0x01, 1, 2, 3, 4, 5, 6, 7, 8],
    [0xc2, 0xbb, 0x01, 3, 7, 7, 7],
    [0xc5, 0xbb, 0x01, 1, 2, 3, 4],
  ]

  private static func skipUnknown<Message: Mirrored>(_: Message.Type, seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for field in unknown {
      let message = Message.random(using: &random)
      #expect(try Message.decode(field + message.encoded()) == message, "seed \(seed)")
      #expect(try Message.decode(message.encoded() + field) == message, "seed \(seed)")
    }
  }
}
