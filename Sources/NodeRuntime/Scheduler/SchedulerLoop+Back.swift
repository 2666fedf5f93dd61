import ClusterModel
import Connections
import Logging
import Scheduling
import WireProtocol

/// Executors, and the cache and supervisor loops of their nodes.
extension SchedulerLoop {
  mutating func takeFromBack() throws {
    try takeFramesFromBack()
    for (cache, number) in releasesTaken.sorted(by: { $0.key < $1.key }) {
      _ = try back.send(Empty().framed(.streamAcknowledged, number: number), to: cache)
    }
    releasesTaken.removeAll(keepingCapacity: true)
  }

  private mutating func takeFramesFromBack() throws {
    for _ in 0..<Self.framesPerTurnMax {
      switch try back.next() {
      case .hello(let peer, let hello): try greet(member: peer, hello)
      case .frame(let peer, let frame): try take(fromMember: frame, peer)
      case .lost(let peer, let hello): try lose(peer, hello)
      case nil: return
      }
    }
  }

  private mutating func greet(member peer: PeerID, _ hello: Hello) throws {
    switch hello.role {
    case .executor:
      guard let id = ExecutorID(hello.name) else { break }
      guard try admitExecutor(peer, hello, of: id.node) else { return }
      executors[id] = peer
      executorsByPeer[peer] = id
      try back.welcome(peer, welcome())
      return try step(.executorReady(id, processID: hello.processID))
    case .cache:
      let node = NodeID(hello.name)
      guard try admitAgent(peer, hello, of: node) else { return }
      caches[node] = Agent(peer: peer, incarnation: hello.incarnation)
      return try back.welcome(peer, welcome())
    case .supervisor:
      let node = NodeID(hello.name)
      guard try admitAgent(peer, hello, of: node) else { return }
      supervisors[node] = Agent(peer: peer, incarnation: hello.incarnation)
      try back.welcome(peer, welcome())
      try askAgainToProbe()
      return try endFollowing()
    case .client, .scheduler, .storage, .router: break
    }
    let failure = Failure(
      .notAllowed, "“\(hello.name)” is no executor, cache or supervisor of this cluster")
    try back.refuse(peer, number: 0, failure)
    back.forget(peer)
  }

  private mutating func lose(_ peer: PeerID, _ hello: Hello) throws {
    switch hello.role {
    case .executor:
      guard let id = ExecutorID(hello.name), executors[id] == peer else { return }
      executors[id] = nil
      executorsByPeer[peer] = nil
      try step(.unreachable(id, number: 0))
      try loseSight(ofExecutorOn: id.node, hello)
    case .cache, .supervisor: loseSight(of: peer, hello)
    case .client, .scheduler, .storage, .router: return
    }
  }

  private mutating func take(fromMember frame: Frame, _ peer: PeerID) throws {
    switch frame.header.kind {
    case .result:
      guard let id = executorsByPeer[peer], let result = try? CallResult.decode(frame.body) else {
        return try refuse(member: frame, from: peer)
      }
      try step(.result(result, number: frame.header.number, from: id))
    case .refusal:
      guard let id = executorsByPeer[peer], let message = try? FailureMessage.decode(frame.body)
      else {
        return
      }
      try step(.refused(message.failure, number: frame.header.number, by: id))
    case .recalled:
      guard let recall = try? Recall.decode(frame.body), let id = ExecutorID(recall.executor) else {
        return try refuse(member: frame, from: peer)
      }
      try step(.recalled(id, started: recall.started, upTo: recall.upTo))
    case .released: try takeReleased(frame, from: peer)
    case .executorLost: try takeLoss(frame, from: peer)
    case .bundleProbed:
      guard let record = try? BundleRecord.decode(frame.body) else {
        return try refuse(member: frame, from: peer)
      }
      try step(.bundleProbed(record, number: frame.header.number))
    case .controlResponse: try gather(frame, from: .member(peer))
    default: try refuse(member: frame, from: peer)
    }
  }

  private mutating func takeReleased(_ frame: Frame, from peer: PeerID) throws {
    guard back.hello(of: peer)?.role == .cache, let message = try? Released.decode(frame.body)
    else { return try refuse(member: frame, from: peer) }
    // A connection keeps the order, and a cache repeats all it has open on a new one: the last
    // number taken stands for those before it.
    releasesTaken[peer] = frame.header.number
    try step(.released(message.entries))
  }

  private mutating func takeLoss(_ frame: Frame, from peer: PeerID) throws {
    guard back.hello(of: peer)?.role == .supervisor,
      let message = try? ExecutorLost.decode(frame.body), let id = ExecutorID(message.executor)
    else { return try refuse(member: frame, from: peer) }
    logger.info("executor \(id) is lost: \(message.cause)")
    if let old = executors.removeValue(forKey: id) {
      executorsByPeer[old] = nil
      back.forget(old)
    }
    let lastStarted = message.knowsStarted ? message.lastStarted : nil
    try step(.executorLost(id, cause: message.cause, lastStarted: lastStarted))
  }

  private mutating func refuse(member frame: Frame, from peer: PeerID) throws {
    try back.refuse(
      peer, number: frame.header.number,
      Failure(.badRequest, "a scheduler cannot make sense of this \(frame.header.kind)"))
  }
}
