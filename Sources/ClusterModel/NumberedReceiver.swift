/// The receiving end of a ``NumberedSender``'s stream: each payload once, in order.
///
/// What comes early waits for what is missing, up to a limit; what comes again is acknowledged
/// again. `resynchronise` says that the stream alone no longer tells all: payloads are lost for
/// good, or the sender is silent and may have more to say.
package struct NumberedReceiver: Sendable {
  /// Times in nanoseconds.
  package struct Limits: Sendable {
    /// Frames and bytes that may wait for an earlier one; beyond, the sender has to repeat them.
    package var earlyCountMax = 256
    package var earlyBytesMax = 4 << 20
    /// An acknowledgement goes out after so many frames, or so much later, whichever is first.
    package var acknowledgeAfterCount = 32
    package var acknowledgeAfter: UInt64 = 5_000_000
    /// Without a frame or heartbeat for so long the sender counts as silent; `nil`: never, for
    /// streams whose sender sends no heartbeats when idle.
    package var silenceMax: UInt64? = 2_000_000_000

    package init() {}
  }

  package enum Input: Equatable, Sendable {
    case frame(StreamPair, number: UInt64, StreamMark, Bytes)
    case heartbeat(StreamPair, last: UInt64, StreamMark)
    case timerFired
  }

  package enum Effect: Equatable, Sendable {
    case deliver(number: UInt64, Bytes)
    case acknowledge(StreamPair, upTo: UInt64)
    case discard(number: UInt64, because: DiscardReason)
    case resynchronise(because: Reason)
  }

  package enum Reason: Equatable, Sendable {
    /// These numbers will never come; the stream goes on behind them.
    case lost(Range<UInt64>)
    /// Reported once a silence. The stream goes on when the sender does.
    case senderSilent
    /// A later life of the sender speaks: this stream is over.
    case senderReborn(Incarnation)
  }

  package enum DiscardReason: Equatable, Sendable {
    case duplicate
    /// More frames wait for an earlier one than may.
    case tooEarly
    /// Sent by, or to, another life.
    case otherLife
    /// Numbers that no sender of ours writes.
    case malformed
  }

  /// Far beyond what is ever reached, and far from overflow.
  private static let numberMax: UInt64 = 1 << 62

  package let pair: StreamPair
  package let limits: Limits
  /// All before this number are delivered or given up.
  package private(set) var expectedNumber: UInt64 = 1
  /// Ascending.
  private var early: [(number: UInt64, payload: Bytes)] = []
  package private(set) var earlyByteCount = 0
  private var unacknowledgedCount = 0
  private var acknowledgeAt: UInt64?
  private var lastHeardAt: UInt64
  private var isSilent = false

  package init(pair: StreamPair, at now: UInt64, limits: Limits = Limits()) {
    precondition(limits.acknowledgeAfterCount > 0 && limits.earlyCountMax >= 0)
    self.pair = pair
    self.limits = limits
    lastHeardAt = now
  }

  package var earlyCount: Int { early.count }

  /// When the timer is to fire next; `nil` when there is nothing to wait for.
  package var deadline: UInt64? {
    let silentAt = isSilent ? nil : limits.silenceMax.map { lastHeardAt + $0 }
    guard let acknowledgeAt else { return silentAt }
    return silentAt.map { min($0, acknowledgeAt) } ?? acknowledgeAt
  }

  /// - Parameter now: nanoseconds of one monotonic clock.
  package mutating func step(_ input: Input, at now: UInt64, into effects: inout [Effect]) {
    switch input {
    case .frame(let other, let number, let mark, let payload):
      guard admits(other, number: number, from: 1, at: now, into: &effects) else { return }
      if mark.contains(.nothingOlder) { skip(to: number, into: &effects) }
      receive(payload, number: number, at: now, into: &effects)
    case .heartbeat(let other, let last, let mark):
      guard admits(other, number: last, from: 0, at: now, into: &effects) else { return }
      if mark.contains(.nothingOlder) { skip(to: last + 1, into: &effects) }
      if mark.contains(.answer) { acknowledge(into: &effects) }
    case .timerFired: timerFired(at: now, into: &effects)
    }
    assert(early.count <= limits.earlyCountMax && earlyByteCount <= limits.earlyBytesMax)
  }

  private mutating func admits(
    _ other: StreamPair, number: UInt64, from first: UInt64, at now: UInt64,
    into effects: inout [Effect]
  ) -> Bool {
    guard other == pair else {
      effects.append(.discard(number: number, because: .otherLife))
      if other.receiver == pair.receiver, other.sender > pair.sender {
        effects.append(.resynchronise(because: .senderReborn(other.sender)))
      }
      return false
    }
    guard (first...Self.numberMax).contains(number) else {
      effects.append(.discard(number: number, because: .malformed))
      return false
    }
    lastHeardAt = now
    isSilent = false
    return true
  }

  private mutating func receive(
    _ payload: Bytes, number: UInt64, at now: UInt64, into effects: inout [Effect]
  ) {
    guard number >= expectedNumber else {
      effects.append(.discard(number: number, because: .duplicate))
      acknowledge(into: &effects)
      return
    }
    guard number == expectedNumber else {
      keepEarly(payload, number: number, into: &effects)
      acknowledgeLater(at: now)
      return
    }
    deliver(payload, into: &effects)
    deliverEarly(into: &effects)
    if unacknowledgedCount >= limits.acknowledgeAfterCount {
      acknowledge(into: &effects)
    } else {
      acknowledgeLater(at: now)
    }
  }

  private mutating func keepEarly(
    _ payload: Bytes, number: UInt64, into effects: inout [Effect]
  ) {
    let place = (early.lastIndex { $0.number <= number }).map { $0 + 1 } ?? 0
    if place > 0, early[place - 1].number == number {
      effects.append(.discard(number: number, because: .duplicate))
      return
    }
    guard early.count < limits.earlyCountMax,
      earlyByteCount + payload.count <= limits.earlyBytesMax
    else {
      effects.append(.discard(number: number, because: .tooEarly))
      return
    }
    early.insert((number, payload), at: place)
    earlyByteCount += payload.count
  }

  /// What is older than `oldest` and has not been delivered yet never will be.
  private mutating func skip(to oldest: UInt64, into effects: inout [Effect]) {
    guard oldest > expectedNumber else { return }
    effects.append(.resynchronise(because: .lost(expectedNumber..<oldest)))
    expectedNumber = oldest
    let outdated = early.prefix { $0.number < oldest }
    for frame in outdated { earlyByteCount -= frame.payload.count }
    early.removeFirst(outdated.count)
    deliverEarly(into: &effects)
  }

  private mutating func deliverEarly(into effects: inout [Effect]) {
    var count = 0
    while count < early.count, early[count].number == expectedNumber {
      earlyByteCount -= early[count].payload.count
      deliver(early[count].payload, into: &effects)
      count += 1
    }
    early.removeFirst(count)
  }

  private mutating func deliver(_ payload: Bytes, into effects: inout [Effect]) {
    effects.append(.deliver(number: expectedNumber, payload))
    expectedNumber += 1
    unacknowledgedCount += 1
  }

  private mutating func acknowledgeLater(at now: UInt64) {
    if acknowledgeAt == nil { acknowledgeAt = now + limits.acknowledgeAfter }
  }

  private mutating func acknowledge(into effects: inout [Effect]) {
    unacknowledgedCount = 0
    acknowledgeAt = nil
    effects.append(.acknowledge(pair, upTo: expectedNumber - 1))
  }

  private mutating func timerFired(at now: UInt64, into effects: inout [Effect]) {
    if let acknowledgeAt, now >= acknowledgeAt { acknowledge(into: &effects) }
    if let silenceMax = limits.silenceMax, !isSilent, now >= lastHeardAt + silenceMax {
      isSilent = true
      effects.append(.resynchronise(because: .senderSilent))
    }
  }
}
