public import CloudburstValues
import ClusterModel
import WireProtocol

/// The states of a key from now on; see `CloudburstClient.watch(_:as:)`.
public struct KeyUpdates<V: Value>: AsyncSequence, Sendable {
  public typealias Element = V?

  let key: Key
  let states: AsyncThrowingStream<Record?, any Error>

  public struct AsyncIterator: AsyncIteratorProtocol {
    let key: Key
    var states: AsyncThrowingStream<Record?, any Error>.AsyncIterator

    /// - Returns: the latest state not seen yet, its value nil while the key is absent; or nil after
    ///   the client was closed.
    public mutating func next() async throws -> V?? {
      guard let state = try await states.next() else { return nil }
      guard let record = state else { return .some(nil) }
      return try StoredRecord(record, of: key).value(as: V.self)
    }
  }

  public func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(key: key, states: states.makeAsyncIterator())
  }
}

extension CloudburstClient {
  /// Follows a key: its state now, then every state it gets.
  ///
  /// A reader that is slower than the writers sees the latest state and misses some before it; the
  /// last one is never missed, also when the cluster restarts meanwhile. Ends when the task is
  /// cancelled or the client closed. One consumer; at most 4096 watches a client.
  ///
  /// ```swift
  /// for try await visits in try cloud.watch("visits/home", as: Int.self) { print(visits ?? 0) }
  /// ```
  public func watch<V: Value>(_ key: String, as type: V.Type = V.self) throws -> KeyUpdates<V> {
    let key = try Key(validating: key)
    return KeyUpdates(key: key, states: states(of: key))
  }

  func states(of key: Key) -> AsyncThrowingStream<Record?, any Error> {
    let (states, sink) = AsyncThrowingStream.makeStream(
      of: Record?.self, throwing: (any Error).self, bufferingPolicy: .bufferingNewest(1))
    loop.watch(key, sink)
    return states
  }
}
