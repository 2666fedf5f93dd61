/// The two lives between which a stream is numbered; another life of either is another stream.
package struct StreamPair: Hashable, Sendable {
  package let sender: Incarnation
  package let receiver: Incarnation

  package init(sender: Incarnation, receiver: Incarnation) {
    self.sender = sender
    self.receiver = receiver
  }
}

/// What a frame or heartbeat says besides its number; the bits fit a frame header's flags.
package struct StreamMark: OptionSet, Hashable, Sendable {
  package let rawValue: UInt16
  package init(rawValue: UInt16) { self.rawValue = rawValue }

  /// No earlier number can still be sent. On a heartbeat: nor its own.
  package static let nothingOlder = StreamMark(rawValue: 1)
  /// A heartbeat that is repeated until it is acknowledged.
  package static let answer = StreamMark(rawValue: 2)
}

/// The sending end of a one-way stream over a transport that may lose, repeat and reorder.
///
/// Frames are numbered from 1 and kept until they are acknowledged, so that they can be sent
/// again. The oldest one kept is marked: a receiver that still waits for an earlier one knows that
/// it will never come.
///
/// When the peer stays silent too long the stream says `resynchronise` and takes nothing more; the
/// owner brings the peer up to date by other means (all state, a new hello) and then says
/// `restart`. For a peer with a new incarnation it makes a new sender instead.
package struct NumberedSender: Sendable {
  /// Times in nanoseconds.
  package struct Limits: Sendable {
    /// Frames and bytes that may be unacknowledged; at either a payload is refused.
    package var windowCountMax = 1024
    package var windowBytesMax = 8 << 20
    /// The first pause before frames are sent again; doubled each time up to the second.
    package var retransmitAfter: UInt64 = 50_000_000
    package var retransmitAfterMax: UInt64 = 1_000_000_000
    /// Frames sent again at a time.
    package var retransmitCountMax = 64
    /// A pause in which nothing was sent ends with a heartbeat; `nil`: an idle stream is silent.
    package var heartbeatInterval: UInt64? = 500_000_000
    /// Without an acknowledgement for so long the peer counts as silent.
    package var silenceMax: UInt64 = 3_000_000_000

    package init() {}

    fileprivate func checkRelations() {
      precondition(windowCountMax > 0 && windowBytesMax > 0 && retransmitCountMax > 0)
      precondition(retransmitAfter > 0 && retransmitAfter <= retransmitAfterMax, "pauses grow")
      precondition(
        retransmitAfterMax < silenceMax, "frames are repeated before the peer is given up")
    }
  }

  package enum Input: Equatable, Sendable {
    case send(Bytes)
    /// All frames up to this number have arrived.
    case acknowledgement(of: StreamPair, upTo: UInt64)
    case timerFired
    /// The owner has brought the peer up to date: what waited is not sent again.
    case restart
  }

  package enum Effect: Equatable, Sendable {
    case transmit(number: UInt64, StreamMark, Bytes)
    case heartbeat(last: UInt64, StreamMark)
    /// The window is full, or the stream waits for `restart`; the payload was not taken.
    case refuse(Bytes)
    /// All frames up to this number are the receiver's now. Reported when it grows.
    case acknowledged(upTo: UInt64)
    case resynchronise(because: Reason)
  }

  package enum Reason: Equatable, Sendable {
    case peerSilent
    /// It acknowledges what was never sent: one of the two has lost its memory.
    case impossibleAcknowledgement
  }

  package let pair: StreamPair
  package let limits: Limits
  package private(set) var lastNumber: UInt64 = 0
  package private(set) var acknowledgedNumber: UInt64 = 0
  /// Between `resynchronise` and `restart`.
  package private(set) var isSuspended = false
  /// Payloads of `oldestNumber...lastNumber`.
  private var window: [Bytes] = []
  private var windowStart = 0
  package private(set) var windowByteCount = 0
  private var retransmitPause: UInt64
  private var retransmitAt: UInt64 = 0
  /// The peer's last sign of life, or when it first had something to answer.
  private var silentSince: UInt64 = 0
  private var lastSentAt: UInt64

  package init(pair: StreamPair, at now: UInt64, limits: Limits = Limits()) {
    limits.checkRelations()
    self.pair = pair
    self.limits = limits
    retransmitPause = limits.retransmitAfter
    lastSentAt = now
  }

  package var windowCount: Int { window.count - windowStart }
  private var oldestNumber: UInt64 { lastNumber - UInt64(windowCount) + 1 }
  private var isWaiting: Bool { acknowledgedNumber < lastNumber }

  /// When the timer is to fire next; `nil` when there is nothing to wait for.
  package var deadline: UInt64? {
    guard !isSuspended else { return nil }
    let heartbeatAt = limits.heartbeatInterval.map { lastSentAt + $0 }
    guard isWaiting else { return heartbeatAt }
    let waitingEnds = min(retransmitAt, silentSince + limits.silenceMax)
    return heartbeatAt.map { min($0, waitingEnds) } ?? waitingEnds
  }

  /// - Parameter now: nanoseconds of one monotonic clock.
  package mutating func step(_ input: Input, at now: UInt64, into effects: inout [Effect]) {
    switch input {
    case .send(let payload): send(payload, at: now, into: &effects)
    case .acknowledgement(let other, let number):
      if other == pair { acknowledge(upTo: number, at: now, into: &effects) }
    case .timerFired: timerFired(at: now, into: &effects)
    case .restart: restart(at: now, into: &effects)
    }
    assert(windowCount <= limits.windowCountMax && windowByteCount <= limits.windowBytesMax)
  }

  private mutating func send(_ payload: Bytes, at now: UInt64, into effects: inout [Effect]) {
    let fits =
      windowCount < limits.windowCountMax
      && windowByteCount + payload.count <= limits.windowBytesMax
    guard !isSuspended, fits else {
      effects.append(.refuse(payload))
      return
    }
    if !isWaiting { startWaiting(at: now) }
    lastNumber += 1
    window.append(payload)
    windowByteCount += payload.count
    lastSentAt = now
    effects.append(.transmit(number: lastNumber, mark(of: lastNumber), payload))
  }

  private mutating func acknowledge(
    upTo number: UInt64, at now: UInt64, into effects: inout [Effect]
  ) {
    guard !isSuspended else { return }
    // The peer lives, even where a loss keeps it from getting on.
    silentSince = now
    guard number > acknowledgedNumber else { return }
    guard number <= lastNumber else {
      suspend(because: .impossibleAcknowledgement, into: &effects)
      return
    }
    while windowCount > 0, oldestNumber <= number { removeOldest() }
    acknowledgedNumber = number
    startWaiting(at: now)
    effects.append(.acknowledged(upTo: number))
  }

  private mutating func timerFired(at now: UInt64, into effects: inout [Effect]) {
    guard !isSuspended else { return }
    if isWaiting, now >= silentSince + limits.silenceMax {
      suspend(because: .peerSilent, into: &effects)
    } else if isWaiting, now >= retransmitAt {
      retransmit(at: now, into: &effects)
    } else if let interval = limits.heartbeatInterval, now >= lastSentAt + interval {
      sendHeartbeat(at: now, into: &effects)
    }
  }

  private mutating func retransmit(at now: UInt64, into effects: inout [Effect]) {
    retransmitPause = min(retransmitPause * 2, limits.retransmitAfterMax)
    retransmitAt = now + retransmitPause
    guard windowCount > 0 else {
      // After a restart only the heartbeat tells the receiver what it will never get.
      sendHeartbeat(at: now, into: &effects)
      return
    }
    lastSentAt = now
    for offset in 0..<min(windowCount, limits.retransmitCountMax) {
      let number = oldestNumber + UInt64(offset)
      effects.append(.transmit(number: number, mark(of: number), window[windowStart + offset]))
    }
  }

  private mutating func restart(at now: UInt64, into effects: inout [Effect]) {
    window = []
    windowStart = 0
    windowByteCount = 0
    isSuspended = false
    startWaiting(at: now)
    sendHeartbeat(at: now, into: &effects)
  }

  private mutating func sendHeartbeat(at now: UInt64, into effects: inout [Effect]) {
    lastSentAt = now
    var mark: StreamMark = []
    if windowCount == 0 { mark.insert(.nothingOlder) }
    if windowCount == 0 && isWaiting { mark.insert(.answer) }
    effects.append(.heartbeat(last: lastNumber, mark))
  }

  private func mark(of number: UInt64) -> StreamMark {
    number == oldestNumber ? .nothingOlder : []
  }

  private mutating func suspend(because reason: Reason, into effects: inout [Effect]) {
    isSuspended = true
    effects.append(.resynchronise(because: reason))
  }

  private mutating func startWaiting(at now: UInt64) {
    silentSince = now
    retransmitPause = limits.retransmitAfter
    retransmitAt = now + retransmitPause
  }

  private mutating func removeOldest() {
    windowByteCount -= window[windowStart].count
    window[windowStart] = []
    windowStart += 1
    // Moving the rest only once it is the smaller half keeps the cost per frame constant.
    if windowStart * 2 >= window.count {
      window.removeFirst(windowStart)
      windowStart = 0
    }
  }
}
