import ClusterModel
import StoreAccess
import WireProtocol

extension ClientCore {
  struct Watch {
    var seen = Seen.nothing

    enum Seen: Equatable {
      case nothing
      case absent
      case version(Version)
    }
  }

  mutating func watch(
    _ key: Key, as ticket: UInt64, at now: UInt64, into effects: inout [Effect]
  ) {
    precondition(watches[ticket] == nil && entries[ticket] == nil, "a ticket names one watch")
    guard !isClosed, watches.count < limits.watchesMax else {
      let failure = Failure(
        .overloaded, "\(watches.count) keys are watched by this client, which is its limit",
        hint: "let go of watches that are no longer read")
      effects.append(.endWatch(ticket: ticket, isClosed ? .closed : failure))
      return
    }
    watches[ticket] = Watch()
    route(.watch(number: ticket, key), at: now, into: &effects)
  }

  mutating func unwatch(_ ticket: UInt64, at now: UInt64, into effects: inout [Effect]) {
    guard watches.removeValue(forKey: ticket) != nil else { return }
    route(.unwatch(number: ticket), at: now, into: &effects)
  }

  mutating func endWatch(_ ticket: UInt64, _ failure: Failure, into effects: inout [Effect]) {
    watches[ticket] = nil
    effects.append(.endWatch(ticket: ticket, failure))
  }

  mutating func takeEvent(
    _ event: KeyResponse, of ticket: UInt64, over route: Route, at now: UInt64,
    into effects: inout [Effect]
  ) throws(WireError) {
    let tuple = event.tuples.first
    let bytes = tuple?.record ?? []
    let stored = bytes.isEmpty ? nil : try Record(bytes)
    let record = stored.flatMap { $0.isTombstone ? nil : $0 }
    if watches[ticket] != nil {
      notice(record, at: stored?.version ?? tuple?.version ?? .none, of: ticket, into: &effects)
    } else if let record, isPresence(ticket) {
      if let key = tuple?.key { takeFuture(key, record) }
      self.route(.unwatch(number: ticket), at: now, into: &effects)
      finish(ticket, .present(record), into: &effects)
    }
  }

  /// - Parameter version: of the state, a tombstone's too.
  private mutating func notice(
    _ record: Record?, at version: Version, of ticket: UInt64, into effects: inout [Effect]
  ) {
    // Another copy may not have the latest yet. It comes; what was seen does not go away.
    if case .version(let seen) = watches[ticket]?.seen, !routes.isOneShard, version < seen {
      return
    }
    routes.note(record?.version ?? .none, seenBy: ticket)
    let state: Watch.Seen = record.map { .version($0.version) } ?? .absent
    guard watches[ticket]?.seen != state else { return }
    watches[ticket]?.seen = state
    effects.append(.update(ticket: ticket, record))
  }
}
