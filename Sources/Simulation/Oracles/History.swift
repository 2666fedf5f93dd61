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

  private struct Write {
    /// Nil is a delete.
    let value: Bytes?
    var acknowledged: Level?
  }

  private var registers: [Key: [Write]] = [:]

  private struct Tally {
    var attempted: Int64 = 0
    var acknowledged: [(delta: Int64, Level)] = []
  }

  private var counters: [Key: Tally] = [:]

  private struct Elements {
    var attempted: Set<Bytes> = []
    var acknowledged: [(element: Bytes, Level)] = []
  }

  private var sets: [Key: Elements] = [:]

  /// Names a write for `acknowledge`.
  struct Ticket {
    let key: Key
    let index: Int
  }

  func begin(_ value: Bytes?, of key: Key) -> Ticket {
    registers[key, default: []].append(Write(value: value))
    return Ticket(key: key, index: (registers[key]?.count ?? 1) - 1)
  }

  func acknowledge(_ ticket: Ticket, at level: Level) {
    registers[ticket.key]?[ticket.index].acknowledged = level
  }

  func attempt(_ delta: Int64, on key: Key) { counters[key, default: Tally()].attempted += delta }

  func acknowledge(_ delta: Int64, on key: Key, at level: Level) {
    counters[key, default: Tally()].acknowledged.append((delta, level))
  }

  func attempt(_ element: Bytes, in key: Key) {
    sets[key, default: Elements()].attempted.insert(element)
  }

  func acknowledge(_ element: Bytes, in key: Key, at level: Level) {
    sets[key, default: Elements()].acknowledged.append((element, level))
  }

  private func isFirm(_ acknowledged: Level) -> Bool {
    acknowledged.level == .durable || acknowledged.storageLife == storageLife
  }

  /// How many acknowledgements a reader may rely on: those before its read began.
  func mark(of key: Key) -> Int {
    counters[key]?.acknowledged.count ?? sets[key]?.acknowledged.count ?? 0
  }

  /// What is wrong with a read by a register's owner that found this value; nil when nothing is.
  ///
  /// - Parameter isFresh: false for a read that may return an earlier value.
  func fault(
    in value: Bytes?, of key: Key, isFresh: Bool
  ) -> (oracle: Violation.Oracle, text: String)? {
    let writes = registers[key] ?? []
    if let value, !writes.contains(where: { $0.value == value }) {
      return (.inventedValue, "\(key) reads as \(value.text), which nobody wrote")
    }
    guard isFresh else { return nil }
    for write in writes.reversed() {
      if write.value == value { return nil }
      guard let acknowledged = write.acknowledged, isFirm(acknowledged) else { continue }
      // Before it, only writes whose end is not known may still come into effect.
      if writes.contains(where: { $0.acknowledged == nil && $0.value == value }) { return nil }
      return (
        .acknowledgedWrites,
        "\(key) reads as \(value?.text ?? "absent"); "
          + "\(write.value?.text ?? "its delete") was acknowledged at \(acknowledged.level)"
      )
    }
    return value == nil ? nil : (.inventedValue, "\(key) reads as \(value?.text ?? "")")
  }

  func fault(
    inCounter value: Int64, of key: Key, mark: Int
  ) -> (oracle: Violation.Oracle, text: String)? {
    let tally = counters[key] ?? Tally()
    let least = tally.acknowledged.prefix(mark).filter { isFirm($0.1) }.reduce(0) { $0 + $1.delta }
    guard value < least || value > tally.attempted else { return nil }
    return (
      .counter,
      "\(key) reads as \(value); \(least) were acknowledged and \(tally.attempted) attempted"
    )
  }

  func fault(
    inSet elements: [Bytes], of key: Key, mark: Int
  ) -> (oracle: Violation.Oracle, text: String)? {
    let held = sets[key] ?? Elements()
    let found = Set(elements)
    for element in elements where !held.attempted.contains(element) {
      return (.inventedValue, "\(key) holds \(element.text), which nobody added")
    }
    for (element, acknowledged) in held.acknowledged.prefix(mark)
    where isFirm(acknowledged) && !found.contains(element) {
      return (.set, "\(key) lacks \(element.text), acknowledged at \(acknowledged.level)")
    }
    return nil
  }

  /// All keys with a history, in order.
  var keys: [Key] {
    (Array(registers.keys) + Array(counters.keys) + Array(sets.keys)).sorted()
  }
}
