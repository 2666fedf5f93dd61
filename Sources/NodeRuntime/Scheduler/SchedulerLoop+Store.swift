import ClusterModel
import Connections
import Logging
import Platform
import Scheduling
import StoreAccess
import WireProtocol

/// The store: what it answers, and where clients find it.
extension SchedulerLoop {
  mutating func takeFromStorage() throws {
    for _ in 0..<Self.framesPerTurnMax {
      switch try storage.next(now: MonotonicClock.now, &poller) {
      case .connected(_, let welcome):
        try learn(from: welcome)
        // Further shards change nothing: what waits for one of them is sent to it by itself.
        if storage.routes.isOneShard || !hasMetStore { try step(.storeReady) }
        hasMetStore = true
      case .answer(let response, let number, _): try step(.stored(response, number: number))
      case .failed(let failure, let number):
        var response = KeyResponse()
        response.failure = failure
        try step(.stored(response, number: number))
      case .frame(let frame, let source):
        if frame.header.kind == .controlResponse { try gather(frame, from: .store(source)) }
      case .refused(let failure): logger.warning("the store refuses this scheduler: \(failure)")
      case .ringChanged: try tellClientsTheShards()
      case .lost: continue
      case nil: return
      }
    }
  }

  /// A shard's next life may listen elsewhere: clients that are connected are told at once.
  private mutating func learn(from shard: Welcome) throws {
    writeLevel = shard.writeLevel
    guard case .shard = storage.place, !shard.storage.isEmpty else { return }
    try tell(clients: shard.storage)
  }

  private mutating func tellClientsTheShards() throws {
    guard case .router = storage.place else { return }
    try tell(clients: storage.routes.view.shards.map(\.endpoint))
  }

  private mutating func tell(clients endpoints: [String]) throws {
    guard endpoints != clientStorageEndpoints else { return }
    clientStorageEndpoints = endpoints
    if welcomesHeldUntil == nil { try welcomeAllClients() }
  }
}
