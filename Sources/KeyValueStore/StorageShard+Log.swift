import ClusterModel
import WireProtocol

/// The log does not take writes; the shard tries again.
struct LogTrouble: Equatable {
  var reason: String
  /// Monotonic; nil while the next attempt is under way.
  var retryAt: UInt64?
}

/// Requests that are done in memory and wait for the log, in the order they came.
struct AcknowledgementQueue {
  struct Waiting {
    var response: KeyResponse
    let number: UInt64
    let peer: PeerID
    /// The log sequence that covers all of its writes.
    let sequence: UInt64
  }

  private var queue: ContiguousArray<Waiting> = []
  private var head = 0

  var count: Int { queue.count - head }

  mutating func append(_ waiting: Waiting) { queue.append(waiting) }

  /// Takes the first if the log has it. A later one that needs less waits behind it: acknowledged in
  /// the order of arrival, it waits for at most the commit that is under way.
  mutating func takeFirst(upTo sequence: UInt64) -> Waiting? {
    guard head < queue.count, queue[head].sequence <= sequence else { return nil }
    defer {
      head += 1
      if head * 2 >= queue.count {
        queue.removeFirst(head)
        head = 0
      }
    }
    return queue[head]
  }

  mutating func takeAll() -> ArraySlice<Waiting> {
    defer {
      queue = []
      head = 0
    }
    return ArraySlice(queue[head...])
  }
}

/// When writes count as done: group commit without a timer. A commit starts when none is under way
/// and takes whatever waits.
extension StorageShard {
  func level(of request: KeyRequest) -> WriteLevel { request.level ?? configuration.defaultLevel }

  /// Why the log lets no write of this request be done: while it takes nothing, the shard is read-only,
  /// at every level.
  func logRefusal(of request: KeyRequest) -> Failure? {
    let isDurable = level(of: request) == .durable
    guard configuration.hasLog else {
      guard isDurable else { return nil }
      return Failure(
        .levelUnsupported, "this store is in memory only: no write is durable",
        hint: "start the cluster with --data, or ask for the level accepted")
    }
    if let logTrouble {
      return Failure(
        .storageFailed, "this store is read-only, its log takes no writes: \(logTrouble.reason)",
        hint: "make room on the store's disk: it is tried again every \(limits.logRetryInterval)")
    }
    guard isDurable else { return nil }
    guard waiting.count + replicating.count < limits.acknowledgementsWaitingMax else {
      var failure = Failure(
        .overloaded, "\(limits.acknowledgementsWaitingMax) writes wait for the log already")
      failure.retryAfter = .milliseconds(10)
      return failure
    }
    return nil
  }

  /// Nothing waits for the log, to be written or read, and no write of any level is missing in it.
  package var isLogSettled: Bool {
    !isCommitUnderWay && log.isEmpty && forgotten.isEmpty && coldReads.waiting.isEmpty
  }

  /// Notes that the log lacks the entry as it is now.
  mutating func noteForLog(_ entry: Int) {
    guard configuration.hasLog else { return }
    table[entry].logSequence = log.note(entry, sequence: table[entry].logSequence)
  }

  /// Answers a write now, or once the log has it.
  mutating func acknowledge(
    _ response: KeyResponse, number: UInt64, to peer: PeerID, request: KeyRequest,
    after needs: WriteNeeds, _ effects: inout [Effect]
  ) {
    let level = level(of: request)
    guard needs.links.isEmpty else {
      return replicate(response, number: number, to: peer, level: level, after: needs, &effects)
    }
    let sequence = needs.log
    if level < .durable || sequence <= log.persisted {
      effects.append(.reply(response, number: number, to: peer))
    } else {
      waiting.append(
        .init(response: response, number: number, peer: peer, sequence: sequence))
    }
  }

  /// Answers a write now, or once the other shards have it at its level.
  private mutating func replicate(
    _ response: KeyResponse, number: UInt64, to peer: PeerID, level: WriteLevel,
    after needs: WriteNeeds, _ effects: inout [Effect]
  ) {
    guard level >= .replicated else {
      return effects.append(.reply(response, number: number, to: peer))
    }
    for need in needs.links { links[need.link].flush(at: 0) }
    guard !isMet(needs, at: level) else {
      return effects.append(.reply(response, number: number, to: peer))
    }
    replicating.append(
      .init(response: response, number: number, peer: peer, level: level, needs: needs))
  }

  mutating func startCommit(into effects: inout [Effect]) {
    guard !isCommitUnderWay, !log.isEmpty || !forgotten.isEmpty, logTrouble?.retryAt == nil else {
      return
    }
    var bytes = 0
    let bytesMax = limits.logBatchBytesMax
    let entries = log.startCommit(countMax: limits.logBatchRecordsMax) { [table] entry in
      bytes += table[entry].envelopeByteCount
      return bytes >= bytesMax
    }
    // What was dropped goes first: a key that has come back since is written behind it.
    var records = forgotten.map { LogEntry(key: $0, envelope: []) }
    forgotten = []
    records.append(
      contentsOf: entries.map { entry in
        LogEntry(key: table[Int(entry)].key, envelope: table[Int(entry)].envelope)
      })
    isCommitUnderWay = true
    effects.append(.commit(records))
  }

  mutating func commitEnded(into effects: inout [Effect]) {
    log.commitEnded()
    isCommitUnderWay = false
    logTrouble = nil
    while let done = waiting.takeFirst(upTo: log.persisted) {
      effects.append(.reply(done.response, number: done.number, to: done.peer))
    }
    sayLogged(into: &effects)
    answerReplicated(into: &effects)
    noteSettled(into: &effects)
  }

  /// Every waiting write fails: it is in memory, and in the log perhaps later, which is what
  /// `STORAGE_FAILED` means. Until an attempt succeeds, writes are refused unapplied.
  mutating func commitFailed(_ reason: String, at now: Now, into effects: inout [Effect]) {
    log.commitFailed()
    isCommitUnderWay = false
    endReplicas(into: &effects)
    logTrouble = LogTrouble(
      reason: reason, retryAt: now.monotonic &+ limits.logRetryInterval.wholeNanoseconds)
    let failure = Failure(
      .storageFailed, "the write is in memory, but the log did not take it: \(reason)")
    for failed in waiting.takeAll() {
      fail(failed.response, failure, number: failed.number, to: failed.peer, into: &effects)
    }
    for waiting in replicating.takeAll() {
      if waiting.level == .durable {
        fail(waiting.response, failure, number: waiting.number, to: waiting.peer, into: &effects)
      } else {
        replicating.append(waiting)
      }
    }
  }

  private func fail(
    _ response: KeyResponse, _ failure: Failure, number: UInt64, to peer: PeerID,
    into effects: inout [Effect]
  ) {
    var response = response
    for index in response.tuples.indices where response.tuples[index].failure == nil {
      response.tuples[index].failure = failure
    }
    effects.append(.reply(response, number: number, to: peer))
  }
}
