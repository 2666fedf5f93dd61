import ClusterModel
import Connections
import ControlProtocol
import Foundation
import Logging
import Platform
import Scheduling
import StoreAccess
import SwiftProtobuf
import WireProtocol

extension SchedulerLoop {
  /// Who answers a part of a question that the scheduler cannot answer alone.
  enum Source: Hashable {
    case store(StoreLinks.Source)
    case member(PeerID)
  }

  /// A question that was passed on, until its parts are here or its time is up.
  struct Gathering {
    let peer: PeerID
    let number: UInt64
    var missing: Set<Source>
    var answer: ControlResponse
    let deadline: UInt64
    /// Lines of any node are the answer; without any it takes until the deadline.
    var isFollowing = false

    mutating func take(_ part: ControlResponse) {
      switch part.response {
      case .status(let status): answer.status.add(status)
      case .logs(let logs):
        answer.logs.add(logs)
        // Nodes without news answer later, to nobody: the follower's next question replaces theirs.
        if isFollowing, !logs.lines.isEmpty || logs.linesLost > 0 || missing.isEmpty {
          isFollowing = false
          missing = []
        }
      default:
        // Of log lines only a refusal is told: followers that ask again at once would never rest.
        guard part.hasFailure, case .logs = answer.response else { return }
        answer = part
        isFollowing = false
        missing = []
      }
    }

    /// Of a status only: a part that cannot be asked, or says nothing.
    mutating func noteAbsent(_ source: Source, _ name: String) {
      guard case .status = answer.response else { return }
      let hint = "see whether its process runs, and what it logged"
      let trouble: Cloudburst_Control_Trouble
      switch source {
      case .store(.router):
        trouble = .init(
          .error, at: "router",
          "the router does not answer: storage nodes can neither come nor be replaced", hint: hint)
      case .store(.shard):
        let effect =
          name == "storage"
          ? "calls that read or write state wait" : "other copies of its keys are asked"
        trouble = .init(.error, at: name, "the store does not answer: \(effect)", hint: hint)
      case .member:
        trouble = .init(
          .error, at: name, "the node does not answer; its executors take no calls", hint: hint)
      }
      var part = Cloudburst_Control_Status()
      if !answer.status.troubles.contains(trouble) { part.troubles = [trouble] }
      answer.status.add(part)
    }
  }

  /// Questions passed on at a time; one more is answered `OVERLOADED`.
  static let gatheringsMax = 256

  mutating func takeControl(_ frame: Frame, from peer: PeerID, _ client: Incarnation) throws {
    let number = frame.header.number
    let decoded = try? ControlRequest(serializedBytes: Array(frame.body))
    switch decoded?.request {
    case .getStatus: try gatherStatus(for: peer, number: number)
    case .getLogs(let query): try gatherLogs(query, for: peer, number: number)
    case .shutdown: try shutDown(for: peer, number: number)
    case let request?:
      guard let request = RegistryRequest(request) else { fallthrough }
      try step(.registry(request, number: number, from: client))
    case nil:
      let failure = Failure(.badRequest, "a control request that cannot be read")
      try send(ControlResponse(failure), number: number, to: peer)
    }
  }

  mutating func send(_ response: ControlResponse, number: UInt64, to peer: PeerID) throws {
    _ = try front.send(response.framed(number: number), to: peer)
  }

  private mutating func shutDown(for peer: PeerID, number: UInt64) throws {
    shutdownAskers.append((peer, number))
    logger.notice("a client asked the cluster to stop")
    try step(.stop)
    // Asked again after the end of the last call: the answer is the same.
    if isDrained, !shutdownAskers.isEmpty {
      shutdownAskers = []
      var response = ControlResponse()
      response.done = .init()
      try send(response, number: number, to: peer)
    }
  }

  private mutating func gatherStatus(for peer: PeerID, number: UInt64) throws {
    var answer = ControlResponse()
    answer.status = ownStatus()
    var request = ControlRequest()
    request.getStatus = .init()
    try ask(
      request, storage: true, agents: [caches, supervisors], for: (peer, number), answer)
  }

  private mutating func gatherLogs(
    _ query: Cloudburst_Control_GetLogs, for peer: PeerID, number: UInt64
  ) throws {
    var answer = ControlResponse()
    answer.logs = .init()
    var request = ControlRequest()
    request.getLogs = query
    let wait = min(.milliseconds(Int64(query.waitMilliseconds)), SupervisorLoop.logWaitMax)
    try ask(
      request, storage: false, agents: [supervisors], for: (peer, number), answer, waiting: wait)
  }

