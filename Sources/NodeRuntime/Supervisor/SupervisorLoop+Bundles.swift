import ClusterModel
import Connections
import ContentHash
import Platform
import StoreAccess
import Supervision
import WireProtocol
import ZeroMQ

/// A spare executor that loads a bundle to see whether it can be loaded.
struct Probe {
  let child: Child
  let deadline: UInt64
  var lastWords = LastWords()
  var timedOut = false
}

extension SupervisorLoop {
  mutating func fetch(_ key: Key, _ what: Fetch) throws {
    lastRequest += 1
    var request = KeyRequest()
    request.tuples = [KeyTuple(key: key)]
    let deadline = MonotonicClock.now + Self.fetchTimeLimit.wholeNanoseconds
    fetches[lastRequest] = (what, deadline)
    let asked = StoreRequest(number: lastRequest, body: .any(request), repetition: .harmless)
    try storage.send(asked, now: MonotonicClock.now, &poller)
  }

  mutating func takeFromStorage() throws {
    for _ in 0..<Self.framesPerTurnMax {
      switch try storage.next(now: MonotonicClock.now, &poller) {
      case .answer(let response, let number, _): try take(response, number)
      case .failed(_, let number): try take(KeyResponse(), number)
      case .lost: if storage.routes.isOneShard { try loseStore() }
      case .connected, .refused, .ringChanged, .frame: continue
      case nil: return
      }
    }
  }

  /// Whoever waits for a bundle is told, and may ask again.
  mutating func loseStore() throws {
    let now = MonotonicClock.now
    for number in fetches.keys.sorted() { try storage.cancel(number, now: now, &poller) }
    fetches = [:]
    try step(.storeLost)
  }

  private mutating func take(_ response: KeyResponse, _ number: UInt64) throws {
    guard let fetch = fetches.removeValue(forKey: number) else { return }
    let payload = Self.payload(of: response)
    switch fetch.what {
    case .record(let digest):
      try step(.bundleRecord(digest, payload.flatMap { try? BundleRecord.decode($0) }))
    case .chunk(let digest, let number):
      try step(.bundleChunk(digest, number: number, payload))
    }
  }

  /// Nil where the key is absent or the answer unreadable.
  private static func payload(of response: KeyResponse) -> Bytes? {
    guard let tuple = response.tuples.first, tuple.failure == nil, !tuple.record.isEmpty,
      let record = try? Record(tuple.record)
    else { return nil }
    return record.payload
  }

  mutating func install(_ digest: ContentDigest, _ chunks: [Bytes]) throws {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(chunks.reduce(0) { $0 + $1.count })
    for chunk in chunks { bytes.append(contentsOf: chunk) }
    guard ContentHash.digest(of: bytes[...]) == digest else {
      return try step(
        .notInstalled(
          digest, Failure(.bundleInvalid, "the bytes of bundle \(digest.short) are damaged")))
    }
    let path = "\(configuration.bundleFolder)/\(digest.hex).so"
    do {
      if !Files.exists(path) { try Files.writeAtomically(bytes, to: path, mode: 0o500) }
      try step(.installed(digest, path: path))
    } catch let error as PlatformError {
      try step(.notInstalled(digest, Failure(.storageFailed, "\(error)")))
    }
  }

  mutating func probe(_ digest: ContentDigest, _ path: String, _ limit: Duration) throws {
    var command = ChildProcess.Command(
      configuration.executorProgram, ["--probe", path, "--answer", answerPath(digest)],
      environment: configuration.environment)
    command.dataBytesMax = configuration.executorDataBytesMax
    command.leadsProcessGroup = true
    do {
      let child = try Child(command, watchedBy: &poller)
      probes[digest] = Probe(
        child: child, deadline: MonotonicClock.now + limit.wholeNanoseconds)
    } catch let error as PlatformError {
      try step(
        .probeEnded(
          digest, .exited(127), output: [], lastWords: LastWords("\(error)"), timedOut: false))
    }
  }

  var probeDeadline: UInt64? { probes.values.map(\.deadline).min() }

  mutating func takeFromProbes(now: UInt64) throws {
    for digest in probes.keys.sorted() {
      guard var probe = probes[digest] else { continue }
      readOutput(of: &probe)
      if !probe.timedOut, probe.deadline <= now {
        probe.timedOut = true
        probe.child.process.killGroup()
      }
      probes[digest] = probe
      guard poller.isReadable(probe.child.endSlot), let ending = try end(of: probe.child) else {
        probe.child.stopWatchingClosedStreams(in: &poller)
        continue
      }
      readOutput(of: &probe)
      for line in probe.child.errors.takeLastDropped() { probe.lastWords.append(line) }
      probe.child.stopWatching(in: &poller)
      probes[digest] = nil
      try step(
        .probeEnded(
          digest, ending, output: takeAnswer(digest), lastWords: probe.lastWords,
          timedOut: probe.timedOut))
    }
  }

  private func readOutput(of probe: inout Probe) {
    let (child, now) = (probe.child, MonotonicClock.now)
    var lines = child.output.readLines(within: &child.budget, now: now, into: readBuffer)
    lines += child.errors.readLines(within: &child.budget, now: now, into: readBuffer)
    for line in lines { probe.lastWords.append(line) }
  }

  /// Where the spare executor leaves its `BundleRecord`: user code may write to its output.
  private func answerPath(_ digest: ContentDigest) -> String {
    "\(configuration.bundleFolder)/\(digest.hex).answer"
  }

  private func takeAnswer(_ digest: ContentDigest) -> Bytes {
    let path = answerPath(digest)
    defer { _ = try? Files.remove(path) }
    return (try? Files.contents(of: path, bytesMax: 16 << 20))?[...] ?? []
  }
}
