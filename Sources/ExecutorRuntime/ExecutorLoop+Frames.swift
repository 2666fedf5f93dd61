import ClusterModel
import Connections
import Execution
import ExecutorSlots
import SharedCache
import WireProtocol

extension ExecutorLoop {
  func takeFromScheduler() throws {
    while ending == nil, let event = try scheduler?.next() {
      switch event {
      case .connected(let welcome):
        if let schedulerLife, schedulerLife != welcome.incarnation {
          slots[Int(configuration.identity.number)].forgetRecalls()
        }
        schedulerLife = welcome.incarnation
        let frames = unsentResults
        unsentResults = []
        for frame in frames { try send(result: frame) }
      case .lost, .refused: continue
      case .frame(let frame): try takeFromScheduler(frame)
      }
    }
  }

  private func takeFromScheduler(_ frame: Frame) throws {
    switch frame.header.kind {
    case .dispatch:
      let number = frame.header.number
      guard let dispatch = try? Dispatch.decode(frame.body) else {
        return try refuse(Failure(.badRequest, "a dispatch that cannot be read"), number)
      }
      try feed(.dispatched(dispatch, number: number))
    case .cancel:
      guard let cancel = try? CancelCall.decode(frame.body) else { return }
      try feed(.cancelled(cancel.invocation))
    default: return
    }
  }

  func refuse(_ failure: Failure, _ number: UInt64) throws {
    // A scheduler that is away takes the call for lost, which it is.
    _ = try scheduler?.send(FailureMessage(failure).framed(.refusal, number: number))
  }

  func takeFromCache() throws {
    while ending == nil, let event = try cache.next() {
      switch event {
      case .connected(let welcome): try openCache(welcome.cacheFolder)
      case .lost: loseAgent("the cache at \(cache.endpoint) is gone")
      case .refused(let failure): loseAgent("the cache at \(cache.endpoint): \(failure)")
      case .frame(let frame): try takeFromCache(frame)
      }
    }
  }

  private func takeFromCache(_ frame: Frame) throws {
    let number = frame.header.number
    switch frame.header.kind {
    case .cacheFetched:
      guard let fetched = try? CacheFetched.decode(frame.body) else {
        let failure = Failure(.internalError, "the cache's answer cannot be read")
        return try feed(.cacheRefused(failure, number: number))
      }
      try feed(.cacheFetched(fetched, number: number))
    case .cacheApplied: try feed(.cacheApplied(number: number))
    case .refusal:
      let failure = (try? FailureMessage.decode(frame.body))?.failure
      try feed(
        .cacheRefused(
          failure ?? Failure(.internalError, "a refusal that cannot be read"), number: number))
    default: return
    }
  }

  private func openCache(_ folder: String) throws {
    guard reader == nil, !folder.isEmpty else { return }
    do {
      reader = try CacheReader(folder: folder)
    } catch {
      loseAgent("the shared cache cannot be read: \(error)")
    }
  }

  func takeFromSupervisor() throws {
    while ending == nil, let event = try supervisor.next() {
      switch event {
      case .connected: continue
      case .lost: loseAgent("the supervisor at \(supervisor.endpoint) is gone")
      case .refused(let failure): ending = ending ?? .refused(failure)
      case .frame(let frame):
        guard frame.header.kind == .bundleReady,
          let ready = try? BundleReady.decode(frame.body)
        else { continue }
        try feed(.bundleReady(ready))
      }
    }
  }

  private func loseAgent(_ reason: String) { ending = ending ?? .lostAgent(reason) }

  func send(result frame: [UInt8]) throws {
    if try scheduler?.send(frame) != true { unsentResults.append(frame) }
  }

  func sendLogs() throws {
    guard !logLines.isEmpty else { return }
    var message = LogLines()
    swap(&message.lines, &logLines)
    _ = try supervisor.send(message.framed(.logLines))
  }
}
