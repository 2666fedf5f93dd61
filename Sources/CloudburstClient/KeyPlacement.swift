import ClusterModel
import WireProtocol

/// Where a key is and what it costs, as the shard that owns it knows it.
public struct KeyPlacement: Sendable {
  /// One copy.
  public struct Holder: Sendable {
    /// The storage shard that holds it, as `NODE/SHARD`.
    public let shard: String
    /// Which life of it.
    public let incarnation: String
    /// False for a replica; all copies take writes.
    public let isOwner: Bool
    /// Held besides the wanted copies, for as long as the key is asked for so often.
    public let isExtra: Bool
    /// Whether it has every change that the shard asked has made.
    public let isCurrent: Bool
  }

  public enum Tier: String, Sendable { case memory, disk }

  public let key: String
  /// As `StoredRecord.latticeName`.
  public let latticeName: String
  public let generation: UInt64
  public let stamp: UInt64
  /// The owner first.
  public let holders: [Holder]
  /// Of the value itself.
  public let valueBytes: UInt64
  /// With the key and everything that the store keeps beside the value.
  public let storedBytes: UInt64
  /// Milliseconds since 1970; nil is never.
  public let expiresAt: UInt64?
  public let tier: Tier
  /// Whether this version is in the synced log.
  public let isDurable: Bool
  /// Clients that watch the key.
  public let watches: UInt64
  /// Caches that are told of every change.
  public let subscriptions: UInt64
  /// Over the last seconds, at all copies. Nil where the store does not count requests by key.
  public let requestsPerSecond: Double?

  init(_ answer: KeyTuple, _ explanation: WireProtocol.KeyExplanation) {
    key = answer.key.description
    latticeName =
      UInt8(exactly: answer.latticeType).flatMap(LatticeType.init)?.word
      ?? "type \(answer.latticeType)"
    generation = answer.version.generation
    stamp = answer.version.stamp
    holders = explanation.holders.map {
      Holder(
        shard: $0.member, incarnation: $0.incarnation.description, isOwner: $0.isOwner,
        isExtra: $0.isExtra,
        isCurrent: $0.version == answer.version)
    }
    valueBytes = explanation.payloadBytes
    storedBytes = explanation.storedBytes
    expiresAt = explanation.expiry == 0 ? nil : explanation.expiry
    tier = explanation.isInMemory ? .memory : .disk
    isDurable = explanation.isLogged
    watches = explanation.watches
    subscriptions = explanation.subscriptions
    requestsPerSecond =
      explanation.rateSeconds == 0
      ? nil : Double(explanation.requests) / Double(explanation.rateSeconds)
  }
}

extension CloudburstClient {
  /// Where a key is and what it costs; nil where the store holds nothing under it.
  public func explain(_ key: String) async throws -> KeyPlacement? {
    let key = try Key(validating: key)
    var request = KeyRequest()
    request.type = .explain
    request.tuples = [KeyTuple(key: key)]
    let response = try await exchange(request, at: key, .read, isIdempotent: true)
    guard let answer = response.tuples.first else {
      throw CloudburstError(.internalError, "the store's answer names no key")
    }
    if let failure = answer.failure {
      if failure.code == .keyNotFound { return nil }
      throw CloudburstError(failure)
    }
    guard let explanation = try? WireProtocol.KeyExplanation.decode(answer.payload) else {
      throw CloudburstError(.internalError, "the store's answer cannot be read")
    }
    return KeyPlacement(answer, explanation)
  }
}
