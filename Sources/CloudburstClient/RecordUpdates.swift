import ClusterModel
import WireProtocol

/// The states of a key from now on, with all that the store knows of it; see
/// `CloudburstClient.watchRecords(_:)`.
public struct RecordUpdates: AsyncSequence, Sendable {
  public typealias Element = StoredRecord?

  let key: Key
  let states: AsyncThrowingStream<Record?, any Error>

  public struct AsyncIterator: AsyncIteratorProtocol {
    let key: Key
    var states: AsyncThrowingStream<Record?, any Error>.AsyncIterator

    /// - Returns: the latest state not seen yet, nil inside while the key is absent; or nil after the
    ///   client was closed.
    public mutating func next() async throws -> StoredRecord?? {
      guard let state = try await states.next() else { return nil }
      guard let record = state else { return .some(nil) }
      return try StoredRecord(record, of: key)
    }
  }

  public func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(key: key, states: states.makeAsyncIterator())
  }
}

extension CloudburstClient {
  /// Follows a key of any type, by the rules of `watch(_:as:)`.
  public func watchRecords(_ key: String) throws -> RecordUpdates {
    let key = try Key(validating: key)
    return RecordUpdates(key: key, states: states(of: key))
  }
}
