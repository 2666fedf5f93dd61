/// How a client behaves; the defaults suit a program on the cluster's own network.
public struct ClientConfiguration: Sendable {
  /// How long `connect` looks for the cluster.
  public var connectTimeLimit = Duration.seconds(5)
  /// For calls that name none of their own. The cluster ends a call that runs longer.
  public var callTimeLimit = Duration.seconds(30)
  /// For everything else: reads, writes, control requests, uploads of one chunk.
  public var requestTimeLimit = Duration.seconds(10)
  /// Requests open at a time; beyond them a request fails at once with `OVERLOADED`.
  public var requestsMax = 16_384
  /// Of these, requests that are on their way over one connection; the rest wait in order.
  public var inFlightMax = 4096
  /// What logs and the cluster's status call this client.
  public var name = "swift"

  public init() {}

  var limits: ClientLimits {
    precondition(requestsMax > 0 && inFlightMax > 0, "limits are positive")
    var limits = ClientLimits()
    limits.requestsMax = requestsMax
    limits.inFlightMax = min(inFlightMax, requestsMax)
    return limits
  }
}

extension CloudburstClient {
  /// When a write counts as done, and what may lose it then.
  public enum WriteLevel: String, CaseIterable, Sendable {
    /// For calls: in the cache of the node where the function ran, as in the paper. The result is
    /// not held back at all. What the store does not have yet is lost if that node dies first, also for
    /// those who have read it at this level; calls on other nodes may see it late. A write to the store
    /// itself takes it for `accepted`.
    case cached
    /// In the memory of one shard; lost if that process dies first.
    case accepted
    /// In the memory of all copies.
    case replicated
    /// In the synced log of the owner and the other copies.
    case durable
  }

  /// What the reads of one call or DAG may see together.
  public enum Consistency: String, CaseIterable, Sendable {
    /// Each key on its own: the last write wins. The default.
    case lastWriterWins = "lww"
    /// Every read of a key sees the same version throughout the call.
    case repeatableRead = "repeatable-read"
    case singleKeyCausal = "single-key-causal"
    case multiKeyCausal = "multi-key-causal"
    case causal
  }
}
