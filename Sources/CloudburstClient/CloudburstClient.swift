@_exported public import CloudburstValues
import ClusterModel
import Platform
import WireProtocol

/// A connection to a cluster: calls functions, reads and writes keys.
///
/// One client serves any number of tasks at once, over two connections and one thread of its own,
/// which sleeps while nothing happens. It survives a restart of the cluster: what was on its way
/// fails with `unavailable` unless it could safely be asked again, and later requests find the new
/// cluster by themselves. Requests made while the cluster is away wait for it within their time
/// limit.
///
/// ```swift
/// let cloud = try await CloudburstClient.connect(to: "tcp://127.0.0.1:7700")
/// let nine: Int = try await cloud.call("square", 3)
/// try await cloud.put("n", 2)
/// let four: Int = try await cloud.call("square", .reference("n"))
/// await cloud.close()
/// ```
///
/// A value above 1 MiB travels in one frame, at most 256 MiB, and what is asked over the same
/// connection right after it waits until it is through.
public final class CloudburstClient: Sendable {
  /// Where `cbctl dev` listens unless it is told otherwise.
  public static let defaultEndpoint = "tcp://127.0.0.1:7700"

  public let endpoint: String
  public let configuration: ClientConfiguration
  let loop: ClientLoop
  let dots = Locked(DotIssuer(actor: RandomBytes.word()))

  private init(endpoint: String, configuration: ClientConfiguration) throws(CloudburstError) {
    self.endpoint = endpoint
    self.configuration = configuration
    do {
      loop = try ClientLoop(
        endpoint: endpoint, name: configuration.name, limits: configuration.limits)
    } catch {
      throw CloudburstError(.internalError, "the client's thread could not be started: \(error)")
    }
  }

  deinit { loop.abandon() }

  /// Connects to the cluster whose scheduler listens at `endpoint`, such as `tcp://10.0.0.5:7700`.
  ///
  /// - Throws: `unavailable` when no cluster answers within the time limit, `protocolVersion` when
  ///   one does that this client does not understand.
  public static func connect(
    to endpoint: String = defaultEndpoint, configuration: ClientConfiguration = .init()
  ) async throws -> CloudburstClient {
    let client = try CloudburstClient(endpoint: endpoint, configuration: configuration)
    do {
      _ = try await client.ask(.connect, within: configuration.connectTimeLimit, isIdempotent: true)
      return client
    } catch {
      await client.loop.close()
      throw error
    }
  }

  /// Ends the connection. Open requests fail with `unavailable`, watches end.
  ///
  /// A client that is let go of without it closes by itself, a little later.
  public func close() async { await loop.close() }

  /// The client's own thread, for tasks whose latency counts: `Task(executorPreference: …)`.
  ///
  /// A request made there is sent, and its answer received, without a hand-over to another thread.
  /// While such a task computes, the client's other requests wait: keep to short work between awaits.
  public var executor: some TaskExecutor { loop }

  /// Runs `body` on the client's own thread; see `executor`.
  public func run<Success, Failure: Error>(
    _ body: @Sendable () async throws(Failure) -> sending Success
  ) async throws(Failure) -> Success {
    try await withTaskExecutorPreference(loop, operation: body)
  }
}

extension CloudburstClient {
  /// Asks, waits, and turns every end but the good one into an error.
  func ask(
    _ body: Request.Body, ticket: UInt64? = nil, within timeLimit: Duration, isIdempotent: Bool
  ) async throws -> Outcome {
    let request = Request(
      ticket: ticket ?? loop.nextTicket(), body: body,
      deadline: MonotonicClock.now + timeLimit.timerNanoseconds, isIdempotent: isIdempotent)
    switch await loop.outcome(of: request) {
    case .failed(let failure): throw CloudburstError(failure)
    case .cancelled: throw CancellationError()
    case let outcome: return outcome
    }
  }
}
