import ClusterModel
import Connections
import Logging
import Platform
import Scheduling
import WireProtocol

/// The nodes' agents: which life of each is believed in, and when one is given up.
extension SchedulerLoop {
  /// - Returns: whether the peer may go on; it has been told otherwise.
  mutating func admitAgent(_ peer: PeerID, _ hello: Hello, of node: NodeID) throws -> Bool {
    let known = connections(of: node)
    let verdict = try roster.hello(of: hello.incarnation, on: node) {
      try Self.canReach(known, through: &back)
    }
    return try act(on: verdict, for: peer, hello, of: node)
  }

  mutating func admitExecutor(_ peer: PeerID, _ hello: Hello, of node: NodeID) throws -> Bool {
    let known = connections(of: node)
    let verdict = try roster.hello(ofExecutorOf: hello.agent, on: node) {
      try Self.canReach(known, through: &back)
    }
    return try act(on: verdict, for: peer, hello, of: node)
  }

  private mutating func act(
    on verdict: AgentRoster.Verdict, for peer: PeerID, _ hello: Hello, of node: NodeID
  ) throws -> Bool {
    var failure: Failure
    switch verdict {
    case .welcome: return true
    case .successor:
      try lose(agentOf: node)
      return true
    case .taken(let life):
      failure = Failure(
        .conflict, "the node \(node) is in the cluster already, as another process (life \(life))",
        hint: "give each node a --name of its own")
    case .fenced:
      failure = Failure(
        .conflict, "this life of the node \(node) was out of reach and given up",
        hint: "start it anew")
    }
    logger.warning("\(hello.name) is refused: \(failure.message)")
    try back.refuse(peer, number: 0, failure)
    back.forget(peer)
    return false
  }

  private mutating func lose(agentOf node: NodeID) throws {
    logger.warning("the agent of \(node) is gone, and its executors with it")
    for id in executors.keys.sorted() where id.node == node {
      guard let peer = executors.removeValue(forKey: id) else { continue }
      executorsByPeer[peer] = nil
      back.forget(peer)
    }
    for agents in [caches[node], supervisors[node]] {
      if let peer = agents?.peer { back.forget(peer) }
    }
    caches[node] = nil
    supervisors[node] = nil
    try step(.agentLost(node))
  }

  /// Those of the life that said hello last.
  private func connections(of node: NodeID) -> [PeerID] {
    let life = roster.life(of: node)
    return [caches[node], supervisors[node]].compactMap(\.self)
      .filter { $0.incarnation == life }.map(\.peer)
  }

  private static func canReach(
    _ peers: [PeerID], through back: inout Listener
  ) throws -> Bool {
    for peer in peers where try back.canReach(peer) { return true }
    return false
  }

  /// The peer cannot be reached; it may come back, in this life or another one.
  mutating func loseSight(of peer: PeerID, _ hello: Hello) {
    let node = NodeID(hello.name)
    logger.info("the \(hello.role) of \(node) is out of reach")
    roster.unreachable(hello.incarnation, on: node, now: MonotonicClock.now)
  }

  /// With its agent there, the supervisor will say why; without, nobody else will.
  mutating func loseSight(ofExecutorOn node: NodeID, _ hello: Hello) throws {
    guard try !Self.canReach(connections(of: node), through: &back) else { return }
    roster.unreachable(hello.agent, on: node, now: MonotonicClock.now)
  }

  mutating func giveUpAgents(at now: UInt64) throws {
    guard let due = roster.nextDeadline, due <= now else { return }
    let nodes = Set(caches.keys).union(supervisors.keys)
    let known = nodes.reduce(into: [:]) { $0[$1] = connections(of: $1) }
    let lost = try roster.giveUpOverdue(now: now) { node in
      try Self.canReach(known[node] ?? [], through: &back)
    }
    for node in lost { try lose(agentOf: node) }
  }
}
