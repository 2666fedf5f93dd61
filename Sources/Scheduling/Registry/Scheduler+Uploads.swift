import ClusterModel
import WireProtocol

extension Scheduler {
  mutating func serve(
    _ request: RegistryRequest, for asker: Flight.Asker, at now: Moment,
    into effects: inout [Effect]
  ) {
    do throws(Failure) {
      try checkPhase()
      switch request {
      case .uploadBegin(let digest, let byteCount, let fileName):
        try begin(digest, byteCount, fileName, for: asker, at: now, into: &effects)
      case .uploadChunk(let digest, let number, let data):
        try store(data, number, of: digest, for: asker, at: now, into: &effects)
      case .uploadCommit(let digest):
        let digest = try Self.digest(digest)
        _ = uploads.use(digest, at: now.nanoseconds)
        try enqueue(.commit(digest), for: asker, at: now, into: &effects)
      case .putDAG(let record):
        let plan = try DAGPlan(checking: record)
        try enqueue(.putDAG(plan), for: asker, at: now, into: &effects)
      case .deleteDAG(let name):
        try enqueue(.deleteDAG(name), for: asker, at: now, into: &effects)
      case .listFunctions(let prefix):
        answer(asker, .functions(registry.functions(prefix: prefix)), into: &effects)
      case .listDAGs(let prefix):
        answer(asker, .dags(registry.dags(prefix: prefix)), into: &effects)
      }
    } catch {
      answer(asker, .failure(error), into: &effects)
    }
  }

  func answer(_ asker: Flight.Asker, _ answer: RegistryAnswer, into effects: inout [Effect]) {
    effects.append(.answerRegistry(answer, number: asker.number, to: asker.client))
  }

  static func digest(_ bytes: Bytes) throws(Failure) -> ContentDigest {
    guard let digest = ContentDigest(bytes) else {
      throw Failure(.badRequest, "a bundle's digest has 32 bytes, not \(bytes.count)")
    }
    return digest
  }

  mutating func forgetUploads(of client: Incarnation) { uploads.forget(client) }

  private mutating func begin(
    _ bytes: Bytes, _ byteCount: UInt64, _ fileName: String, for asker: Flight.Asker,
    at now: Moment, into effects: inout [Effect]
  ) throws(Failure) {
    let digest = try Self.digest(bytes)
    guard byteCount > 0, byteCount <= UInt64(limits.bundleBytesMax) else {
      throw Failure(
        .bundleInvalid,
        "\(fileName) has \(byteCount) bytes; a bundle has 1 to "
          + "\(limits.bundleBytesMax)")
    }
    let key = StoreRequests.UploadKey(digest: digest, asker: asker)
    guard uploads.beginning[key] == nil else { return }
    guard uploads.beginning.count < limits.openUploadsMax else {
      throw overloaded("\(uploads.beginning.count) uploads begin at this moment")
    }
    uploads.beginning[key] = OpenUploads.Beginning(byteCount: byteCount)
    send(
      .get([ReservedKeys.bundle(digest)]), for: .uploadBegin(key), at: now, into: &effects)
  }

  /// Three steps: the bundle's record is read; a provisional one is written where there is none,
  /// so that whoever fetches the chunks knows how many there are; the chunks there are are listed.
  mutating func takeBegin(
    _ response: KeyResponse, of key: StoreRequests.UploadKey, at now: Moment,
    into effects: inout [Effect]
  ) {
    guard let beginning = uploads.beginning[key] else { return }
    if let failure = response.firstFailure {
      uploads.beginning[key] = nil
      return answer(key.asker, .failure(failure), into: &effects)
    }
    switch response.type {
    case .get: takeBundleRecord(response, of: key, beginning, at: now, into: &effects)
    case .put: listChunks(of: key, cursor: 0, at: now, into: &effects)
    case .list:
      let found = response.tuples.compactMap { Self.chunkNumber(of: $0.key) }
      uploads.beginning[key]?.present += found
      guard response.cursor == 0 else {
        return listChunks(of: key, cursor: response.cursor, at: now, into: &effects)
      }
      finishBegin(key, beginning.present + found, at: now, into: &effects)
    case .delete, .explain: preconditionFailure("beginning an upload asks for nothing else")
    }
  }

  private mutating func takeBundleRecord(
    _ response: KeyResponse, of key: StoreRequests.UploadKey,
    _ beginning: OpenUploads.Beginning, at now: Moment, into effects: inout [Effect]
  ) {
    let stored = response.tuples.first?.payload.flatMap { try? BundleRecord.decode($0) }
    if let stored, registry.isCurrent(stored) {
      uploads.beginning[key] = nil
      return answer(key.asker, .uploadComplete(unchanged(stored)), into: &effects)
    }
    uploads.beginning[key]?.isNew = stored?.functions.isEmpty ?? true
    if let stored, !stored.functions.isEmpty || stored.byteCount == beginning.byteCount {
      return listChunks(of: key, cursor: 0, at: now, into: &effects)
    }
    var record = BundleRecord()
    record.digest = key.digest.bytes
    record.byteCount = beginning.byteCount
    record.chunks = OpenUploads.chunkCount(of: beginning.byteCount)
    let tuple = KeyTuple.value(
      ReservedKeys.bundle(key.digest), record.encoded(), stamp: stamp(at: now))
    send(.put([tuple]), for: .uploadBegin(key), at: now, into: &effects)
  }

