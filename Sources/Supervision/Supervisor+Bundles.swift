import ClusterModel
import WireProtocol

extension Supervisor {
  /// A bundle on its way from the store to a file of this node.
  struct Delivery {
    var askers: [Asker]
    var record: BundleRecord?
    var chunks: [Bytes] = []
  }

  mutating func stepBundles(_ input: Input, into effects: inout [Effect]) {
    switch input {
    case .bundleWanted(let digest, let asker): want(digest, by: asker, into: &effects)
    case .bundleRecord(let digest, let record): take(record, of: digest, into: &effects)
    case .bundleChunk(let digest, let number, let bytes):
      take(bytes, number: number, of: digest, into: &effects)
    case .installed(let digest, let path):
      installedPaths[digest] = path
      for asker in deliveries.removeValue(forKey: digest)?.askers ?? [] {
        serve(asker, digest, path: path, into: &effects)
      }
    case .notInstalled(let digest, let failure): giveUp(digest, failure, into: &effects)
    case .probeEnded(let digest, let ending, let output, let lastWords, let timedOut):
      let record = probeRecord(digest, ending, output, lastWords, timedOut)
      for number in probes.removeValue(forKey: digest) ?? [] {
        effects.append(.answerProbe(number: number, record))
      }
    case .storeLost:
      for digest in deliveries.keys.sorted() {
        giveUp(
          digest, Failure(.unavailable, "the store went away while a bundle was read"),
          into: &effects)
      }
    default: preconditionFailure("step handles every other input")
    }
  }

  private mutating func want(
    _ digest: ContentDigest, by asker: Asker, into effects: inout [Effect]
  ) {
    if let path = installedPaths[digest] {
      serve(asker, digest, path: path, into: &effects)
      return
    }
    if deliveries[digest] != nil {
      deliveries[digest]?.askers.append(asker)
      return
    }
    guard deliveries.count < configuration.bundlesWantedMax else {
      refuse(
        asker, digest, Failure(.overloaded, "too many bundles are being fetched"), into: &effects)
      return
    }
    deliveries[digest] = Delivery(askers: [asker])
    effects.append(.fetchRecord(digest))
  }

  private mutating func take(
    _ record: BundleRecord?, of digest: ContentDigest, into effects: inout [Effect]
  ) {
    guard deliveries[digest] != nil else { return }
    guard let record, record.chunks > 0 else {
      giveUp(
        digest, Failure(.bundleInvalid, "the store has no bundle \(digest.short)"), into: &effects)
      return
    }
    deliveries[digest]?.record = record
    effects.append(.fetchChunk(digest, number: 0))
  }

  private mutating func take(
    _ bytes: Bytes?, number: Int, of digest: ContentDigest, into effects: inout [Effect]
  ) {
    guard let delivery = deliveries[digest], let record = delivery.record,
      number == delivery.chunks.count
    else { return }
    guard let bytes else {
      giveUp(
        digest, Failure(.bundleInvalid, "chunk \(number) of bundle \(digest.short) is missing"),
        into: &effects)
      return
    }
    deliveries[digest]?.chunks.append(bytes)
    if number + 1 < Int(record.chunks) {
      effects.append(.fetchChunk(digest, number: number + 1))
    } else {
      effects.append(.install(digest, delivery.chunks + [bytes]))
      deliveries[digest]?.chunks = []
    }
  }

  private mutating func giveUp(
    _ digest: ContentDigest, _ failure: Failure, into effects: inout [Effect]
  ) {
    for asker in deliveries.removeValue(forKey: digest)?.askers ?? [] {
      refuse(asker, digest, failure, into: &effects)
    }
  }

  private mutating func serve(
    _ asker: Asker, _ digest: ContentDigest, path: String, into effects: inout [Effect]
  ) {
    switch asker {
    case .executor(let peer, let number):
      var ready = BundleReady()
      ready.digest = digest.bytes
      ready.path = path
      effects.append(.answerBundle(peer, number: number, ready))
    case .probe(let number):
      let isRunning = probes[digest] != nil
      probes[digest, default: []].append(number)
      if !isRunning {
        effects.append(.spawnProbe(digest, path: path, timeLimit: configuration.probeTimeLimit))
      }
    }
  }

  private func refuse(
    _ asker: Asker, _ digest: ContentDigest, _ failure: Failure, into effects: inout [Effect]
  ) {
    switch asker {
    case .executor(let peer, let number):
      var ready = BundleReady()
      ready.digest = digest.bytes
      ready.failure = failure
      effects.append(.answerBundle(peer, number: number, ready))
    case .probe(let number):
      var record = BundleRecord()
      record.digest = digest.bytes
      record.failure = failure
      effects.append(.answerProbe(number: number, record))
    }
  }

  /// What the spare executor said of the bundle; its death is the bundle's fault.
  private func probeRecord(
    _ digest: ContentDigest, _ ending: Ending, _ output: Bytes, _ lastWords: LastWords,
    _ timedOut: Bool
  ) -> BundleRecord {
    let said = output.isEmpty ? nil : try? BundleRecord.decode(output)
    if !timedOut, ending == .exited(0), let said { return said }
    // What it said last is what it was about to do.
    let setUp = said?.failure?.function ?? ""
    let what = setUp.isEmpty ? "its start-up" : "the set-up of \(setUp)"
    var failure = Failure(.bundleInvalid, "")
    if timedOut {
      failure.message =
        "the bundle is refused: \(what) did not end within \(configuration.probeTimeLimit)"
    } else {
      let cause = ending.cause(lastWords)
      failure.message = "the bundle is refused: \(what) ended the spare executor: \(cause.message)"
      failure.hint = cause.hint
    }
    failure.function = setUp
    failure.detail = lastWords.backtrace
    var record = BundleRecord()
    record.digest = digest.bytes
    record.failure = failure
    return record
  }
}
