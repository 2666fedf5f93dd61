import ClusterModel
import Testing

/// Steele and others' SplitMix64: every seed gives one sequence, in every process.
private struct Chance: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func happens(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}

private let millisecond: UInt64 = 1_000_000
private let ours = StreamPair(sender: Incarnation(10), receiver: Incarnation(20))

/// A sender and a receiver with a network between them that loses, repeats and reorders.
private struct StreamWorld {
  struct Network {
    var lossPercent: Int
    var repeatPercent: Int
    var delayMax: UInt64
    /// Nothing gets through, either way.
    var blackout: Range<UInt64>?
  }

  enum Parcel {
    case toReceiver(NumberedReceiver.Input)
    case toSender(NumberedSender.Input)
  }

  var sender: NumberedSender
  var receiver: NumberedReceiver
  var network: Network
  var chance: Chance
  var now: UInt64 = 0
  private var flying: [(at: UInt64, Parcel)] = []
  private(set) var toSend: [Bytes] = []
  private(set) var delivered: [(number: UInt64, payload: Bytes)] = []
  private(set) var lost: [Range<UInt64>] = []
  private(set) var payloads: [UInt64: Bytes] = [:]
  private(set) var earlyCountSeen = 0
  private(set) var restarts = 0

  init(seed: UInt64, network: Network) {
    var limits = NumberedSender.Limits()
    limits.windowCountMax = 40
    limits.windowBytesMax = 400
    limits.retransmitCountMax = 16
    var receiverLimits = NumberedReceiver.Limits()
    receiverLimits.earlyCountMax = 8
    receiverLimits.earlyBytesMax = 60
    sender = NumberedSender(pair: ours, at: 0, limits: limits)
    receiver = NumberedReceiver(pair: ours, at: 0, limits: receiverLimits)
    self.network = network
    chance = Chance(state: seed)
  }

  /// Runs until all payloads are sent and settled, or the time is over.
  mutating func run(payloads count: Int, until end: UInt64) {
    toSend = (0..<count).map { number in
      Bytes(
        (0..<Int.random(in: 0...20, using: &chance)).map { UInt8(truncatingIfNeeded: number + $0) })
    }.reversed()
    var nextSend: UInt64 = 0
    while now < end, !(toSend.isEmpty && sender.acknowledgedNumber == sender.lastNumber) {
      let times = [sender.deadline, receiver.deadline, flying.map(\.at).min()].compactMap { $0 }
      now = max(now, min(times.min() ?? nextSend, toSend.isEmpty ? .max : nextSend))
      if let payload = toSend.last, now >= nextSend {
        toSend.removeLast()
        give(.send(payload))
        nextSend = now + UInt64.random(in: 0...(2 * millisecond), using: &chance)
      }
      landParcels()
      if let deadline = sender.deadline, deadline <= now { give(.timerFired) }
      if let deadline = receiver.deadline, deadline <= now { take(.timerFired) }
    }
  }

  private mutating func landParcels() {
    // In the order of their sending where they land together, so that a seed replays.
    let landing = flying.filter { $0.at <= now }
    flying.removeAll { $0.at <= now }
    for (_, parcel) in landing {
      switch parcel {
      case .toReceiver(let input): take(input)
      case .toSender(let input): give(input)
      }
    }
  }

  private mutating func fly(_ parcel: Parcel) {
    if let blackout = network.blackout, blackout.contains(now) { return }
    for _ in 0..<(chance.happens(network.repeatPercent) ? 2 : 1)
    where !chance.happens(network.lossPercent) {
      flying.append((now + UInt64.random(in: 0...network.delayMax, using: &chance), parcel))
    }
  }

  private mutating func give(_ input: NumberedSender.Input) {
    var effects: [NumberedSender.Effect] = []
    sender.step(input, at: now, into: &effects)
    for effect in effects {
      switch effect {
      case .transmit(let number, let mark, let payload):
        payloads[number] = payload
        fly(.toReceiver(.frame(ours, number: number, mark, payload)))
      case .heartbeat(let last, let mark): fly(.toReceiver(.heartbeat(ours, last: last, mark)))
      case .refuse(let payload): toSend.append(payload)
      case .acknowledged: break
      case .resynchronise:
        restarts += 1
        give(.restart)
      }
    }
  }

