import ClusterModel
import Connections
import ExecutorSlots
import Foundation
import Lattices
import Platform
import Testing
import WireProtocol
import ZeroMQ

@testable import ExecutorRuntime

/// A scheduler, a cache and a supervisor over real sockets, all on the test's thread, and one
/// executor on a thread of its own.
final class FakeNode {
  static let digest = ContentDigest(Array(repeating: 3, count: 32)[...])!

  private let context: Context
  let slots: SlotTable
  private let folder: String
  private var poller = Poller()
  private var scheduler: Listener?
  private var cache: Listener?
  private var supervisor: Listener?
  private var thread: LoopThread?
  private let ended = EndingBox()
  private var executor: PeerID?
  private var lastNumber: UInt64 = 0

  /// What the shard would hold.
  var stored: [Key: Record] = [:]
  /// Whether the cache says that it has applied writes.
  var appliesWrites = true
  private(set) var results: [UInt64: CallResult] = [:]
  private(set) var refusals: [UInt64: Failure] = [:]
  private(set) var fetches: [CacheFetch] = []
  private(set) var writes: [CacheWrites] = []
  private(set) var logLines: [LogLines.Line] = []
  private(set) var bundleRequests = 0
  private(set) var recalled: [Recall] = []
  /// How often the executor said that it has begun a call while nobody watched its slot.
  private(set) var wakeUps = 0

  init(cacheFolder: String = "") throws {
    context = try Context()
    folder = "/tmp/cb-\(getpid())-\(String(RandomBytes.word(), radix: 36))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    self.cacheFolder = cacheFolder
    slots = try SlotTable.created(at: "\(folder)/slots", slots: 1)
    scheduler = try listener("scheduler")
    cache = try listener("cache")
    supervisor = try listener("supervisor")
    let configuration = ExecutorConfiguration(
      identity: ExecutorID(node: NodeID("node0"), number: 0, incarnation: Incarnation(9)),
      cluster: ClusterID(7), scheduler: "ipc://\(folder)/scheduler",
      cache: "ipc://\(folder)/cache", supervisor: "ipc://\(folder)/supervisor",
      slots: "\(folder)/slots")
    thread = try LoopThread(name: "executor") { [ended] in
      do {
        let loop = try ExecutorLoop(configuration, in: Context())
        let ending = try loop.run()
        ended.value.withLock { $0 = ending }
      } catch {
        Issue.record("the loop threw \(error)")
      }
    }
    try run { self.executor != nil }
  }

  private let cacheFolder: String

  private func listener(_ name: String) throws -> Listener {
    let listener = try Listener(
      on: ["ipc://\(folder)/\(name)"], cluster: ClusterID(7), in: context)
    _ = try listener.watch(in: &poller)
    return listener
  }

