import ClusterModel
import WireProtocol

/// What clients asked for and what they were told, key by key, and what a read may return after that.
///
/// A register belongs to one client, which writes it step by step; so its last acknowledged write is
/// known at any time. A write whose end its client never learned may come into effect later, or never.
final class History {
  /// Grows when the shard's process is killed: what was acknowledged as `accepted` may be lost then.
  var storageLife = 0

  /// One run that a scheduler asked for.
  struct Attempt: Hashable {
    let scheduler: Incarnation
    let invocation: InvocationID
    let number: UInt16
  }

  private var attempts: Set<Attempt> = []

  /// - Returns: false when it had begun before.
  func begin(_ attempt: Attempt) -> Bool { attempts.insert(attempt).inserted }

  /// At which level a write was acknowledged, and by which life of the shard at the earliest.
  struct Level {
    var level: WriteLevel
    var storageLife: Int
  }

  /// What a client relies on, since when.
  struct Known {
    let since: Int
    let level: Level
  }

  private struct Write {
    /// Nil is a delete.
    let value: Bytes?
    /// The shard's life then.
    let storageLife: Int
    var isAcknowledged = false
    /// Who relies on it: its writer since the acknowledgement, others since they have read it, and not
    /// at level `cached`. No node's death may lose it from then on. A call that has no end may still
    /// be run again, and write it again.
    var known: [Int: Known] = [:]
  }

  /// Counts what clients get to know.
  private(set) var moment = 0

  private var registers: [Key: [Write]] = [:]

  private struct Tally {
    var attempted: Int64 = 0
    var acknowledged: [(delta: Int64, client: Int, known: Known)] = []
  }

  private var counters: [Key: Tally] = [:]

  private struct Elements {
    var attempted: Set<Bytes> = []
    var acknowledged: [(element: Bytes, client: Int, known: Known)] = []
  }

  private var sets: [Key: Elements] = [:]

  /// Where attempts of calls run now. A scheduler's next life knows of its earlier one only what was
  /// stored, and may run a submitted call again.
  struct Run: Hashable {
    let invocation: InvocationID
    let scheduler: Incarnation
  }

  private var running: [Run: String] = [:]

  /// - Returns: another executor that runs the same call.
  func start(_ run: Run, in executor: String) -> String? {
    if let other = running[run], other != executor { return other }
    running[run] = executor
    return nil
  }

  func end(_ run: Run, in executor: String) {
    if running[run] == executor { running[run] = nil }
  }

  /// Names a write for `acknowledge`.
  struct Ticket {
    let key: Key
    let index: Int
  }

  func begin(_ value: Bytes?, of key: Key) -> Ticket {
    registers[key, default: []].append(Write(value: value, storageLife: storageLife))
    return Ticket(key: key, index: (registers[key]?.count ?? 1) - 1)
  }

  func acknowledge(_ ticket: Ticket, at level: Level, to client: Int) {
    registers[ticket.key]?[ticket.index].isAcknowledged = true
    registers[ticket.key]?[ticket.index].known[client] = learnt(level)
  }

  /// A client was given a value. One that came into effect after later ones says nothing.
  func observe(_ value: Bytes, of key: Key, by client: Int) {
    guard let writes = registers[key], let index = writes.lastIndex(where: { $0.value == value }),
      writes[index].known[client] == nil,
      writes[index...].dropFirst().allSatisfy({ !$0.isAcknowledged })
    else { return }
    let level = Level(level: .accepted, storageLife: writes[index].storageLife)
    registers[key]?[index].known[client] = learnt(level)
  }

  private func learnt(_ level: Level) -> Known {
    moment += 1
    return Known(since: moment, level: level)
  }

  func attempt(_ delta: Int64, on key: Key) { counters[key, default: Tally()].attempted += delta }

  func acknowledge(_ delta: Int64, on key: Key, at level: Level, to client: Int) {
    counters[key, default: Tally()].acknowledged.append((delta, client, learnt(level)))
  }

  func attempt(_ element: Bytes, in key: Key) {
    sets[key, default: Elements()].attempted.insert(element)
  }

  func acknowledge(_ element: Bytes, in key: Key, at level: Level, to client: Int) {
    sets[key, default: Elements()].acknowledged.append((element, client, learnt(level)))
  }

  private func isFirm(_ acknowledged: Level) -> Bool {
    acknowledged.level == .durable || acknowledged.storageLife == storageLife
  }

  /// What a read has to reflect.
  struct Reader {
    /// `moment` when it began.
    let moment: Int
    /// Nil: what any client knows, not only this one.
    var client: Int?
    /// `moment` when the client last heard of a restart of the shard. Then it forgets the versions of
    /// what such a restart may lose, also of what the new life has acknowledged already.
    var restartedAt = 0

    func relies(on known: Known, of client: Int) -> Bool {
      guard known.since <= moment else { return false }
      guard let reader = self.client else { return true }
      return reader == client && (known.level.level == .durable || known.since > restartedAt)
    }
  }

  /// What is wrong with a read that found this value of a register; nil when nothing is.
  func fault(
    in value: Bytes?, of key: Key, by reader: Reader
  ) -> (oracle: Violation.Oracle, text: String)? {
    let writes = registers[key] ?? []
    if let value, !writes.contains(where: { $0.value == value }) {
      return (.inventedValue, "\(key) reads as \(value.text), which nobody wrote")
    }
    for write in writes.reversed() {
      if write.value == value { return nil }
      let promised = write.known.contains { client, known in
        reader.relies(on: known, of: client) && isFirm(known.level)
      }
      guard promised else { continue }
      // Before it, only writes whose end is not known may still come into effect.
      if writes.contains(where: { !$0.isAcknowledged && $0.value == value }) { return nil }
      return (
        .acknowledgedWrites,
        "\(key) reads as \(value?.text ?? "absent"); \(write.value?.text ?? "its delete") was "
          + (write.isAcknowledged ? "acknowledged" : "read before")
      )
    }
    return value == nil ? nil : (.inventedValue, "\(key) reads as \(value?.text ?? "")")
  }

  func fault(
    inCounter value: Int64, of key: Key, by reader: Reader
  ) -> (oracle: Violation.Oracle, text: String)? {
    let tally = counters[key] ?? Tally()
    let least = tally.acknowledged
      .filter { isFirm($0.known.level) && reader.relies(on: $0.known, of: $0.client) }
      .reduce(0) { $0 + $1.delta }
    guard value < least || value > tally.attempted else { return nil }
    return (
      .counter,
      "\(key) reads as \(value); \(least) were acknowledged and \(tally.attempted) attempted"
    )
  }

  func fault(
    inSet elements: [Bytes], of key: Key, by reader: Reader
  ) -> (oracle: Violation.Oracle, text: String)? {
    let held = sets[key] ?? Elements()
    let found = Set(elements)
    for element in elements where !held.attempted.contains(element) {
      return (.inventedValue, "\(key) holds \(element.text), which nobody added")
    }
    for (element, client, known) in held.acknowledged
    where isFirm(known.level) && reader.relies(on: known, of: client) && !found.contains(element) {
      return (.set, "\(key) lacks \(element.text), acknowledged at \(known.level.level)")
    }
    return nil
  }

  /// All keys with a history, in order.
  var keys: [Key] {
    (Array(registers.keys) + Array(counters.keys) + Array(sets.keys)).sorted()
  }
}