  private mutating func take(_ input: NumberedReceiver.Input) {
    var effects: [NumberedReceiver.Effect] = []
    receiver.step(input, at: now, into: &effects)
    earlyCountSeen = max(earlyCountSeen, receiver.earlyCount)
    for effect in effects {
      switch effect {
      case .deliver(let number, let payload): delivered.append((number, payload))
      case .acknowledge(let pair, let number):
        fly(.toSender(.acknowledgement(of: pair, upTo: number)))
      case .resynchronise(.lost(let numbers)): lost.append(numbers)
      case .resynchronise, .discard: break
      }
    }
  }
}

@Suite struct NumberedStreamSeedTests {
  @Test(arguments: 0..<60 as Range<UInt64>)
  func everyPayloadArrivesOnceAndInOrderOverABadNetwork(seed: UInt64) {
    var world = StreamWorld(
      seed: seed,
      network: .init(
        lossPercent: Int(seed % 3) * 10, repeatPercent: 20, delayMax: (1 + seed % 30) * millisecond)
    )
    world.run(payloads: 150, until: 600_000 * millisecond)
    #expect(world.toSend.isEmpty, "seed \(seed)")
    #expect(world.delivered.map(\.number) == Array(1...150), "seed \(seed)")
    #expect(world.delivered.allSatisfy { world.payloads[$0.number] == $0.payload }, "seed \(seed)")
    #expect(world.lost == [], "seed \(seed)")
    #expect(world.restarts == 0, "seed \(seed)")
    #expect(world.earlyCountSeen <= 8, "seed \(seed)")
  }

  @Test(arguments: 0..<60 as Range<UInt64>)
  func afterABlackoutEveryPayloadIsDeliveredOrReportedLost(seed: UInt64) {
    let start = (10 + seed) * millisecond
    var world = StreamWorld(
      seed: seed,
      network: .init(
        lossPercent: 10, repeatPercent: 10, delayMax: 20 * millisecond,
        blackout: start..<(start + 4_000 * millisecond)))
    world.run(payloads: 150, until: 600_000 * millisecond)
    #expect(world.restarts > 0, "seed \(seed)")
    let settled = world.delivered.map(\.number) + world.lost.flatMap { Array($0) }
    #expect(settled.sorted() == Array(1...world.sender.lastNumber), "seed \(seed)")
    #expect(world.delivered.map(\.number).sorted() == world.delivered.map(\.number), "seed \(seed)")
    #expect(world.delivered.last?.number == world.sender.lastNumber, "seed \(seed)")
  }
}

@Suite struct NumberedSenderTests {
  private func started(_ adjust: (inout NumberedSender.Limits) -> Void = { _ in }) -> NumberedSender
  {
    var limits = NumberedSender.Limits()
    adjust(&limits)
    return NumberedSender(pair: ours, at: 0, limits: limits)
  }

  private func effects(
    of inputs: NumberedSender.Input..., on sender: inout NumberedSender, at now: UInt64 = 0
  ) -> [NumberedSender.Effect] {
    var effects: [NumberedSender.Effect] = []
    for input in inputs { sender.step(input, at: now, into: &effects) }
    return effects
  }

