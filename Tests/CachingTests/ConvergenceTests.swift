import Caching
import ClusterModel
import Lattices
import StoreAccess
import Testing
import WireProtocol

/// Draws the same numbers for the same seed, everywhere.
private struct SeededRandom: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}

/// An owner that takes writes as the store does, pushes every change, and loses requests and answers.
private struct LossyOwner {
  var records: [Key: Record] = [:]
  var clock = HybridLogicalClock()
  /// One of each number is lost on either way; zero loses nothing.
  var lossOneIn = 0
  var pushed: UInt64 = 0

  mutating func take(
    _ sent: SentRequest, wall: UInt64, using random: inout SeededRandom
  ) -> [NodeCache.Input] {
    func isLost(_ random: inout SeededRandom) -> Bool {
      lossOneIn > 0 && Int.random(in: 0..<lossOneIn, using: &random) == 0
    }
    if isLost(&random) { return [] }
    _ = clock.observe(sent.request.clock, origin: .native, now: wall)
    var response = KeyResponse()
    response.type = sent.request.type
    var push = KeyResponse()
    for tuple in sent.request.tuples {
      response.tuples.append(answer(tuple, sent.request.type, wall: wall, into: &push))
    }
    response.clock = clock.last
    var inputs: [NodeCache.Input] = []
    if !push.tuples.isEmpty {
      pushed += 1
      inputs.append(.push(push, number: pushed, from: Route(0)))
    }
    if !isLost(&random) {
      inputs.append(.response(response, number: sent.number, by: .one(Route(0))))
    }
    return inputs
  }

  private mutating func answer(
    _ tuple: KeyTuple, _ type: KeyRequestType, wall: UInt64, into push: inout KeyResponse
  ) -> KeyTuple {
    var answer = KeyTuple(key: tuple.key)
    var record = records[tuple.key] ?? .tombstone(.none)
    if type == .get {
      answer.version = record.version
      answer.record = record.isTombstone ? [] : record.encoded()
      if record.isTombstone { answer.failure = Failure(.keyNotFound, "absent") }
      return answer
    }
    let outcome =
      if type == .delete {
        record.take(deleteStamped: tuple.version.stamp)
      } else {
        record.take((try? Record(tuple.record)) ?? record)
      }
    if outcome == .latticeConflict { answer.failure = Failure(.lattice, "another type") }
    if outcome == .changed {
      if record.lattice == .set || record.lattice == .counter {
        record.stamp = clock.tick(now: wall)
      }
      record.flags.subtract([.partial, .blind])
      records[tuple.key] = record
      var update = KeyTuple(key: tuple.key)
      update.record = record.encoded()
      push.tuples.append(update)
    }
    answer.version = record.version
    return answer
  }
}

/// A node and its owner, everything between them decided by one seed.
private struct Trial {
  let seed: Int
  var random: SeededRandom
  var node = TestNode {
    $0.bytesMax = 1500; $0.dirtyBytesMax = 700
  }
  var owner = LossyOwner()
  var inbox: [NodeCache.Input] = []
  /// Increments that were not refused, by call.
  var added: [UInt64: (key: String, delta: Int64)] = [:]
  var finals = 0
  var ended = 0

  init(seed: Int) {
    self.seed = seed
    random = SeededRandom(state: UInt64(seed))
  }

  mutating func absorb(_ effects: [NodeCache.Effect]) {
    ended += effects.released.count
    for entry in effects.released {
      // Only waiting too long for room fails a call here, before anything of it is applied.
      guard let failure = entry.failure else { continue }
      #expect(failure.code == .overloaded, "seed \(seed)")
      added[entry.invocation.low] = nil
    }
    for request in effects.requests {
      inbox += owner.take(request, wall: node.now.wall, using: &random)
    }
    if effects.contains(.needsRoom) { absorb(node.step(.references([]))) }
  }

  mutating func pump() {
    while !inbox.isEmpty { absorb(node.step(inbox.removeFirst())) }
  }

  mutating func act(_ round: UInt64) {
    let name = "\(Int.random(in: 0..<4, using: &random))"
    switch Int.random(in: 0..<10, using: &random) {
    case 0, 1: absorb(node.fetch("value\(name)"))
    case 2: absorb(node.fetch("count\(name)"))
    case 3, 4: call(put("value\(name)", "\(round)"), round)
    case 5, 6:
      let delta = Int64.random(in: 1...9, using: &random)
      added[round] = ("count\(name)", delta)
      call(add("count\(name)", delta), round)
    case 7: call(delete("value\(name)"), round)
    case 8 where Int.random(in: 0..<4, using: &random) == 0:
      inbox = []
      owner.pushed = 0
      absorb(node.step(.ownerConnected(Route(0), clock: 0)))
    default: absorb(node.advance(50))
    }
  }

  private mutating func call(_ write: CacheWrite, _ round: UInt64) {
    finals += 1
    absorb(node.write([write], by: round, isFinal: true))
  }
}

@Suite struct ConvergenceTests {
  /// Random writes, fetches, evictions, reconnections and losses; when all is quiet, shared memory
  /// holds nothing that the owner does not, every write is settled, and no increment is lost or
  /// doubled.
  @Test(arguments: 1...40)
  func whateverIsLostTheNodeEndsWithItsOwnersState(seed: Int) {
    var trial = Trial(seed: seed)
    trial.owner.lossOneIn = 5
    for round in 1...300 {
      trial.act(UInt64(round))
      if Bool.random(using: &trial.random) { trial.pump() }
    }
    trial.owner.lossOneIn = 0
    for _ in 0..<400 {
      trial.pump()
      trial.absorb(trial.node.advance(50))
    }
    let (node, owner) = (trial.node, trial.owner)
    #expect(trial.ended == trial.finals, "seed \(seed)")
    #expect(node.cache.statistics.dirtyBytes == 0, "seed \(seed)")
    #expect(node.cache.statistics.callsWaiting == 0, "seed \(seed)")
    for (key, record) in node.shared where !record.flags.contains(.partial) {
      let owners = owner.records[key] ?? .tombstone(.none)
      #expect(record.payload == owners.payload, "seed \(seed), \(key)")
      #expect(record.isTombstone == owners.isTombstone, "seed \(seed), \(key)")
    }
    var sums: [String: Int64] = [:]
    for (key, delta) in trial.added.values { sums[key, default: 0] += delta }
    for (key, sum) in sums {
      #expect(count(owner.records[Key(key)]) == sum, "seed \(seed), \(key)")
    }
  }
}
