import ClusterModel
import Lattices
import WireProtocol

@testable import KeyValueStore

/// A shard at a time of the test's choosing, and what it answered last.
struct ShardHarness {
  static let start: UInt64 = 1_700_000_000_000
  static let client = PeerID("client")
  static let cache = PeerID("cache")
  static let otherCache = PeerID("other-cache")

  var shard: StorageShard
  var now = StorageShard.Now(wall: start, monotonic: 1_000_000_000)
  private var number: UInt64 = 0

  init(log: Bool = false, limits: StorageLimits = StorageLimits()) {
    shard = StorageShard(
      .init(actor: 77, hasLog: log, defaultLevel: log ? .durable : .accepted, limits: limits))
    _ = step(.connected(Self.client, role: .client))
    _ = step(.connected(Self.cache, role: .cache))
    _ = step(.connected(Self.otherCache, role: .cache))
  }

  mutating func step(_ input: StorageShard.Input) -> [StorageShard.Effect] {
    var effects: [StorageShard.Effect] = []
    shard.step(input, at: now, into: &effects)
    return effects
  }

  mutating func advance(_ duration: Duration) {
    let milliseconds = UInt64(duration / .milliseconds(1))
    now.wall += milliseconds
    now.monotonic += milliseconds * 1_000_000
  }

  /// Moves to the shard's next deadline and fires it.
  mutating func fireTimer() -> [StorageShard.Effect] {
    guard let due = shard.nextDeadline else { return [] }
    if due > now.monotonic {
      let milliseconds = (due - now.monotonic + 999_999) / 1_000_000
      advance(.milliseconds(Int64(milliseconds)))
    }
    return step(.timerFired)
  }

  mutating func send(
    _ type: KeyRequestType, _ tuples: [KeyTuple], from peer: PeerID = client,
    level: WriteLevel? = nil, subscribe: Bool = false
  ) -> [StorageShard.Effect] {
    var request = KeyRequest()
    request.type = type
    request.tuples = tuples
    request.level = level
    request.subscribe = subscribe
    number += 1
    return step(.request(request, number: number, from: peer))
  }

  /// The answer to a request for one key that is answered at once.
  mutating func answer(
    _ type: KeyRequestType, _ tuple: KeyTuple, from peer: PeerID = client, level: WriteLevel? = nil
  ) -> KeyTuple? {
    send(type, [tuple], from: peer, level: level).replies.first?.tuples.first
  }

  mutating func put(
    _ key: String, _ text: String, from peer: PeerID = client, stamp: UInt64 = 0,
    expiry: UInt64 = 0
  ) -> KeyTuple? {
    answer(.put, Self.tuple(key, Self.value(text, stamp: stamp, expiry: expiry)), from: peer)
  }

  mutating func get(_ key: String, from peer: PeerID = client) -> KeyTuple? {
    answer(.get, KeyTuple(key: Key(key)), from: peer)
  }

  /// The text under a key; nil where it is absent.
  mutating func text(_ key: String) -> String? {
    guard let record = get(key)?.decoded else { return nil }
    return record.payload.text
  }

  mutating func counterValue(_ key: String) -> Int64? {
    guard let record = get(key)?.decoded else { return nil }
    return try? Counter(serialized: record.payload).value
  }

  static func value(
    _ text: String, stamp: UInt64 = 0, generation: UInt64 = 0, expiry: UInt64 = 0
  ) -> Record {
    var record = Record(
      lattice: .lastWriterWins, version: Version(generation: generation, stamp: stamp),
      payload: Bytes(text: text))
    record.expiry = expiry
    return record
  }

  static func counter(
    actor: UInt64, _ added: UInt64, stamp: UInt64 = 0, generation: UInt64 = 0,
    flags: Record.Flags = []
  ) -> Record {
    let counter = Counter([Counter.Entry(actor: actor, added: added, subtracted: 0)])
    return Record(
      lattice: .counter, flags: flags, version: Version(generation: generation, stamp: stamp),
      payload: counter.serialized()[...])
  }

  static func set(_ elements: [String]) -> Record {
    let set = GrowSet(elements.map { Bytes(text: $0) })
    return Record(lattice: .set, payload: set.serialized()[...])
  }

  static func tuple(_ key: String, _ record: Record) -> KeyTuple {
    var tuple = KeyTuple(key: Key(key))
    tuple.record = record.encoded()
    return tuple
  }

  static func delta(_ key: String, _ delta: Int64) -> KeyTuple {
    var tuple = KeyTuple(key: Key(key))
    tuple.counterDelta = delta
    return tuple
  }

  /// A stamp of so many milliseconds after the harness's start.
  static func stamp(_ milliseconds: UInt64) -> UInt64 {
    HybridLogicalClock.stamp(milliseconds: start + milliseconds)
  }
}

extension KeyTuple {
  var decoded: Record? { record.isEmpty ? nil : try? Record(record) }
}

extension [StorageShard.Effect] {
  var replies: [KeyResponse] {
    compactMap { if case .reply(let response, _, _) = $0 { response } else { nil } }
  }
  var pushes: [KeyResponse] {
    compactMap { if case .push(let response, _, _) = $0 { response } else { nil } }
  }
  var pushNumbers: [UInt64] {
    compactMap { if case .push(_, let number, _) = $0 { number } else { nil } }
  }
  var events: [KeyTuple] {
    compactMap {
      if case .watchEvent(let response, _, _) = $0 { response.tuples.first } else { nil }
    }
  }
  var refusals: [Failure] {
    compactMap { if case .refuse(let failure, _, _) = $0 { failure } else { nil } }
  }
  var commits: [[StorageShard.LogEntry]] {
    compactMap { if case .commit(let entries) = $0 { entries } else { nil } }
  }
}