  @Test func onlyTheOldestKeptFrameIsMarked() {
    var sender = started()
    #expect(
      effects(of: .send([1]), .send([2]), on: &sender) == [
        .transmit(number: 1, .nothingOlder, [1]), .transmit(number: 2, [], [2]),
      ])
  }

  @Test func aFullWindowRefusesUntilItIsAcknowledged() {
    var sender = started { $0.windowCountMax = 1 }
    #expect(effects(of: .send([1]), .send([2]), on: &sender).last == .refuse([2]))
    _ = effects(of: .acknowledgement(of: ours, upTo: 1), on: &sender)
    #expect(effects(of: .send([2]), on: &sender) == [.transmit(number: 2, .nothingOlder, [2])])
  }

  @Test func bytesFillTheWindowToo() {
    var sender = started { $0.windowBytesMax = 3 }
    #expect(effects(of: .send([1, 2]), .send([3, 4]), on: &sender).last == .refuse([3, 4]))
  }

  @Test func whatIsNotAcknowledgedIsSentAgainAfterGrowingPauses() {
    var sender = started { $0.heartbeatInterval = nil }
    _ = effects(of: .send([1]), on: &sender)
    var times: [UInt64] = []
    while let deadline = sender.deadline, times.count < 4 {
      times.append(deadline / millisecond)
      #expect(
        effects(of: .timerFired, on: &sender, at: deadline) == [
          .transmit(number: 1, .nothingOlder, [1])
        ])
    }
    #expect(times == [50, 150, 350, 750])
  }

  @Test func acknowledgementsAreReportedWhenTheyGrow() {
    var sender = started()
    _ = effects(of: .send([1]), .send([2]), on: &sender)
    let found = effects(
      of: .acknowledgement(of: ours, upTo: 2), .acknowledgement(of: ours, upTo: 2),
      .acknowledgement(of: ours, upTo: 1), on: &sender)
    #expect(found == [.acknowledged(upTo: 2)])
    #expect(sender.windowCount == 0)
  }

  @Test func anotherLifesAcknowledgementCountsForNothing() {
    var sender = started()
    let other = StreamPair(sender: ours.sender, receiver: Incarnation(19))
    _ = effects(of: .send([1]), on: &sender)
    #expect(effects(of: .acknowledgement(of: other, upTo: 1), on: &sender) == [])
    #expect(sender.windowCount == 1)
  }

  @Test func anAcknowledgementOfWhatWasNeverSentEndsTheTrust() {
    var sender = started()
    #expect(
      effects(of: .acknowledgement(of: ours, upTo: 1), on: &sender) == [
        .resynchronise(because: .impossibleAcknowledgement)
      ])
    #expect(effects(of: .send([1]), on: &sender) == [.refuse([1])])
  }

  @Test func aSilentPeerSuspendsTheStreamUntilItIsRestarted() {
    var sender = started()
    _ = effects(of: .send([1]), on: &sender)
    #expect(
      effects(of: .timerFired, on: &sender, at: 3_000 * millisecond) == [
        .resynchronise(because: .peerSilent)
      ])
    #expect(sender.deadline == nil)
    #expect(
      effects(of: .restart, on: &sender, at: 4_000 * millisecond) == [
        .heartbeat(last: 1, [.nothingOlder, .answer])
      ])
    #expect(effects(of: .send([2]), on: &sender) == [.transmit(number: 2, .nothingOlder, [2])])
  }

  @Test func aPeerThatAnswersIsNotSilentEvenWithoutProgress() {
    var sender = started()
    _ = effects(of: .send([1]), on: &sender)
    let answer = NumberedSender.Input.acknowledgement(of: ours, upTo: 0)
    #expect(effects(of: answer, on: &sender, at: 2_000 * millisecond) == [])
    #expect(
      effects(of: .timerFired, on: &sender, at: 3_000 * millisecond) == [
        .transmit(number: 1, .nothingOlder, [1])
      ])
  }

  @Test func anIdleStreamBeatsWithoutAskingForAnswers() {
    var sender = started()
    #expect(sender.deadline == 500 * millisecond)
    #expect(
      effects(of: .timerFired, on: &sender, at: 500 * millisecond) == [
        .heartbeat(last: 0, .nothingOlder)
      ])
  }

  @Test func aRestartIsRepeatedUntilItIsAcknowledged() throws {
    var sender = started { $0.heartbeatInterval = nil }
    _ = effects(of: .send([1]), .restart, on: &sender)
    let deadline = try #require(sender.deadline)
    #expect(
      effects(of: .timerFired, on: &sender, at: deadline) == [
        .heartbeat(last: 1, [.nothingOlder, .answer])
      ])
    _ = effects(of: .acknowledgement(of: ours, upTo: 1), on: &sender, at: deadline)
    #expect(sender.deadline == nil)
  }
}

@Suite struct NumberedReceiverTests {
  private func effects(
    of inputs: NumberedReceiver.Input..., on receiver: inout NumberedReceiver, at now: UInt64 = 0
  ) -> [NumberedReceiver.Effect] {
    var effects: [NumberedReceiver.Effect] = []
    for input in inputs { receiver.step(input, at: now, into: &effects) }
    return effects
  }

