import ClusterModel
import WireProtocol

/// A request that the store has not answered.
struct PendingRequest {
  /// Monotonic.
  let deadline: UInt64
  let byteCount: Int
  /// Nil where nobody waits for the answer.
  let address: AnswerAddress?
  /// The answer as far as it is known: all but what the store is asked for.
  var answer: AnnaKeyResponse
  /// Which of its tuples the store is asked for, in the order of `request`.
  let asked: [Int]
  let request: KeyRequest
}

/// Key requests, to the store and back.
extension AnnaDoor {
  mutating func serveKeys(_ frame: Bytes, at now: UInt64, into effects: inout [Effect]) {
    let sent = try? AnnaKeyRequest.decode(frame)
    let address = (sent?.responseAddress).flatMap { AnswerAddress($0) }
    guard let sent, !sent.tuples.isEmpty, address != nil || sent.responseAddress.isEmpty else {
      statistics.malformed += 1
      return
    }
    statistics.requests += 1
    // Nobody would hear of what is read.
    guard address != nil || sent.type == AnnaRequestType.put.rawValue else { return }
    let request = translated(sent, frame.count, address, at: now)
    guard !request.asked.isEmpty else {
      return reply(request, at: now, into: &effects)
    }
    guard hasRoom(for: request) else {
      statistics.refused += 1
      return reply(request.failing(.timeout), at: now, into: &effects)
    }
    let number = next
    next += 1
    // The first after a quiet time: everything below has ended.
    if pending.isEmpty { oldest = number }
    pending[number] = request
    pendingBytes += request.byteCount
    if isStoreReady { effects.append(.ask(request.request, number: number)) }
  }

  /// One request always has room, however long it is: its frame was let in.
  private func hasRoom(for request: PendingRequest) -> Bool {
    pending.isEmpty
      || (pending.count < limits.pendingRequestsMax
        && pendingBytes + request.byteCount <= limits.pendingBytesMax)
  }

  private func translated(
    _ sent: AnnaKeyRequest, _ byteCount: Int, _ address: AnswerAddress?, at now: UInt64
  ) -> PendingRequest {
    var answer = AnnaKeyResponse()
    answer.type = sent.type
    answer.responseID = sent.requestID
    var request = KeyRequest()
    var asked: [Int] = []
    let type = AnnaRequestType(rawValue: sent.type)
    request.type = type == .put ? .put : .get
    for tuple in sent.tuples {
      var outcome = AnnaKeyTuple()
      outcome.key = tuple.key
      outcome.invalidate = isStale(tuple.addressCacheSize)
      switch question(tuple, type, isSmall: sent.tuples.count <= limits.tuplesPerRequestMax) {
      case .ask(let question):
        asked.append(answer.tuples.count)
        request.tuples.append(question)
        if type == .put { outcome.latticeType = tuple.latticeType }
      case .refuse(let error): outcome.error = error
      }
      answer.tuples.append(outcome)
    }
    return PendingRequest(
      deadline: now &+ limits.requestPatience.wholeNanoseconds, byteCount: byteCount,
      address: address, answer: answer, asked: asked, request: request)
  }

  /// Whether the client holds another list of endpoints than it would get now; zero is no list.
  private func isStale(_ addressCacheSize: UInt32) -> Bool {
    addressCacheSize > 0 && addressCacheSize != UInt32(endpoints.count)
  }

  private enum Question {
    case ask(KeyTuple)
    case refuse(AnnaError)
  }

  /// What the store is asked about one key.
  private func question(
    _ tuple: AnnaKeyTuple, _ type: AnnaRequestType?, isSmall: Bool
  ) -> Question {
    guard let type, isSmall else { return .refuse(.badRequest) }
    guard let key = Key(checking: tuple.key) else { return .refuse(AnnaError(.keyInvalid)) }
    var question = KeyTuple(key: key)
    guard type == .put else { return .ask(question) }
    guard tuple.latticeType <= LatticeType.priority.rawValue,
      let lattice = LatticeType(rawValue: UInt8(tuple.latticeType)), lattice != .none
    else { return .refuse(.lattice) }
    if lattice == .lastWriterWins {
      guard let value = try? AnnaLWWValue.decode(tuple.payload) else { return .refuse(.badRequest) }
      question.record = Record.foreign(stamp: value.timestamp, payload: value.value).encoded()
    } else {
      question.record =
        Record(lattice: lattice, flags: .blind, payload: tuple.payload).encoded()
    }
    return .ask(question)
  }

  mutating func askAgain(into effects: inout [Effect]) {
    for number in oldest..<next {
      guard let request = pending[number] else { continue }
      effects.append(.ask(request.request, number: number))
    }
  }

  mutating func take(
    _ response: KeyResponse, number: UInt64, at now: UInt64, into effects: inout [Effect]
  ) {
    guard var request = pending[number] else { return }
    if let failure = response.failure {
      return end(number, failing: AnnaError(failure.code), at: now, into: &effects)
    }
    guard response.tuples.count == request.asked.count else {
      return end(number, failing: AnnaError(.internalError), at: now, into: &effects)
    }
    for (index, tuple) in zip(request.asked, response.tuples) {
      fill(&request.answer.tuples[index], from: tuple, isRead: request.request.type == .get)
    }
    remove(number)
    reply(request, at: now, into: &effects)
  }

  private func fill(_ outcome: inout AnnaKeyTuple, from tuple: KeyTuple, isRead: Bool) {
    if let failure = tuple.failure {
      outcome.error = AnnaError(failure.code)
      outcome.latticeType = 0
      return
    }
    guard isRead else { return }
    guard let record = try? Record(tuple.record),
      record.lattice.rawValue <= LatticeType.priority.rawValue
    else {
      // A type that only native clients know.
      outcome.error = .lattice
      return
    }
    outcome.latticeType = UInt32(record.lattice.rawValue)
    outcome.payload =
      record.lattice == .lastWriterWins
      ? AnnaLWWValue(timestamp: record.foreignStamp ?? record.stamp, value: record.payload)
        .encoded() : record.payload
  }

  mutating func end(
    _ number: UInt64, failing error: AnnaError, at now: UInt64, into effects: inout [Effect]
  ) {
    guard let request = pending[number] else { return }
    remove(number)
    reply(request.failing(error), at: now, into: &effects)
  }

  private mutating func remove(_ number: UInt64) {
    guard let request = pending.removeValue(forKey: number) else { return }
    pendingBytes -= request.byteCount
    while oldest < next, pending[oldest] == nil { oldest += 1 }
  }

  private mutating func reply(
    _ request: PendingRequest, at now: UInt64, into effects: inout [Effect]
  ) {
    guard let address = request.address else { return }
    answer(Array(request.answer.encoded()), to: address, at: now, into: &effects)
  }
}

extension PendingRequest {
  /// The same with one error for every key that the store was asked for.
  func failing(_ error: AnnaError) -> PendingRequest {
    var failed = self
    for index in asked {
      failed.answer.tuples[index].error = error
      failed.answer.tuples[index].latticeType = 0
    }
    return failed
  }
}
