import ClusterModel
import StoreAccess
import WireProtocol

extension ClientCore {
  mutating func receive(
    _ bytes: Bytes, over lane: Lane, at now: UInt64, into effects: inout [Effect]
  ) {
    let frame: Frame
    do throws(WireError) {
      frame = try Frame(bytes)
    } catch .badFormatVersion(let version) {
      takeRefusal(.anotherProtocol(version), over: lane, at: now, into: &effects)
      return
    } catch {
      // A kind of a newer version, or noise: the request it may answer ends at its time limit.
      return
    }
    do throws(WireError) {
      try take(frame, over: lane, at: now, into: &effects)
    } catch {
      let failure = Failure(
        .internalError, "an answer (\(frame.header.kind)) could not be read: \(error)")
      finish(frame.header.number, .failed(failure), into: &effects)
    }
    flush(lane, at: now, into: &effects)
  }

  private mutating func take(
    _ frame: Frame, over lane: Lane, at now: UInt64, into effects: inout [Effect]
  ) throws(WireError) {
    let ticket = frame.header.number
    if case .shard(let index) = lane, connections[lane] != nil {
      switch frame.header.kind {
      case .keyResponse, .watchEvent, .ring:
        return route(.frame(frame, over: Route(index)), at: now, into: &effects)
      case .refusal where ticket != 0:
        return route(.frame(frame, over: Route(index)), at: now, into: &effects)
      default: break
      }
    }
    switch frame.header.kind {
    case .welcome: takeWelcome(try .decode(frame.body), over: lane, at: now, into: &effects)
    case .refusal:
      let failure = try FailureMessage.decode(frame.body).failure
      refuse(ticket, failure, over: lane, at: now, into: &effects)
    case .sayHello: takeBack(ticket, over: lane, at: now, into: &effects)
    case .result:
      guard case .call(_, let header) = entries[ticket]?.request.body else { return }
      take(try .decode(frame.body), of: ticket, header, into: &effects)
    case .controlResponse: finish(ticket, .control(frame.body), into: &effects)
    default: break
    }
  }

  private mutating func refuse(
    _ ticket: UInt64, _ failure: Failure, over lane: Lane, at now: UInt64,
    into effects: inout [Effect]
  ) {
    if entries[ticket] != nil {
      finish(ticket, .failed(failure), into: &effects)
    } else if connections[lane]?.phase != .up {
      takeRefusal(failure, over: lane, at: now, into: &effects)
    }
  }

  /// A peer that does not know us has run nothing: the request waits for the next welcome.
  private mutating func takeBack(
    _ ticket: UInt64, over lane: Lane, at now: UInt64, into effects: inout [Effect]
  ) {
    if case .shard(let index) = lane {
      route(.unread(number: ticket, Route(index)), at: now, into: &effects)
    } else if let entry = entries[ticket], entry.isSent {
      entries[ticket]?.isSent = false
      connections[lane]?.sent.remove(ticket)
      let place = entry.place(in: connections[lane])
      connections[lane]?.waiting.insert(ticket, at: place)
    }
    // Several frames may be sent back; one hello answers for all.
    if connections[lane]?.phase == .up { greet(lane, at: now, into: &effects) }
  }

  private mutating func take(
    _ result: CallResult, of ticket: UInt64, _ header: CallHeader, into effects: inout [Effect]
  ) {
    // Numbers are ours, but another process that claims our incarnation counts alike.
    guard result.invocation == header.invocation || result.invocation == .none else { return }
    if let token = try? SessionToken.decode(result.session) {
      session.merge(token, isVolatile: isVolatile(header.writeLevel))
    }
    guard var failure = result.failure else {
      finish(ticket, .result(result), into: &effects)
      return
    }
    failure.requestID = failure.requestID ?? header.invocation
    finish(ticket, .failed(failure), into: &effects)
  }

  mutating func take(
    _ response: KeyResponse, of ticket: UInt64, _ access: KeyAccess, into effects: inout [Effect]
  ) {
    if let failure = response.failure {
      finish(ticket, .failed(failure), into: &effects)
      return
    }
    for tuple in response.tuples where tuple.failure == nil {
      switch access {
      case .write(let level):
        session.record(tuple.key, tuple.version, isVolatile: isVolatile(level))
      case .read:
        guard let record = try? Record(tuple.record) else { continue }
        takeFuture(tuple.key, record)
        session.record(tuple.key, record.version, isVolatile: isVolatile(nil))
      }
    }
    finish(ticket, .keys(response), into: &effects)
  }

  /// The stored result of a submitted call carries what the call wrote and read.
  mutating func takeFuture(_ key: Key, _ record: Record) {
    guard key.bytes.starts(with: ReservedKeys.futurePrefix.utf8),
      let result = try? CallResult.decode(record.payload),
      let token = try? SessionToken.decode(result.session)
    else { return }
    session.merge(token, isVolatile: isVolatile(nil))
  }

  /// Whether a restart of the shard may lose what was written or read at this level.
  private func isVolatile(_ level: WriteLevel?) -> Bool {
    (level ?? welcome?.writeLevel ?? .accepted) < .durable
  }
}

extension ClientCore.Entry {
  /// Where a request goes back into its queue: by age, so that order survives a refusal.
  fileprivate func place(in connection: ClientCore.Connection?) -> Int {
    let waiting = connection?.waiting ?? []
    return waiting.firstIndex { $0 > request.ticket } ?? waiting.count
  }
}

extension Failure {
  fileprivate static func anotherProtocol(_ version: UInt8) -> Failure {
    Failure(
      .protocolVersion,
      "the cluster speaks protocol version \(version), this client \(FrameHeader.protocolVersion)",
      hint: "use the cbctl or the CloudburstClient of the cluster's version")
  }
}
