import Caching
import ClusterModel
import Lattices
import StoreAccess
import WireProtocol

/// A node's cache with a hand-set clock, and what its effects made of shared memory.
struct TestNode {
  var cache: NodeCache
  var now = NodeCache.Now(wall: 1_700_000_000_000, monotonic: 1_000_000_000)
  /// What executors would read.
  var shared: [Key: Record] = [:]
  var acknowledged: UInt64 = 0
  var lastNumber: UInt64 = 0

  init(
    incarnation: UInt64 = 1, connected: Bool = true,
    _ change: (inout NodeCacheLimits) -> Void = { _ in }
  ) {
    var limits = NodeCacheLimits()
    change(&limits)
    cache = NodeCache(
      incarnation: Incarnation(incarnation), defaultLevel: .accepted, limits: limits)
    if connected { step(.ownerConnected(owner, clock: 0)) }
  }

  @discardableResult
  mutating func step(_ input: NodeCache.Input) -> [NodeCache.Effect] {
    var effects: [NodeCache.Effect] = []
    cache.step(input, at: now, into: &effects)
    for effect in effects {
      switch effect {
      case .install(let key, let record): shared[key] = record
      case .remove(let key): shared[key] = nil
      case .publish(let sequence): acknowledged = sequence
      default: break
      }
    }
    return effects
  }

  @discardableResult
  mutating func advance(_ milliseconds: UInt64) -> [NodeCache.Effect] {
    now.wall += milliseconds
    now.monotonic += milliseconds * 1_000_000
    return step(.tick)
  }

  @discardableResult
  mutating func fetch(
    _ key: String, minimum: Version = .none, from peer: PeerID = executor
  ) -> [NodeCache.Effect] {
    lastNumber += 1
    var fetch = CacheFetch()
    fetch.key = Key(key)
    fetch.minimum = minimum
    return step(.fetch(fetch, number: lastNumber, from: peer))
  }

  @discardableResult
  mutating func write(
    _ writes: [CacheWrite], by call: UInt64 = 1, from peer: PeerID = executor,
    number: UInt64? = nil, isFinal: Bool = false, reading: UInt64 = 0, level: WriteLevel? = nil
  ) -> [NodeCache.Effect] {
    lastNumber += 1
    var frame = CacheWrites()
    frame.invocation = InvocationID(high: 0, low: call)
    frame.writes = writes
    frame.isFinal = isFinal
    frame.readSequence = reading
    frame.level = level
    frame.scheduler = Incarnation(77)
    return step(.writes(frame, number: number ?? lastNumber, from: peer))
  }

  /// Answers a GET with one record, or as absent.
  @discardableResult
  mutating func answer(_ request: SentRequest, _ record: Record?) -> [NodeCache.Effect] {
    var tuple = KeyTuple(key: request.keys[0])
    if let record {
      tuple.record = record.encoded()
      tuple.version = record.version
    } else {
      tuple.failure = Failure(.keyNotFound, "absent")
    }
    return respond(request, [tuple])
  }

  @discardableResult
  mutating func respond(
    _ request: SentRequest, _ tuples: [KeyTuple], from shard: Route = owner
  ) -> [NodeCache.Effect] {
    var response = KeyResponse()
    response.type = request.request.type
    response.tuples = tuples
    return step(.response(response, number: request.number, by: .one(shard)))
  }

  /// Acknowledges a flush of one key.
  @discardableResult
  mutating func acknowledge(_ request: SentRequest, _ version: Version) -> [NodeCache.Effect] {
    var tuple = KeyTuple(key: request.keys[0])
    tuple.version = version
    return respond(request, [tuple])
  }

  @discardableResult
  mutating func refuse(_ request: SentRequest, _ code: ErrorCode) -> [NodeCache.Effect] {
    var tuple = KeyTuple(key: request.keys[0])
    tuple.failure = Failure(code, "no")
    return respond(request, [tuple])
  }

  @discardableResult
  mutating func push(
    _ key: String, _ record: Record, number: UInt64, from shard: Route = owner
  ) -> [NodeCache.Effect] {
    var response = KeyResponse()
    response.tuples = [tuple(key, record)]
    return step(.push(response, number: number, from: shard))
  }

  /// Makes a key resident and subscribed.
  mutating func load(_ key: String, _ record: Record, from shard: Route = owner) {
    respond(fetch(key).requests[0], [tuple(key, record)], from: shard)
  }
}

struct SentRequest: Equatable {
  let request: KeyRequest
  let number: UInt64

  var keys: [Key] { request.tuples.map(\.key) }
  /// The record of its first tuple.
  var record: Record? { try? Record(request.tuples[0].record) }
}

extension [NodeCache.Effect] {
  var requests: [SentRequest] {
    compactMap {
      if case .request(let request, let number, _) = $0 {
        SentRequest(request: request, number: number)
      } else {
        nil
      }
    }
  }
  var fetched: [NodeCache.FetchOutcome] {
    compactMap { if case .fetched(_, let outcome, _, _) = $0 { outcome } else { nil } }
  }
  var released: [Released.Entry] {
    compactMap { if case .release(let entry, _) = $0 { entry } else { nil } }
  }
  var unsubscribed: [Key] {
    compactMap { if case .unsubscribe(let key, _) = $0 { key } else { nil } }
  }
}

/// Of all keys, where a test does not say otherwise.
let owner = Route(0)
let executor = PeerID("node/0#a")
let other = PeerID("node/1#b")

func tuple(_ key: String, _ record: Record) -> KeyTuple {
  var tuple = KeyTuple(key: Key(key))
  tuple.record = record.encoded()
  tuple.version = record.version
  return tuple
}

func value(_ text: String, stamp: UInt64 = 100, generation: UInt64 = 0) -> Record {
  Record(
    lattice: .lastWriterWins, version: Version(generation: generation, stamp: stamp),
    payload: Bytes(text: text))
}

func counter(_ added: [UInt64: UInt64], stamp: UInt64 = 100, generation: UInt64 = 0) -> Record {
  let entries = added.map { Counter.Entry(actor: $0.key, added: $0.value, subtracted: 0) }
  return Record(
    lattice: .counter, version: Version(generation: generation, stamp: stamp),
    payload: Counter(entries).serialized()[...])
}

func put(_ key: String, _ text: String) -> CacheWrite {
  var write = CacheWrite(key: Key(key), kind: .put)
  write.value = Bytes(text: text)
  return write
}

func add(_ key: String, _ delta: Int64) -> CacheWrite {
  var write = CacheWrite(key: Key(key), kind: .addToCounter)
  write.delta = delta
  return write
}

func addToSet(_ key: String, _ elements: [String]) -> CacheWrite {
  var write = CacheWrite(key: Key(key), kind: .addToSet)
  write.value = GrowSet(elements.map { Bytes(text: $0) }).serialized()[...]
  return write
}

func delete(_ key: String) -> CacheWrite { CacheWrite(key: Key(key), kind: .delete) }

func count(_ record: Record?) -> Int64? {
  record.flatMap { try? Counter(serialized: $0.payload).value }
}
