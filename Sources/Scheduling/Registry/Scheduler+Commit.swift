import ClusterModel
import WireProtocol

/// The end of an upload: all chunks are there, a spare executor can load the bundle, its names are
/// free; then its functions are registered, all of them or none.
extension Scheduler {
  mutating func readRecord(
    of digest: ContentDigest, at now: Moment, into effects: inout [Effect]
  ) {
    changes.step = .readingRecord
    send(.get([ReservedKeys.bundle(digest)]), for: .registryChange, at: now, into: &effects)
  }

  mutating func takeRecord(
    _ response: KeyResponse, of digest: ContentDigest, at now: Moment,
    into effects: inout [Effect]
  ) {
    guard let payload = response.tuples.first?.payload,
      let record = try? BundleRecord.decode(payload)
    else {
      let failure = Failure(
        .badRequest, "no upload of \(digest.short) was begun", hint: "begin the upload first")
      return endChange(.failure(failure), at: now, into: &effects)
    }
    if registry.isCurrent(record) {
      uploads.close(digest)
      return endChange(.uploaded(unchanged(record)), at: now, into: &effects)
    }
    changes.step = .listingChunks(record, missing: Set(0..<record.chunks))
    let request = KeyRequest.list(ReservedKeys.bundleChunks(digest), cursor: 0)
    send(request, for: .registryChange, at: now, into: &effects)
  }

  mutating func takeChunks(
    _ response: KeyResponse, of digest: ContentDigest, _ record: BundleRecord,
    missing: Set<UInt32>, at now: Moment, into effects: inout [Effect]
  ) {
    let missing = missing.subtracting(response.tuples.compactMap { Self.chunkNumber(of: $0.key) })
    guard response.cursor == 0 else {
      changes.step = .listingChunks(record, missing: missing)
      let next = KeyRequest.list(
        ReservedKeys.bundleChunks(digest), cursor: response.cursor)
      send(next, for: .registryChange, at: now, into: &effects)
      return
    }
    guard let first = missing.min() else {
      return probe(digest, record, at: now, into: &effects)
    }
    let failure = Failure(
      .badRequest, "\(missing.count) chunks of \(digest.short) are missing, the first is \(first)",
      hint: "begin the upload again: the answer says which chunks are there")
    endChange(.failure(failure), at: now, into: &effects)
  }

  private mutating func probe(
    _ digest: ContentDigest, _ record: BundleRecord, at now: Moment, into effects: inout [Effect]
  ) {
    let number = nextNumber
    nextNumber += 1
    let deadline = now.nanoseconds.addingSaturating(limits.probeTimeLimit.wholeNanoseconds)
    changes.step = .probing(record, number: number, deadline: deadline)
    effects.append(.probe(digest, number: number))
  }

  mutating func endOverdueProbe(at now: Moment, into effects: inout [Effect]) {
    guard let deadline = changes.probeDeadline, deadline <= now.nanoseconds else { return }
    let failure = Failure(
      .timedOut,
      "no node described the bundle within \(limits.probeTimeLimit.readable)",
      hint: "cbctl status shows the nodes; upload again")
    endChange(.failure(failure), at: now, into: &effects)
  }

  mutating func takeProbe(
    _ described: BundleRecord, number: UInt64, at now: Moment, into effects: inout [Effect]
  ) {
    guard case .probing(let stored, number, _) = changes.step,
      case .commit(let digest) = changes.current?.request
    else { return }
    if let failure = described.failure {
      if failure.code == .bundleInvalid {
        discard(digest, stored, at: now, into: &effects)
      }
      return endChange(.failure(failure), at: now, into: &effects)
    }
    var record = described
    record.digest = digest.bytes
    record.byteCount = stored.byteCount
    record.chunks = stored.chunks
    for index in record.functions.indices {
      record.functions[index].bundle = digest.bytes
      record.functions[index].bundleName = record.name
      record.functions[index].uploadedAt = now.wallMilliseconds
    }
    do throws(Failure) {
      try check(record)
    } catch {
      return endChange(.failure(error), at: now, into: &effects)
    }
    store(record, at: now, into: &effects)
  }

  private func check(_ record: BundleRecord) throws(Failure) {
    if let failure = RegisteredName.failure(of: record.name, kind: "bundle") { throw failure }
    guard !record.functions.isEmpty else {
      throw Failure(.bundleInvalid, "the bundle \(record.name) has no functions")
    }
    var names: Set<String> = []
    for function in record.functions {
      if let failure = RegisteredName.failure(of: function.name, kind: "function") { throw failure }
      guard names.insert(function.name).inserted else {
        throw Failure(
          .bundleInvalid, "the bundle \(record.name) has two functions named \(function.name)")
      }
      guard let owner = registry.function(function.name), owner.bundleName != record.name else {
        continue
      }
      throw Failure(
        .conflict,
        "the function \(function.name) belongs to the bundle \(owner.bundleName) already",
        hint: "rename the function, or upload it in \(owner.bundleName)")
    }
  }

  private mutating func store(
    _ record: BundleRecord, at now: Moment, into effects: inout [Effect]
  ) {
    let names = Set(record.functions.map(\.name))
    let vanished = registry.functions(ofBundle: record.name).map(\.name)
      .filter { !names.contains($0) }
    changes.step = .storing(record, vanished: vanished)
    var tuples = record.functions.map { function in
      KeyTuple.value(
        ReservedKeys.function(function.name), function.encoded(), stamp: stamp(at: now))
    }
    tuples.append(
      .names(ReservedKeys.functionIndex, names.sorted(), stamp: stamp(at: now)))
    tuples.append(nextVersion(at: now))
    if let digest = ContentDigest(record.digest) {
      tuples.append(
        .value(ReservedKeys.bundle(digest), record.encoded(), stamp: stamp(at: now)))
    }
    send(.put(tuples), for: .registryChange, at: now, into: &effects)
  }

  mutating func remove(
    _ vanished: [String], of record: BundleRecord, at now: Moment, into effects: inout [Effect]
  ) {
    changes.step = .removing(record, vanished: vanished)
    let request = KeyRequest.delete(
      vanished.map(ReservedKeys.function), stamp: stamp(at: now))
    send(request, for: .registryChange, at: now, into: &effects)
  }

  mutating func register(
    _ record: BundleRecord, vanished: [String], at now: Moment, into effects: inout [Effect]
  ) {
    var result = UploadResult()
    result.bundle = record.name
    result.digest = record.digest
    result.functions = record.functions.sorted { $0.name < $1.name }
    let replaced = record.functions.map(\.name).filter { name in
      registry.function(name).map { $0.bundle != record.digest } ?? false
    }
    result.replaced = (replaced + vanished).sorted()
    registry.replace(record.functions, removing: vanished)
    if let digest = ContentDigest(record.digest) { uploads.close(digest) }
    endChange(.uploaded(result), at: now, into: &effects)
  }

  /// Bytes that are no bundle are worth nothing; were they kept, a good upload of the same digest
  /// would find them and send none of its own.
  private mutating func discard(
    _ digest: ContentDigest, _ record: BundleRecord, at now: Moment, into effects: inout [Effect]
  ) {
    uploads.close(digest)
    guard record.functions.isEmpty else { return }
    deleteBytes(of: digest, chunks: record.chunks, at: now, into: &effects)
  }
}
