import ClusterModel
import WireProtocol

extension ClientCore {
  struct Watch {
    let key: Key
    /// Where the shard was asked; nil while it is not.
    var lane: Lane?
    var seen = Seen.nothing
    /// The life of the shard that `seen` comes from: another may have lost what this one knew.
    var incarnation: Incarnation?

    enum Seen: Equatable {
      case nothing
      case absent
      case version(Version)
    }
  }

  mutating func watch(_ key: Key, as ticket: UInt64, into effects: inout [Effect]) {
    precondition(watches[ticket] == nil && entries[ticket] == nil, "a ticket names one watch")
    guard !isClosed, watches.count < limits.watchesMax else {
      let failure = Failure(
        .overloaded, "\(watches.count) keys are watched by this client, which is its limit",
        hint: "let go of watches that are no longer read")
      effects.append(.endWatch(ticket: ticket, isClosed ? .closed : failure))
      return
    }
    watches[ticket] = Watch(key: key)
    if let lane = shard(of: key), connections[lane]?.phase == .up {
      ask(ticket, over: lane, into: &effects)
    }
  }

  mutating func unwatch(_ ticket: UInt64, into effects: inout [Effect]) {
    guard let watch = watches.removeValue(forKey: ticket), let lane = watch.lane,
      connections[lane]?.phase == .up
    else { return }
    effects.append(.send(Empty().framed(.unwatch, number: ticket), over: lane))
  }

  mutating func endWatch(_ ticket: UInt64, _ failure: Failure, into effects: inout [Effect]) {
    watches[ticket] = nil
    effects.append(.endWatch(ticket: ticket, failure))
  }

  /// Asks a shard that has just welcomed us for everything that is watched there.
  mutating func resumeWatches(over lane: Lane, into effects: inout [Effect]) {
    for ticket in watches.keys.sorted() {
      guard let watch = watches[ticket], shard(of: watch.key) == lane else { continue }
      ask(ticket, over: lane, into: &effects)
    }
  }

  private mutating func ask(_ ticket: UInt64, over lane: Lane, into effects: inout [Effect]) {
    guard let watch = watches[ticket], let connection = connections[lane] else { return }
    var request = WatchRequest()
    request.key = watch.key
    // A shard that came back may be behind what we saw: then its state, whatever it is, is news.
    if case .version(let version) = watch.seen, watch.incarnation == connection.incarnation {
      request.known = version
    }
    watches[ticket]?.lane = lane
    effects.append(.send(request.framed(.watch, number: ticket), over: lane))
  }

  mutating func takeEvent(
    _ event: KeyResponse, of ticket: UInt64, over lane: Lane, into effects: inout [Effect]
  ) throws(WireError) {
    if let failure = event.failure ?? event.tuples.first?.failure, failure.code != .keyNotFound {
      if watches[ticket] != nil { endWatch(ticket, failure, into: &effects) }
      finish(ticket, .failed(failure), into: &effects)
      return
    }
    let bytes = event.tuples.first?.record ?? []
    let stored = bytes.isEmpty ? nil : try Record(bytes)
    let record = stored.flatMap { $0.isTombstone ? nil : $0 }
    if watches[ticket] != nil {
      notice(record, stored: stored, of: ticket, over: lane, into: &effects)
    } else if let record {
      if let key = event.tuples.first?.key { takeFuture(key, record) }
      abandon(ticket, into: &effects)
      finish(ticket, .present(record), into: &effects)
    }
  }

  private mutating func notice(
    _ record: Record?, stored: Record?, of ticket: UInt64, over lane: Lane,
    into effects: inout [Effect]
  ) {
    let state: Watch.Seen = record.map { .version($0.version) } ?? .absent
    watches[ticket]?.incarnation = connections[lane]?.incarnation
    guard watches[ticket]?.seen != state else { return }
    watches[ticket]?.seen = state
    effects.append(.update(ticket: ticket, record))
  }
}
