public import CloudburstValues
import ClusterModel
import Lattices
import Platform
import WireProtocol

extension CloudburstClient {
  /// The value of a key; nil where there is none. A counter reads as its sum, a set as an array.
  ///
  /// - Throws: `lattice` when the key holds something else than `type`.
  public func get<V: Value>(_ key: String, as type: V.Type = V.self) async throws -> V? {
    guard let record = try await inspect(key) else { return nil }
    return try record.value(as: type)
  }

  /// Everything the store knows of a key; nil where it holds nothing.
  public func inspect(_ key: String) async throws -> StoredRecord? {
    let key = try Key(validating: key)
    return try await fetch(key).map { try StoredRecord($0, of: key) }
  }

  /// Stores a value; of two writes the later one stays.
  ///
  /// A put that was under way when the connection was lost is not repeated, since it might undo
  /// somebody's later write: it fails with `unavailable`.
  ///
  /// - Parameters:
  ///   - level: when the put counts as done; nil is the cluster's default.
  ///   - timeToLive: after it the key is absent; nil is for ever.
  public func put(
    _ key: String, _ value: some Value, level: WriteLevel? = nil, timeToLive: Duration? = nil
  ) async throws {
    let encoded: EncodedValue
    do throws(ValueError) {
      encoded = try EncodedValue(value)
    } catch {
      throw CloudburstError(.badArgument, "\(error.inside("the value for key \(key)"))")
    }
    try await put(key, encoded: encoded, level: level, timeToLive: timeToLive)
  }

  /// As `put`, of a value that is encoded already.
  public func put(
    _ key: String, encoded value: EncodedValue, level: WriteLevel? = nil,
    timeToLive: Duration? = nil
  ) async throws {
    try Self.checkSize(of: value.bytes, for: key)
    var record = Record(
      lattice: .lastWriterWins, encoding: value.encoding.rawValue, flags: .blind,
      payload: value.bytes[...])
    if let timeToLive {
      guard timeToLive >= .milliseconds(1) else {
        throw CloudburstError(.usage, "a time to live of \(timeToLive) is below one millisecond")
      }
      record.expiry = WallClock.milliseconds + timeToLive.wholeMicroseconds / 1000
    }
    try await write(record, to: key, level, isIdempotent: false)
  }

  /// Deletes a key; deleting an absent one succeeds.
  public func delete(_ key: String, level: WriteLevel? = nil) async throws {
    let key = try Key(writable: key)
    try await write(.delete, KeyTuple(key: key), level, isIdempotent: false)
  }

  /// A handle on a counter that any number of writers may change at once.
  public func counter(_ key: String) -> SharedCounter { SharedCounter(client: self, key: key) }

  /// A handle on a set that any number of writers may add to at once.
  public func set(_ key: String) -> SharedSet { SharedSet(client: self, key: key) }

  /// The keys that begin with a prefix, in pages of the store's own order.
  ///
  /// - Parameter max: stop after so many keys.
  public func keys(withPrefix prefix: String = "", max: Int = 1000) async throws -> [String] {
    var keys: [String] = []
    // A list that begins anew, because the ring has changed, meets keys again.
    var met: Set<String> = []
    var cursor: UInt64 = 0
    repeat {
      let page = try await list(Key(prefix), from: cursor, max: max - keys.count)
      keys += page.tuples.map(\.key.description).filter { met.insert($0).inserted }
      cursor = page.cursor
    } while cursor != 0 && keys.count < max
    return keys
  }
}

extension CloudburstClient {
  /// - Returns: nil for an absent or deleted key.
  func fetch(_ key: Key, within timeLimit: Duration? = nil) async throws -> Record? {
    var request = KeyRequest()
    request.tuples = [KeyTuple(key: key)]
    let response = try await exchange(
      request, at: key, .read, isIdempotent: true, within: timeLimit)
    guard let tuple = response.tuples.first else { return nil }
    if let failure = tuple.failure {
      if failure.code == .keyNotFound { return nil }
      throw CloudburstError(failure)
    }
    guard !tuple.record.isEmpty else { return nil }
    guard let record = try? Record(tuple.record) else {
      throw CloudburstError(.internalError, "the record of key \(key) cannot be read")
    }
    return record.isTombstone ? nil : record
  }

  func write(
    _ record: Record, to key: String, _ level: WriteLevel?, isIdempotent: Bool
  ) async throws {
    var tuple = KeyTuple(key: try Key(writable: key))
    tuple.record = record.encoded()
    try await write(.put, tuple, level, isIdempotent: isIdempotent)
  }

  func write(
    _ type: KeyRequestType, _ tuple: KeyTuple, _ level: WriteLevel?, isIdempotent: Bool
  ) async throws {
    var request = KeyRequest()
    request.type = type
    request.tuples = [tuple]
    request.level = level?.wire
    let response = try await exchange(
      request, at: tuple.key, .write(level?.wire), isIdempotent: isIdempotent)
    if let failure = response.tuples.first?.failure { throw CloudburstError(failure) }
  }

  func exchange(
    _ request: KeyRequest, at key: Key, _ access: KeyAccess, isIdempotent: Bool,
    within timeLimit: Duration? = nil
  ) async throws -> KeyResponse {
    let ticket = loop.nextTicket()
    // What an extra replica of a hot key cannot answer goes as any request does.
    let isOfOneKey =
      request.tuples.count == 1 && request.type != .list && request.type != .explain
    let body: Request.Body =
      isOfOneKey
      ? .keys(frame: request.framed(.keyRequest, number: ticket), at: key, access)
      : .store(request, access)
    let outcome = try await ask(
      body, ticket: ticket,
      within: timeLimit ?? configuration.requestTimeLimit, isIdempotent: isIdempotent)
    guard case .keys(let response) = outcome else {
      preconditionFailure("a key request ends with a response or a failure")
    }
    return response
  }

  static func checkSize(of bytes: [UInt8], for key: String) throws {
    guard bytes.count <= Limits.valueBytesMax else {
      throw CloudburstError(
        .valueTooLarge,
        "the value for key \(key) has \(bytes.count) bytes; the limit is \(Limits.valueBytesMax)")
    }
  }
}

extension Key {
  /// From a name that a user chose.
  init(validating name: String) throws {
    guard let key = Key(checking: Bytes(text: name)) else {
      let what =
        name.isEmpty ? "a key is not empty" : "a key has at most \(Limits.keyBytesMax) bytes"
      throw CloudburstError(.keyInvalid, "\(what); this one has \(name.utf8.count)")
    }
    self = key
  }

  /// As `init(validating:)`, for a write: the platform's own keys are refused before they travel.
  init(writable name: String) throws {
    try self.init(validating: name)
    if isReserved {
      throw CloudburstError(.keyReserved, "key \(name) belongs to the platform")
    }
  }
}