  private mutating func ask(
    _ request: ControlRequest, storage asksStorage: Bool, agents: [[NodeID: Agent]],
    for asker: (peer: PeerID, number: UInt64), _ answer: ControlResponse,
    waiting: Duration = .zero
  ) throws {
    guard gatherings.count < Self.gatheringsMax else {
      var failure = Failure(.overloaded, "\(gatherings.count) such questions are being asked")
      failure.retryAfter = .milliseconds(100)
      return try send(ControlResponse(failure), number: asker.number, to: asker.peer)
    }
    lastGathering += 1
    let frame = try request.framed(number: lastGathering)
    let limit = (configuration.statusTimeLimit + waiting).wholeNanoseconds
    var gathering = Gathering(
      peer: asker.peer, number: asker.number, missing: [], answer: answer,
      deadline: MonotonicClock.now + limit)
    gathering.isFollowing = waiting > .zero
    if asksStorage {
      try ask(store: frame, for: &gathering)
    }
    for (node, agent) in agents.flatMap(\.self) {
      if try back.send(frame, to: agent.peer) {
        gathering.missing.insert(.member(agent.peer))
      } else {
        gathering.noteAbsent(.member(agent.peer), node.name)
      }
    }
    gatherings[lastGathering] = gathering
    try finishIfComplete(lastGathering)
  }

  private func ask(store frame: [UInt8], for gathering: inout Gathering) throws {
    for source in storage.sources where try storage.send(frame, to: source) {
      gathering.missing.insert(.store(source))
    }
    for name in absentOfStore { gathering.noteAbsent(.store(name.source), name.text) }
  }

  /// Who of the store cannot be asked.
  private var absentOfStore: [(source: StoreLinks.Source, text: String)] {
    let sources = storage.sources
    guard case .router = storage.place else {
      return sources.isEmpty ? [(.shard(Route(0)), "storage")] : []
    }
    let shards = storage.routes.membersOutOfReach.map { member in
      (source: StoreLinks.Source.shard(Route(0)), text: "\(member)")
    }
    return shards + (sources.contains(.router) ? [] : [(.router, "router")])
  }

  mutating func gather(_ frame: Frame, from source: Source) throws {
    let number = frame.header.number
    guard gatherings[number]?.missing.remove(source) != nil else { return }
    if let part = try? ControlResponse(serializedBytes: Array(frame.body)) {
      gatherings[number]?.take(part)
    }
    try finishIfComplete(number)
  }

  /// A node that has come is asked, too, once they ask again.
  mutating func endFollowing() throws {
    for number in gatherings.filter({ $0.value.isFollowing }).keys.sorted() {
      gatherings[number]?.isFollowing = false
      gatherings[number]?.missing = []
      try finishIfComplete(number)
    }
  }

  private mutating func finishIfComplete(_ number: UInt64) throws {
    guard let gathering = gatherings[number], gathering.missing.isEmpty, !gathering.isFollowing
    else { return }
    gatherings[number] = nil
    try send(gathering.answer, number: gathering.number, to: gathering.peer)
  }

  var gatheringDeadline: UInt64? { gatherings.values.map(\.deadline).min() }

  /// A silent part is left out: what is known is better than nothing.
  mutating func endGatherings(at now: UInt64) throws {
    guard let first = gatheringDeadline, first <= now else { return }
    for number in gatherings.filter({ $0.value.deadline <= now }).keys.sorted() {
      gatherings[number]?.isFollowing = false
      for source in gatherings[number]?.missing ?? [] {
        let name =
          switch source {
          case .member(let peer): back.hello(of: peer)?.name ?? "\(peer)"
          case .store(.shard(let route)): storage.routes.member(at: route)?.description ?? "storage"
          case .store(.router): "router"
          }
        gatherings[number]?.noteAbsent(source, name)
      }
      gatherings[number]?.missing = []
      try finishIfComplete(number)
    }
  }
}

extension ControlResponse {
  /// - Returns: nothing longer than this process can hold: a message of ours always serialises.
  fileprivate func framed(number: UInt64) throws -> [UInt8] {
    try frame(.controlResponse, self, number: number)
  }
}

extension ControlRequest {
  fileprivate func framed(number: UInt64) throws -> [UInt8] {
    try frame(.controlRequest, self, number: number)
  }
}

private func frame(
  _ kind: FrameKind, _ message: some SwiftProtobuf.Message, number: UInt64
) throws -> [UInt8] {
  var writer = ProtobufWriter()
  FrameHeader(kind: kind, number: number).write(to: &writer)
  let body: [UInt8] = try message.serializedBytes()
  writer.raw(body)
  return writer.bytes
}
