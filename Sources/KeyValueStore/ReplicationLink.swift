import ClusterModel

/// What another shard lacks of this one's records, what is on its way there, and how far it has come.
///
/// Entries wait by number, not by bytes: a key that changes again before its batch goes is sent once,
/// as it is then. One batch is under way at a time and the next takes whatever waits, so a slow peer
/// makes larger batches, not a longer queue. A batch that may be lost is sent again as it is then;
/// merging makes that harmless.
struct ReplicationLink {
  let member: RingMember
  let incarnation: Incarnation
  private(set) var isUp = false
  /// Monotonic: when waiting entries are to go; nil while none wait.
  private(set) var flushAt: UInt64?
  /// Number of the last frame sent in this connection.
  private(set) var sent: UInt64 = 0
  /// Sequences up to this one are in the other shard's synced log.
  private(set) var logged: UInt64 = 0
  private var queue = LogQueue()
  /// The sequence that covers an entry's last change, until the other's log has it.
  private var sequences: [Int32: UInt64] = [:]
  private var batch: ArraySlice<Int32> = []
  private var unlogged: [Unlogged] = []
  /// `logged` stays below this until it can pass it at once: what was merged in a connection that
  /// ended may not be in the other's log.
  private var loggedHold: UInt64 = 0
  private var mark: Mark?

  private struct Unlogged {
    let number: UInt64
    let end: UInt64
    let entries: ArraySlice<Int32>
  }

  /// Something to be said once, with or without records.
  private struct Mark {
    /// The epoch whose hand-over is complete; nil: only that this shard knows of the newest epoch.
    let handsOver: UInt64?
    /// What it speaks of is at or before this sequence.
    let end: UInt64
    var isSent = false
  }

  init(to address: ShardAddress) {
    member = address.member
    incarnation = address.incarnation
  }

  /// Sequences up to this one are in the other shard's memory.
  var merged: UInt64 { queue.persisted }

  /// Entries that wait or are on their way.
  var backlog: Int { sequences.count }

  /// What the other shard may lack, ascending.
  var dirtyEntries: [Int] { sequences.keys.map { Int($0) }.sorted() }

  /// The sequence that covers an entry; 0 where the other shard has it in its log.
  func sequence(of entry: Int) -> UInt64 { sequences[Int32(entry)] ?? 0 }

  mutating func note(_ entry: Int, flushAt due: UInt64) {
    sequences[Int32(entry)] = queue.note(entry, sequence: sequences[Int32(entry)] ?? 0)
    flush(at: due)
  }

  mutating func flush(at due: UInt64) { flushAt = min(flushAt ?? due, due) }

  /// Says at once that this shard knows of a new epoch: every frame names the newest.
  mutating func announceEpoch() {
    mark = Mark(handsOver: nil, end: 0)
    flush(at: 0)
  }

  /// Ends the hand-over of an epoch with what waits now.
  mutating func endHandOver(of epoch: UInt64) {
    mark = Mark(handsOver: epoch, end: queue.last)
    flush(at: 0)
  }

  mutating func up() {
    isUp = true
    if !queue.isEmpty || mark != nil { flush(at: 0) }
  }

  /// The connection is gone: what was not acknowledged counts as lost.
  mutating func down() {
    isUp = false
    sent = 0
    batch = []
    queue.commitFailed()
    mark?.isSent = false
    for lost in unlogged {
      for entry in lost.entries {
        sequences[entry] = queue.note(Int(entry), sequence: sequences[entry] ?? 0)
      }
    }
    if !unlogged.isEmpty { loggedHold = queue.last }
    unlogged = []
    if !queue.isEmpty || mark != nil { flush(at: 0) }
  }

  /// When a batch is due; nil while there is nothing to send or none can be sent.
  var deadline: UInt64? { isUp && batch.isEmpty && queue.isIdle && !isMarkUnderWay ? flushAt : nil }

  private var isMarkUnderWay: Bool { mark?.isSent == true && batch.isEmpty }

  /// Takes the next batch, oldest first.
  ///
  /// - Returns: the frame's number, the entries, and the epoch whose hand-over ends with them.
  mutating func startBatch(
    countMax: Int, isFull: (Int) -> Bool
  ) -> (number: UInt64, entries: ArraySlice<Int32>, handsOver: UInt64?) {
    batch = queue.startCommit(countMax: countMax, isFull: isFull)
    sent += 1
    if queue.isDrained { flushAt = nil }
    var epoch: UInt64?
    if let due = mark, due.end <= queue.underWay {
      mark?.isSent = true
      epoch = due.handsOver
    }
    return (sent, batch, epoch)
  }

  /// Takes the other shard's word on how far it has come.
  mutating func take(merged: UInt64, logged upTo: UInt64) {
    if merged >= sent, sent > 0, !queue.isIdle || isMarkUnderWay { batchMerged() }
    var count = 0
    for done in unlogged {
      guard done.number <= upTo else { break }
      count += 1
      guard done.end >= loggedHold else { continue }
      logged = max(logged, done.end)
      if loggedHold > 0 {
        loggedHold = 0
        sequences = sequences.filter { $0.value > logged }
      }
      for entry in done.entries where (sequences[entry] ?? .max) <= logged {
        sequences[entry] = nil
      }
    }
    unlogged.removeFirst(count)
  }

  private mutating func batchMerged() {
    if mark?.isSent == true { mark = nil }
    let entries = batch
    batch = []
    queue.commitEnded()
    unlogged.append(Unlogged(number: sent, end: queue.persisted, entries: entries))
    if flushAt == nil, !queue.isEmpty || mark != nil { flushAt = 0 }
  }
}