  private mutating func listChunks(
    of key: StoreRequests.UploadKey, cursor: UInt64, at now: Moment, into effects: inout [Effect]
  ) {
    let request = KeyRequest.list(ReservedKeys.bundleChunks(key.digest), cursor: cursor)
    send(request, for: .uploadBegin(key), at: now, into: &effects)
  }

  private mutating func finishBegin(
    _ key: StoreRequests.UploadKey, _ present: [UInt32], at now: Moment,
    into effects: inout [Effect]
  ) {
    guard let beginning = uploads.beginning.removeValue(forKey: key) else { return }
    let quietest = uploads.open(
      key.digest, beginning, at: now.nanoseconds, max: limits.openUploadsMax)
    if let quietest { cleanUp(after: quietest, at: now, into: &effects) }
    let count = OpenUploads.chunkCount(of: beginning.byteCount)
    let numbers = Set(present).filter { $0 < count }.sorted()
    answer(key.asker, .uploadOpen(present: numbers), into: &effects)
  }

  /// When the next upload has been quiet for too long.
  var uploadDeadline: UInt64? {
    uploads.earliestUse.map {
      $0.addingSaturating(limits.quietUploadTimeLimit.wholeNanoseconds)
    }
  }

  /// Whoever began them is gone or has forgotten them: their bytes are deleted.
  mutating func endQuietUploads(at now: Moment, into effects: inout [Effect]) {
    let limit = limits.quietUploadTimeLimit.wholeNanoseconds
    guard let deadline = uploadDeadline, deadline <= now.nanoseconds else { return }
    for upload in uploads.abandonQuiet(since: now.nanoseconds - limit) {
      cleanUp(after: upload, at: now, into: &effects)
    }
  }

  private mutating func cleanUp(
    after upload: OpenUploads.Abandoned, at now: Moment, into effects: inout [Effect]
  ) {
    // A commit under way owns them now, and deletes them itself where it fails for good.
    if case .commit(upload.digest) = changes.current?.request { return }
    guard upload.chunks > 0 else { return }
    deleteBytes(of: upload.digest, chunks: upload.chunks, at: now, into: &effects)
  }

  /// The chunks and the record of a bundle that is not registered.
  mutating func deleteBytes(
    of digest: ContentDigest, chunks: UInt32, at now: Moment, into effects: inout [Effect]
  ) {
    let keys = (0..<chunks).map { ReservedKeys.bundleChunk(digest, Int($0)) }
    send(
      .delete(keys + [ReservedKeys.bundle(digest)], stamp: stamp(at: now)), for: .cleanUp,
      at: now, into: &effects)
  }

  static func chunkNumber(of key: Key) -> UInt32? {
    guard let slash = key.bytes.lastIndex(of: UInt8(ascii: "/")) else { return nil }
    return UInt32(key.bytes[(slash + 1)...].text)
  }

  private mutating func store(
    _ data: Bytes, _ number: UInt32, of bytes: Bytes, for asker: Flight.Asker, at now: Moment,
    into effects: inout [Effect]
  ) throws(Failure) {
    let digest = try Self.digest(bytes)
    guard let upload = uploads.use(digest, at: now.nanoseconds) else {
      throw Failure(
        .badRequest, "no upload of \(digest.short) is open", hint: "begin the upload again")
    }
    let size = OpenUploads.chunkSize(number, of: upload.byteCount)
    guard number < OpenUploads.chunkCount(of: upload.byteCount), data.count == size else {
      throw Failure(
        .badRequest,
        "chunk \(number) of \(digest.short) has \(data.count) bytes, not \(size)")
    }
    guard uploads.bytesInFlight + data.count <= limits.chunkBytesInFlightMax else {
      throw overloaded("\(uploads.bytesInFlight) bytes of bundles are on their way to the store")
    }
    uploads.bytesInFlight += data.count
    let key = StoreRequests.UploadKey(digest: digest, asker: asker)
    let tuple = KeyTuple.value(
      ReservedKeys.bundleChunk(digest, Int(number)), data, stamp: stamp(at: now))
    send(
      .put([tuple]), for: .uploadChunk(key, number: number, byteCount: data.count), at: now,
      into: &effects)
  }

  mutating func takeChunk(
    _ response: KeyResponse, _ number: UInt32, byteCount: Int, of key: StoreRequests.UploadKey,
    into effects: inout [Effect]
  ) {
    uploads.bytesInFlight -= byteCount
    if let failure = response.firstFailure {
      return answer(key.asker, .failure(failure), into: &effects)
    }
    answer(key.asker, .done, into: &effects)
  }

  func overloaded(_ message: String) -> Failure {
    var failure = Failure(.overloaded, message)
    failure.retryAfter = .milliseconds(100)
    return failure
  }

  func unchanged(_ record: BundleRecord) -> UploadResult {
    var result = UploadResult()
    result.bundle = record.name
    result.digest = record.digest
    result.functions = registry.functions(ofBundle: record.name)
    result.unchanged = true
    return result
  }
}