  deinit {
    scheduler = nil
    cache = nil
    supervisor = nil
    thread?.join()
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// Closes the cache's socket, as its death would, and waits for what the executor makes of it.
  func killCache() -> ExecutorLoop.Ending? {
    poller = Poller()
    cache = nil
    thread?.join()
    thread = nil
    return ended.value.withLock { $0 }
  }

  /// Serves until the condition holds.
  func run(limit: Duration = .seconds(30), until condition: () -> Bool) throws {
    let deadline = MonotonicClock.now + limit.wholeMicroseconds * 1000
    while !condition() {
      guard MonotonicClock.now < deadline else {
        throw Failure(.timedOut, "the executor did not do what was waited for")
      }
      _ = try poller.wait(until: min(deadline, MonotonicClock.now + 50_000_000))
      while let event = try scheduler?.next() { try takeAtScheduler(event) }
      while let event = try cache?.next() { try takeAtCache(event) }
      while let event = try supervisor?.next() { try takeAtSupervisor(event) }
    }
  }

  func send(_ function: String, _ arguments: [Argument] = []) throws -> UInt64 {
    var stage = Stage()
    stage.function = function
    stage.bundle = Self.digest.bytes
    stage.arguments = arguments
    return try send([stage])
  }

  func send(_ stages: [Stage], limit: Duration = .seconds(20)) throws -> UInt64 {
    lastNumber += 1
    var header = CallHeader(invocation: InvocationID(high: 1, low: lastNumber))
    header.remaining = limit
    var dispatch = Dispatch()
    dispatch.header = header.encoded()
    dispatch.stages = stages
    return try send(dispatch.framed(.dispatch, number: lastNumber))
  }

  private func send(_ frame: [UInt8]) throws -> UInt64 {
    guard let executor else { throw Failure(.unavailable, "no executor") }
    _ = try scheduler?.send(frame, to: executor)
    return lastNumber
  }

  func sendCancel(of number: UInt64) throws {
    var cancel = CancelCall()
    cancel.invocation = InvocationID(high: 1, low: number)
    _ = try send(cancel.framed(.cancel))
  }

  func result(of number: UInt64) throws -> CallResult {
    try run { self.results[number] != nil }
    return results[number] ?? CallResult()
  }

  func call(_ function: String, _ arguments: String...) throws -> CallResult {
    try result(
      of: send(function, arguments.map { Argument(encoding: 0, value: Bytes(text: $0)) }))
  }

  private func takeAtScheduler(_ event: Listener.Event) throws {
    switch event {
    case .hello(let peer, _):
      try scheduler?.welcome(peer, Welcome())
      executor = peer
    case .lost: executor = nil
    case .frame(_, let frame):
      switch frame.header.kind {
      case .result: results[frame.header.number] = try CallResult.decode(frame.body)
      case .refusal:
        refusals[frame.header.number] = try FailureMessage.decode(frame.body).failure
      case .recalled: recalled.append(try Recall.decode(frame.body))
      default: Issue.record("the scheduler got a \(frame.header.kind)")
      }
    }
  }

  private func takeAtCache(_ event: Listener.Event) throws {
    switch event {
    case .hello(let peer, _):
      var welcome = Welcome()
      welcome.cacheFolder = cacheFolder
      try cache?.welcome(peer, welcome)
    case .lost: return
    case .frame(let peer, let frame):
      let number = frame.header.number
      switch frame.header.kind {
      case .cacheFetch:
        let fetch = try CacheFetch.decode(frame.body)
        fetches.append(fetch)
        var answer = CacheFetched()
        answer.key = fetch.key
        answer.record = stored[fetch.key]?.encoded() ?? []
        _ = try cache?.send(answer.framed(.cacheFetched, number: number), to: peer)
      case .cacheWrites:
        writes.append(try CacheWrites.decode(frame.body))
        guard appliesWrites else { return }
        _ = try cache?.send(Empty().framed(.cacheApplied, number: number), to: peer)
      default: Issue.record("the cache got a \(frame.header.kind)")
      }
    }
  }

  private func takeAtSupervisor(_ event: Listener.Event) throws {
    switch event {
    case .hello(let peer, _): try supervisor?.welcome(peer, Welcome())
    case .lost: return
    case .frame(let peer, let frame):
      switch frame.header.kind {
      case .bundleRequest:
        bundleRequests += 1
        var ready = BundleReady()
        ready.digest = try BundleRequest.decode(frame.body).digest
        ready.path = TestBundle.path
        _ = try supervisor?.send(
          ready.framed(.bundleReady, number: frame.header.number), to: peer)
      case .executorBusy: wakeUps += 1
      case .logLines: logLines += try LogLines.decode(frame.body).lines
      default: Issue.record("the supervisor got a \(frame.header.kind)")
      }
    }
  }
}

/// How the executor's loop ended.
private final class EndingBox: Sendable {
  let value = Locked<ExecutorLoop.Ending?>(nil)
}

func counterRecord(_ value: UInt64) -> Record {
  let counter = Counter([Counter.Entry(actor: 9, added: value, subtracted: 0)])
  return Record(lattice: .counter, payload: counter.serialized()[...])
}

func textRecord(_ text: String) -> Record {
  Record(
    lattice: .lastWriterWins, version: Version(generation: 0, stamp: 5),
    payload: Bytes(text: text))
}