  @Test func framesThatComeEarlyWaitForTheirTurn() {
    var receiver = NumberedReceiver(pair: ours, at: 0)
    #expect(effects(of: .frame(ours, number: 2, [], [2]), on: &receiver) == [])
    #expect(
      effects(of: .frame(ours, number: 1, .nothingOlder, [1]), on: &receiver) == [
        .deliver(number: 1, [1]), .deliver(number: 2, [2]),
      ])
  }

  @Test func aDuplicateIsAcknowledgedAtOnceAndNotDelivered() {
    var receiver = NumberedReceiver(pair: ours, at: 0)
    let frame = NumberedReceiver.Input.frame(ours, number: 1, .nothingOlder, [1])
    _ = effects(of: frame, on: &receiver)
    #expect(
      effects(of: frame, on: &receiver) == [
        .discard(number: 1, because: .duplicate), .acknowledge(ours, upTo: 1),
      ])
  }

  @Test func acknowledgementsAreSharedByManyFrames() {
    var limits = NumberedReceiver.Limits()
    limits.acknowledgeAfterCount = 3
    var receiver = NumberedReceiver(pair: ours, at: 0, limits: limits)
    var found: [NumberedReceiver.Effect] = []
    for number: UInt64 in 1...7 {
      receiver.step(.frame(ours, number: number, [], []), at: 0, into: &found)
    }
    #expect(receiver.deadline == 5 * millisecond)
    receiver.step(.timerFired, at: 5 * millisecond, into: &found)
    let acknowledged = found.filter { if case .acknowledge = $0 { true } else { false } }
    #expect(acknowledged == [3, 6, 7].map { .acknowledge(ours, upTo: $0) })
  }

  @Test func aMarkedFrameBehindAGapReportsTheLoss() {
    var receiver = NumberedReceiver(pair: ours, at: 0)
    let found = effects(
      of: .frame(ours, number: 3, [], [3]), .frame(ours, number: 5, .nothingOlder, [5]),
      on: &receiver)
    #expect(found == [.resynchronise(because: .lost(1..<5)), .deliver(number: 5, [5])])
    #expect(receiver.earlyCount == 0)
    #expect(receiver.earlyByteCount == 0)
  }

  @Test func aHeartbeatTellsOfALossAtTheEnd() {
    var receiver = NumberedReceiver(pair: ours, at: 0)
    #expect(
      effects(of: .heartbeat(ours, last: 2, [.nothingOlder, .answer]), on: &receiver) == [
        .resynchronise(because: .lost(1..<3)), .acknowledge(ours, upTo: 2),
      ])
  }

  @Test func earlyFramesAreLimited() {
    var limits = NumberedReceiver.Limits()
    limits.earlyCountMax = 1
    var receiver = NumberedReceiver(pair: ours, at: 0, limits: limits)
    #expect(
      effects(
        of: .frame(ours, number: 2, [], [2]), .frame(ours, number: 3, [], [3]), on: &receiver)
        == [.discard(number: 3, because: .tooEarly)])
  }

  @Test func silenceIsReportedOnce() {
    var receiver = NumberedReceiver(pair: ours, at: 0)
    let silence = NumberedReceiver.Effect.resynchronise(because: .senderSilent)
    #expect(receiver.deadline == 2_000 * millisecond)
    #expect(effects(of: .timerFired, on: &receiver, at: 2_000 * millisecond) == [silence])
    #expect(receiver.deadline == nil)
    #expect(effects(of: .timerFired, on: &receiver, at: 9_000 * millisecond) == [])
    _ = effects(of: .heartbeat(ours, last: 0, []), on: &receiver, at: 9_000 * millisecond)
    #expect(effects(of: .timerFired, on: &receiver, at: 11_000 * millisecond) == [silence])
  }

  @Test func aLaterLifeOfTheSenderEndsTheStream() {
    var receiver = NumberedReceiver(pair: ours, at: 0)
    let reborn = StreamPair(sender: Incarnation(11), receiver: ours.receiver)
    #expect(
      effects(of: .frame(reborn, number: 1, .nothingOlder, [1]), on: &receiver) == [
        .discard(number: 1, because: .otherLife),
        .resynchronise(because: .senderReborn(Incarnation(11))),
      ])
  }

  @Test func anEarlierLifeOfTheSenderIsNotHeard() {
    var receiver = NumberedReceiver(pair: ours, at: 0)
    let dead = StreamPair(sender: Incarnation(9), receiver: ours.receiver)
    #expect(
      effects(of: .frame(dead, number: 1, .nothingOlder, [1]), on: &receiver) == [
        .discard(number: 1, because: .otherLife)
      ])
  }

  @Test(arguments: [0, UInt64.max]) func numbersThatNobodyWritesAreThrownAway(number: UInt64) {
    var receiver = NumberedReceiver(pair: ours, at: 0)
    #expect(
      effects(of: .frame(ours, number: number, .nothingOlder, [1]), on: &receiver) == [
        .discard(number: number, because: .malformed)
      ])
    #expect(receiver.expectedNumber == 1)
  }
}
