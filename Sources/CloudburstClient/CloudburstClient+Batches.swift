public import CloudburstValues
package import ClusterModel
package import WireProtocol

/// Many keys in one request. Every key has its own outcome, in the order of the keys: one that fails
/// leaves the others done.
extension CloudburstClient {
  /// Everything the store knows of each key; nil where it holds nothing.
  public func inspect(
    _ keys: [String]
  ) async throws -> [Result<StoredRecord?, CloudburstError>] {
    let tuples = try keys.map { KeyTuple(key: try Key(validating: $0)) }
    let answers = try await exchange(.get, tuples, level: nil, .read, isIdempotent: true)
    var outcomes: [Result<StoredRecord?, CloudburstError>] = []
    for (key, answer) in zip(keys, answers) {
      do {
        if answer.failure?.code == .overloaded {
          // Together they were more than one answer holds.
          outcomes.append(.success(try await inspect(key)))
        } else {
          outcomes.append(.success(try Self.record(in: answer)))
        }
      } catch let error as CloudburstError {
        outcomes.append(.failure(error))
      }
    }
    return outcomes
  }

  /// The values of many keys, in their order; nil where there is none.
  ///
  /// - Throws: the first key's failure, where one fails.
  public func get<V: Value>(_ keys: [String], as type: V.Type = V.self) async throws -> [V?] {
    try await inspect(keys).map { try $0.get()?.value(as: type) }
  }

  /// Stores many values; each as `put` does.
  public func put(
    _ values: KeyValuePairs<String, any Value>, level: WriteLevel? = nil
  ) async throws -> [Result<Void, CloudburstError>] {
    let tuples = try values.map { name, value in
      let encoded = try Self.encoded(value, for: name)
      try Self.checkSize(of: encoded.bytes, for: name)
      var tuple = KeyTuple(key: try Key(writable: name))
      tuple.record =
        Record(
          lattice: .lastWriterWins, encoding: encoded.encoding.rawValue, flags: .blind,
          payload: encoded.bytes[...]
        ).encoded()
      return tuple
    }
    return try await write(.put, tuples, level)
  }

  /// Deletes many keys; deleting an absent one succeeds.
  public func delete(
    _ keys: [String], level: WriteLevel? = nil
  ) async throws -> [Result<Void, CloudburstError>] {
    try await write(.delete, keys.map { KeyTuple(key: try Key(writable: $0)) }, level)
  }

  private func write(
    _ type: KeyRequestType, _ tuples: [KeyTuple], _ level: WriteLevel?
  ) async throws -> [Result<Void, CloudburstError>] {
    let answers = try await exchange(
      type, tuples, level: level, .write(level?.wire), isIdempotent: false)
    return answers.map { answer in
      answer.failure.map { .failure(CloudburstError($0)) } ?? .success(())
    }
  }

  private static func record(in answer: KeyTuple) throws -> StoredRecord? {
    if let failure = answer.failure {
      if failure.code == .keyNotFound { return nil }
      throw CloudburstError(failure)
    }
    guard let record = try? Record(answer.record) else {
      throw CloudburstError(.internalError, "the record of key \(answer.key) cannot be read")
    }
    return record.isTombstone ? nil : try StoredRecord(record, of: answer.key)
  }
}

extension CloudburstClient {
  /// Of one request: as many as a shard takes, and no more bytes than one large value is.
  package static let batchKeysMax = 1024
  package static let batchBytesMax = 4 << 20

  /// Writes records as they are: an import's, which joins what the keys hold.
  ///
  /// - Returns: for each the version that the key has now, or why it was refused.
  package func merge(
    _ records: [(key: String, record: Record)], level: WriteLevel?
  ) async throws -> [Result<Version, CloudburstError>] {
    let tuples = try records.map { name, record in
      var tuple = KeyTuple(key: try Key(writable: name))
      tuple.record = record.encoded()
      return tuple
    }
    let answers = try await exchange(
      .put, tuples, level: level, .write(level?.wire), isIdempotent: true)
    return answers.map { answer in
      answer.failure.map { .failure(CloudburstError($0)) } ?? .success(answer.version)
    }
  }

  /// Splits keys by size, asks all parts at once, and puts the answers back in order.
  func exchange(
    _ type: KeyRequestType, _ tuples: [KeyTuple], level: WriteLevel?, _ access: KeyAccess,
    isIdempotent: Bool
  ) async throws -> [KeyTuple] {
    let parts = Self.parts(of: tuples)
    return try await withThrowingTaskGroup(of: (indices: [Int], answers: [KeyTuple]).self) {
      group in
      for part in parts {
        var request = KeyRequest()
        request.type = type
        request.level = level?.wire
        request.tuples = part.map { tuples[$0] }
        let asked = request
        group.addTask {
          let response = try await self.exchange(
            asked, at: asked.tuples[0].key, access, isIdempotent: isIdempotent)
          guard response.tuples.count == part.count else {
            throw CloudburstError(.internalError, "the store's answer is incomplete")
          }
          return (part, response.tuples)
        }
      }
      var answers = tuples
      for try await part in group {
        for (index, answer) in zip(part.indices, part.answers) { answers[index] = answer }
      }
      return answers
    }
  }

  /// Positions in `tuples`, each part of a size that one request may have; the routes see to the shards.
  private static func parts(of tuples: [KeyTuple]) -> [[Int]] {
    var parts: [[Int]] = []
    var held = 0
    for (index, tuple) in tuples.enumerated() {
      let bytes = tuple.key.bytes.count + tuple.record.count
      if let open = parts.last, open.count < batchKeysMax, held + bytes <= batchBytesMax {
        parts[parts.count - 1].append(index)
        held += bytes
      } else {
        parts.append([index])
        held = bytes
      }
    }
    return parts
  }
}
