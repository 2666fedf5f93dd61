import ClusterModel
import Connections
import ControlProtocol
import Scheduling
import WireProtocol

/// Clients: the SDK, the command line, tools.
extension SchedulerLoop {
  mutating func takeFromFront() throws {
    for _ in 0..<Self.framesPerTurnMax {
      switch try front.next() {
      case .hello(let peer, let hello): try greet(client: peer, hello)
      case .frame(let peer, let frame): try take(fromClient: frame, peer)
      case .lost(let peer, let hello):
        guard clients[hello.incarnation] == peer else { continue }
        clients[hello.incarnation] = nil
        try step(.clientGone(hello.incarnation))
      case nil: return
      }
    }
  }

  private mutating func greet(client peer: PeerID, _ hello: Hello) throws {
    guard hello.role == .client, hello.incarnation != Incarnation(0) else {
      let failure = Failure(
        .notAllowed, "this endpoint is for clients, each with an incarnation of its own")
      try front.refuse(peer, number: 0, failure)
      return front.forget(peer)
    }
    if let old = clients.updateValue(peer, forKey: hello.incarnation), old != peer {
      // As a rule the connection before this one, dead and not yet noticed.
      let failure = Failure(
        .notAllowed, "another connection has come with this client's incarnation",
        hint: "each process draws an incarnation of its own")
      try front.refuse(old, number: 0, failure)
      front.forget(old)
    }
    if welcomesHeldUntil == nil { try front.welcome(peer, welcomeOfClients()) }
  }

  /// For whoever said hello while the registry was being loaded.
  mutating func releaseWelcomes() throws {
    guard welcomesHeldUntil != nil else { return }
    welcomesHeldUntil = nil
    try welcomeAllClients()
  }

  mutating func welcomeAllClients() throws {
    for client in clients.keys.sorted() {
      guard let peer = clients[client] else { continue }
      try front.welcome(peer, welcomeOfClients())
    }
  }

  /// Also says where the shards are, as far as they have said so themselves.
  func welcomeOfClients() -> Welcome {
    var welcome = welcome()
    welcome.storage = clientStorageEndpoints
    return welcome
  }

  func welcome() -> Welcome {
    var welcome = Welcome()
    welcome.cluster = configuration.cluster.number
    welcome.incarnation = configuration.incarnation
    welcome.writeLevel = writeLevel
    welcome.software = configuration.software
    return welcome
  }

  private mutating func take(fromClient frame: Frame, _ peer: PeerID) throws {
    guard let client = front.hello(of: peer)?.incarnation else { return }
    switch frame.header.kind {
    case .call:
      guard let call = try? Call.decode(frame.body) else { return try refuse(frame, from: peer) }
      try step(.call(call, number: frame.header.number, from: client))
    case .cancel:
      guard let message = try? CancelCall.decode(frame.body) else {
        return try refuse(frame, from: peer)
      }
      try step(.cancel(message.invocation, from: client))
    case .controlRequest: try takeControl(frame, from: peer, client)
    default: try refuse(frame, from: peer)
    }
  }

  private mutating func refuse(_ frame: Frame, from peer: PeerID) throws {
    try front.refuse(
      peer, number: frame.header.number,
      Failure(.badRequest, "a scheduler cannot make sense of this \(frame.header.kind)"))
  }
}
