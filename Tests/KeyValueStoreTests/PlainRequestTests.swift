import ClusterModel
import Testing
import WireProtocol

@testable import KeyValueStore

/// The short way does and answers what the long way does.
struct PlainRequestTests {
  typealias Harness = ShardHarness

  /// Two shards that are told the same; one may take the short way.
  private struct Twins: ~Copyable {
    var long: Harness
    var short: Harness
    var plain = PlainKeyRequest()
    var answer = FrameBuffer()
    var number: UInt64 = 0
    var plainCount = 0

    init(log: Bool) {
      long = Harness(log: log)
      short = Harness(log: log)
    }

    mutating func send(_ request: KeyRequest) throws {
      number += 1
      let expected = long.step(.request(request, number: number, from: Harness.client))
      let body = request.encoded()
      var effects: [StorageShard.Effect] = []
      let isPlain = body.withUnsafeBytes { body in
        plain.read(body, tuplesMax: 8)
          && short.shard.servePlainly(
            &plain, from: body, number: number, at: short.now, answer: &answer, into: &effects)
      }
      guard isPlain else {
        let same = short.step(.request(request, number: number, from: Harness.client))
        try #require(same == expected)
        return
      }
      plainCount += 1
      let others = expected.filter { if case .reply = $0 { false } else { true } }
      try #require(effects == others)
      let reply = try #require(expected.replies.first)
      try #require([UInt8](answer.bytes) == reply.framed(.keyResponse, number: number))
    }

    mutating func both(_ input: StorageShard.Input) throws {
      let expected = long.step(input)
      try #require(short.step(input) == expected)
    }
  }

  private static func request(_ random: inout SplitMix64) -> KeyRequest {
    var request = KeyRequest()
    request.type =
      [.get, .put, .put, .delete][Int(random.next() % 16 > 13 ? 3 : random.next() % 3)]
    request.level = [nil, .accepted, .accepted, .replicated, .durable][Int(random.next() % 5)]
    if random.next() % 8 == 0 { request.clock = Harness.stamp(1) }
    if random.next() % 32 == 0 { request.subscribe = true }
    request.tuples = (0..<1 + random.next() % 3).map { _ in
      let names = ["a", "b", "c", "ключ", "_cb/own", "", "a key of more than sixteen bytes"]
      var tuple = KeyTuple(key: Key(names[Int(random.next() % 7)]))
      guard request.type == .put else { return tuple }
      if random.next() % 16 == 0 {
        tuple.counterDelta = 3
        return tuple
      }
      var record = Harness.value(String(repeating: "v", count: Int(random.next() % 40)))
      record.flags = [[], .blind, .foreign, .tombstone][Int(random.next() % 24 / 7)]
      record.encoding = UInt8(random.next() % 3)
      record.generation = random.next() % 8 == 0 ? 5 : 0
      record.writeSequence = random.next() % 8 == 0 ? 5 : 0
      if random.next() % 8 == 0 { record.stamp = Harness.stamp(random.next() % 600) }
      if random.next() % 8 == 0 { record.expiry = Harness.start + random.next() % 50 }
      if random.next() % 16 == 0 { record = Harness.set(["x"]) }
      if random.next() % 16 == 0 { record.metadata = [1, 2, 3] }
      tuple.record = record.encoded()
      if random.next() % 32 == 0 { tuple.record = tuple.record.dropLast(tuple.record.count / 2) }
      return tuple
    }
    return request
  }

  @Test(arguments: 1...40 as ClosedRange<UInt64>)
  func theShortWayAnswersAsTheLongOne(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var twins = Twins(log: seed % 2 == 0)
    var watch = WatchRequest()
    watch.key = Key("a")
    try twins.both(.watch(watch, number: 1_000_000, from: Harness.client))
    for step in 0..<400 {
      do {
        try twins.send(Self.request(&random))
        if random.next() % 16 == 0 {
          twins.long.advance(.milliseconds(7))
          twins.short.advance(.milliseconds(7))
          try twins.both(.timerFired)
        }
        if random.next() % 4 == 0, twins.long.shard.isCommitUnderWay { try twins.both(.committed) }
      } catch {
        Issue.record("seed \(seed), step \(step)")
        return
      }
    }
    #expect(twins.short.shard.statistics == twins.long.shard.statistics)
    #expect(twins.plainCount > 20, "seed \(seed)")
  }

  @Test func aShardThatMayNotSpeakTakesTheLongWay() throws {
    var harness = Harness()
    _ = harness.put("k", "v")
    _ = harness.step(.lease(until: harness.now.monotonic))
    var request = KeyRequest()
    request.tuples = [KeyTuple(key: Key("k"))]
    var plain = PlainKeyRequest()
    var answer = FrameBuffer()
    var effects: [StorageShard.Effect] = []
    let isServed = request.encoded().withUnsafeBytes { body in
      plain.read(body, tuplesMax: 8)
        && harness.shard.servePlainly(
          &plain, from: body, number: 1, at: harness.now, answer: &answer, into: &effects)
    }
    #expect(!isServed)
  }
}
