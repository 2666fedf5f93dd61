import ClusterModel
import Execution
import Lattices
import Platform
package import PluginHost
import SharedCache
import WireProtocol

extension ExecutorLoop: HostServices {
  package func result(_ call: CallHandle, _ value: BorrowedValue) throws(HostRefusal) {
    let body = try running(call)
    guard body.outcome == nil else { throw HostRefusal(.invalid, "the call has its end already") }
    guard value.bytes.count <= Limits.valueBytesMax else {
      // Before it is copied: two of that size may be more than the call's memory.
      let failure = Failure.resultTooLarge(value.bytes.count)
      body.outcome = .refused(failure)
      throw HostRefusal(.tooLarge, failure.message)
    }
    body.outcome = .result(encoding: value.encoding, Array(value.bytes)[...])
  }

  package func fail(_ call: CallHandle, code: String, message: String) throws(HostRefusal) {
    let body = try running(call)
    guard body.outcome == nil else { throw HostRefusal(.invalid, "the call has its end already") }
    body.outcome = .failed(code: code, message: message)
  }

  package func complete(_ call: CallHandle) throws(HostRefusal) {
    try running(call).isComplete = true
  }

  package func startRead(
    _ call: CallHandle, key: BorrowedBytes, token: UInt64
  ) throws(HostRefusal) {
    let body = try running(call)
    let key = try checked(key)
    lastToken += 1
    body.awaited.append((lastToken, token))
    try submit(.read(key, token: lastToken))
  }

  package func readBlocking(
    _ call: CallHandle, key: BorrowedBytes
  ) throws(HostRefusal) -> StoredView? {
    let body = try running(call)
    let key = try checked(key)
    if let answer = readHit(key) { return try body.lend(answer) }
    let token = try beginRead(key)
    while true {
      if let answer = takeAnswer(token) { return try body.lend(answer) }
      try pump()
    }
  }

  package func readAtHand(
    _ call: CallHandle, key: BorrowedBytes
  ) throws(HostRefusal) -> ReadOutcome {
    let body = try running(call)
    let key = try checked(key)
    if let answer = readHit(key) { return try body.lend(answer).map(ReadOutcome.found) ?? .missing }
    let token = try beginRead(key)
    // Not at hand: it is being fetched now, and the answer finds nobody who waits for it.
    guard let answer = takeAnswer(token) else { return .wouldWait }
    return try body.lend(answer).map(ReadOutcome.found) ?? .missing
  }

  package func put(
    _ call: CallHandle, key: BorrowedBytes, _ value: BorrowedValue
  ) throws(HostRefusal) {
    try write(call, key, .put) { write in
      write.encoding = value.encoding
      write.value = Array(value.bytes)[...]
    }
  }

  package func remove(_ call: CallHandle, key: BorrowedBytes) throws(HostRefusal) {
    try write(call, key, .delete) { _ in }
  }

  package func add(
    _ call: CallHandle, key: BorrowedBytes, _ amount: Int64
  ) throws(HostRefusal) {
    try write(call, key, .addToCounter) { $0.delta = amount }
  }

  package func insert(
    _ call: CallHandle, key: BorrowedBytes, _ element: BorrowedValue
  ) throws(HostRefusal) {
    try write(call, key, .addToSet) { write in
      write.encoding = element.encoding
      write.value = GrowSet([Array(element.bytes)[...]]).serialized()[...]
    }
  }

  package func log(_ call: CallHandle, level: Int, message: String) throws(HostRefusal) {
    let body = try running(call)
    var line = LogLines.Line()
    line.level = UInt32(clamping: level)
    line.text = String(message.prefix(Self.logTextMax))
    line.invocation = body.invocationID
    line.function = body.function
    line.time = WallClock.milliseconds
    logLines.append(line)
    guard logLines.count >= Self.logLinesMax else { return }
    try onLoop { () throws in try sendLogs() }
  }

  package func remainingTime(_ call: CallHandle) throws(HostRefusal) -> Duration? {
    _ = try running(call)
    return core.remaining(at: readings).map { .nanoseconds(Int64(clamping: $0)) }
  }
}

extension ExecutorLoop {
  /// Lines gathered before they are sent while a body keeps the loop.
  private static let logLinesMax = 64
  /// Characters of one line.
  private static let logTextMax = 8192

  private func running(_ call: CallHandle) throws(HostRefusal) -> RunningBody {
    guard let body, body.call == call, !body.isComplete else {
      throw HostRefusal(.staleCall, "the call is over")
    }
    return body
  }

  private func checked(_ key: BorrowedBytes) throws(HostRefusal) -> Key {
    guard let key = Key(checking: Array(key)[...]) else {
      throw HostRefusal(.keyInvalid, "a key is 1 to \(Limits.keyBytesMax) bytes of UTF-8")
    }
    return key
  }

  /// What most reads are: of a small value that the shared cache has.
  private func readHit(_ key: Key) -> ReadAnswer? {
    guard core.readsStraight, let found = try? reader?.read(key), found.large == nil else {
      return nil
    }
    return core.takeHit(
      found.record, of: key, acknowledged: reader?.acknowledgedSequence ?? 0,
      wall: { WallClock.milliseconds })
  }

  private func beginRead(_ key: Key) throws(HostRefusal) -> UInt64 {
    lastToken += 1
    let token = lastToken
    try submit(.read(key, token: token))
    return token
  }

  private func takeAnswer(_ token: UInt64) -> ReadAnswer? {
    guard let place = answers.firstIndex(where: { $0.token == token }) else { return nil }
    return answers.remove(at: place).answer
  }

  private func write(
    _ call: CallHandle, _ key: BorrowedBytes, _ kind: CacheWrite.Kind,
    _ fill: (inout CacheWrite) -> Void
  ) throws(HostRefusal) {
    _ = try running(call)
    var write = CacheWrite(key: try checked(key), kind: kind)
    fill(&write)
    while true {
      try submit(.write(write))
      guard let refusal = writeRefusal else { return }
      writeRefusal = nil
      switch refusal {
      case .reserved: throw HostRefusal(.keyReserved, "\(write.key) is the platform's own")
      case .valueTooLarge:
        throw HostRefusal(.tooLarge, "a value is at most \(Limits.valueBytesMax) bytes")
      case .lattice:
        throw HostRefusal(.lattice, "this call gave \(write.key) a value of another type")
      case .full:
        // The cache's answers make room; none comes after the deadline that could be used.
        if core.remaining(at: readings) == 0 { throw HostRefusal(.deadline, "writes wait") }
        try pump()
      }
    }
  }

  /// Waits for the agent and takes what it says; starts no call and runs no turn.
  private func pump() throws(HostRefusal) {
    if case .lostAgent(let reason)? = ending { throw HostRefusal(.unavailable, reason) }
    try onLoop { () throws in
      try sendLogs()
      try turnOnce(mayRun: false)
    }
  }

  private func submit(_ input: Executor.Input) throws(HostRefusal) {
    try onLoop { () throws in try feed(input) }
  }

  /// A socket that fails ends the process, once the body has given control back.
  private func onLoop(_ work: () throws -> Void) throws(HostRefusal) {
    do {
      try work()
    } catch {
      ending = ending ?? .lostAgent("\(error)")
      throw HostRefusal(.unavailable, "\(error)")
    }
  }
}
