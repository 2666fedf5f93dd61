import ClusterModel
import WireProtocol

/// The keys that begin with a prefix, page by page; see `CloudburstClient.keyPages(withPrefix:)`.
public struct KeyPages: AsyncSequence, Sendable {
  public typealias Element = [String]

  let client: CloudburstClient
  let prefix: String

  public struct AsyncIterator: AsyncIteratorProtocol {
    let client: CloudburstClient
    let prefix: Key
    var cursor: UInt64? = 0

    /// - Returns: a page, possibly empty with more to come; nil at the end.
    public mutating func next() async throws -> [String]? {
      guard let cursor else { return nil }
      let page = try await client.list(prefix, from: cursor, max: 0)
      self.cursor = page.cursor == 0 ? nil : page.cursor
      return page.tuples.map(\.key.description)
    }
  }

  public func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(client: client, prefix: Key(prefix))
  }
}

extension CloudburstClient {
  /// All keys that begin with a prefix, in the store's own order, without holding them all at once.
  ///
  /// A key that is there from the first page to the last is listed once; again where the list begins
  /// anew, because the store's ring has changed meanwhile.
  public func keyPages(withPrefix prefix: String = "") -> KeyPages {
    KeyPages(client: self, prefix: prefix)
  }

  func list(_ prefix: Key, from cursor: UInt64, max: Int) async throws -> KeyResponse {
    var request = KeyRequest()
    request.type = .list
    request.tuples = [KeyTuple(key: prefix)]
    request.cursor = cursor
    request.pageSize = UInt32(clamping: max)
    return try await exchange(request, at: prefix, .read, isIdempotent: true)
  }
}
