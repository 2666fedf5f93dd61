import ClusterModel
import Connections
import ControlProtocol
import Foundation
import Lattices
import Logging
import NodeRuntime
import Platform
import SwiftProtobuf
import Testing
import WireProtocol
import ZeroMQ

/// A scheduler loop and the real storage loop beneath it, each on its thread, over real sockets.
private final class RunningScheduler {
  private let folder: ScratchFolder
  let context: Context
  let front: String
  let back: String
  let storage: String
  private let schedulerMailbox: Mailbox<SchedulerMessage>
  private let storageMailbox: Mailbox<StorageMessage>
  private let schedulerLoop: RunningLoop
  private let storageLoop: RunningLoop
  let shutdowns: Mailbox<String>

  init() throws {
    let context = try Context()
    folder = try ScratchFolder()
    let back = "ipc://\(folder.path)/back.ipc"
    let storageMailbox = try StorageLoop.mailbox()
    let schedulerMailbox = try SchedulerLoop.mailbox()
    let shutdowns = try Mailbox<String>(countMax: 4)
    let bound = Locked<(storage: String, front: String)>(("", ""))
    var logger = Logger(label: "tests")
    logger.logLevel = .critical
    let log = logger
    let stored = StorageConfiguration(
      cluster: ClusterID(7), incarnation: Incarnation(11), endpoints: ["tcp://127.0.0.1:*"],
      dataFolder: nil)
    storageLoop = try RunningLoop.start(named: "storage") {
      try StorageLoop(stored, mailbox: storageMailbox, in: context, logger: log) { endpoints in
        bound.withLock { $0.storage = endpoints[0] }
      }
    }
    let storage = bound.withLock { $0.storage }
    let ready = try Mailbox<String>(countMax: 4)
    var events = SchedulerLoop.Events()
    events.onBound = { endpoint in bound.withLock { $0.front = endpoint } }
    events.onReady = { _ = ready.tryPost("ready") }
    events.onShutdown = { _ = shutdowns.tryPost("shut down") }
    let told = events
    let configuration = SchedulerConfiguration(
      cluster: ClusterID(7), incarnation: Incarnation(22), front: "tcp://127.0.0.1:*", back: back,
      storage: (.shard(endpoint: storage), [storage]), writeLevel: .accepted)
    schedulerLoop = try RunningLoop.start(named: "scheduler") {
      try SchedulerLoop(
        configuration, mailbox: schedulerMailbox, in: context, logger: log, events: told)
    }
    self.context = context
    self.back = back
    self.storage = storage
    self.storageMailbox = storageMailbox
    self.schedulerMailbox = schedulerMailbox
    self.shutdowns = shutdowns
    front = bound.withLock { $0.front }
    try #require(try hasMail(ready), "the registry is not loaded")
  }

  func stop() {
    _ = schedulerMailbox.tryPost(.stop)
    schedulerLoop.join()
    _ = storageMailbox.tryPost(.stop)
    storageLoop.join()
  }
}

private let patience: UInt64 = 20_000_000_000

private func hasMail(_ mailbox: Mailbox<String>) throws -> Bool {
  var poller = Poller()
  let slot = poller.watch(descriptor: mailbox.descriptor)
  return try poller.wait(until: MonotonicClock.now + patience) > 0 && poller.isReadable(slot)
}

/// One connection, driven on the test's thread.
private struct Line: ~Copyable {
  var dialer: Dialer
  var poller = Poller()
  private var waiting: [Frame] = []

  private init(_ context: Context, to endpoint: String, as hello: Hello) throws {
    let dialer = try Dialer(to: endpoint, as: hello, named: PeerID(hello.name), in: context)
    self.dialer = dialer
  }

  static func open(
    _ cluster: RunningScheduler, to endpoint: String, role: PeerRole, name: String
  ) throws -> Line {
    var hello = Hello()
    hello.role = role
    hello.cluster = 7
    hello.name = name
    hello.processID = 1
    hello.incarnation = Incarnation(StableHash.of(Bytes(text: name)) >> 1)
    var line = try Line(cluster.context, to: endpoint, as: hello)
    try line.connect()
    return line
  }

  private mutating func connect() throws {
    _ = try dialer.watch(in: &poller)
    let deadline = MonotonicClock.now + patience
    while !dialer.isConnected { try turn(until: deadline) }
  }

  private mutating func turn(until deadline: UInt64) throws {
    try #require(MonotonicClock.now < deadline, "nothing came in time")
    let event = try dialer.next()
    if case .frame(let frame) = event { waiting.append(frame) }
    guard event == nil else { return }
    _ = try poller.wait(until: min(deadline, dialer.deadline ?? deadline))
    try dialer.tend(now: MonotonicClock.now, poller: &poller)
  }

  mutating func send(_ frame: [UInt8]) throws {
    try #require(try dialer.send(frame) == .sent)
  }

  mutating func receive(_ kind: FrameKind) throws -> Frame {
    let deadline = MonotonicClock.now + patience
    while true {
      if let index = waiting.firstIndex(where: { $0.header.kind == kind }) {
        return waiting.remove(at: index)
      }
      try turn(until: deadline)
    }
  }

  mutating func ask(_ request: ControlRequest, number: UInt64) throws -> ControlResponse {
    var writer = ProtobufWriter()
    FrameHeader(kind: .controlRequest, number: number).write(to: &writer)
    let body: [UInt8] = try request.serializedBytes()
    writer.raw(body)
    try send(writer.bytes)
    let frame = try receive(.controlResponse)
    #expect(frame.header.number == number)
    return try ControlResponse(serializedBytes: Array(frame.body))
  }
}

@Suite struct SchedulerLoopTests {
  private let executor = ExecutorID(
    node: NodeID("n1"), number: 0, incarnation: Incarnation(3))

  private func call(_ function: String, _ invocation: UInt64, submit: Bool = false) -> [UInt8] {
    var call = Call()
    call.header = CallHeader(invocation: InvocationID(high: 5, low: invocation)).encoded()
    call.function = function
    call.arguments = [Argument(encoding: 1, value: [51])]
    call.submit = submit
    return call.framed(.call, number: invocation)
  }

  /// Uploads one bundle of one chunk with the function `square`, the test being the supervisor.
  private func upload(through client: inout Line, _ supervisor: inout Line) throws {
    let digest = Data(repeating: 4, count: 32)
    var request = ControlRequest()
    request.uploadBegin.digest = digest
    request.uploadBegin.byteCount = 5
    let begun = try client.ask(request, number: 1)
    #expect(begun.uploadState.present.isEmpty && !begun.uploadState.complete)
    request.uploadChunk.digest = digest
    request.uploadChunk.data = Data([1, 2, 3, 4, 5])
    _ = try client.ask(request, number: 2)
    request.uploadCommit.digest = digest
    let body: [UInt8] = try request.serializedBytes()
    var writer = ProtobufWriter()
    FrameHeader(kind: .controlRequest, number: 3).write(to: &writer)
    writer.raw(body)
    try client.send(writer.bytes)
    let probe = try supervisor.receive(.probeBundle)
    var record = BundleRecord()
    record.name = "arithmetic"
    var function = FunctionRecord()
    function.name = "square"
    function.parameterCount = 1
    function.signature = "(Int) -> Int"
    record.functions = [function]
    try supervisor.send(record.framed(.bundleProbed, number: probe.header.number))
    let answer = try client.receive(.controlResponse)
    let uploaded = try ControlResponse(serializedBytes: Array(answer.body))
    #expect(uploaded.uploadResult.functions.map(\.name) == ["square"])
  }

  private func result(of dispatch: Frame, value: Bytes, awaitsRelease: Bool = false) throws
    -> [UInt8]
  {
    let header = try CallHeader(Dispatch.decode(dispatch.body).header)
    var result = CallResult()
    result.invocation = header.invocation
    result.attempt = UInt32(header.attempt)
    result.value = value
    result.awaitsRelease = awaitsRelease
    return result.framed(.result, number: dispatch.header.number)
  }

  @Test func aCallGoesFromClientToExecutorAndBack() throws {
    let cluster = try RunningScheduler()
    defer { cluster.stop() }
    var client = try Line.open(cluster, to: cluster.front, role: .client, name: "client")
    var supervisor = try Line.open(cluster, to: cluster.back, role: .supervisor, name: "n1")
    try upload(through: &client, &supervisor)
    var line = try Line.open(
      cluster, to: cluster.back, role: .executor, name: executor.description)
    try client.send(call("square", 40))
    let dispatch = try line.receive(.dispatch)
    let stages = try Dispatch.decode(dispatch.body).stages
    #expect(stages.map(\.function) == ["square"])
    try line.send(try result(of: dispatch, value: [57]))
    let answer = try client.receive(.result)
    #expect(answer.header.number == 40)
    #expect(try CallResult.decode(answer.body).value == [57])
  }

  @Test func aResultThatAwaitsItsReleaseIsHeldUntilTheCacheSendsIt() throws {
    let cluster = try RunningScheduler()
    defer { cluster.stop() }
    var client = try Line.open(cluster, to: cluster.front, role: .client, name: "client")
    var supervisor = try Line.open(cluster, to: cluster.back, role: .supervisor, name: "n1")
    try upload(through: &client, &supervisor)
    var line = try Line.open(
      cluster, to: cluster.back, role: .executor, name: executor.description)
    var cache = try Line.open(cluster, to: cluster.back, role: .cache, name: "cache")
    try client.send(call("square", 40))
    let dispatch = try line.receive(.dispatch)
    try line.send(try result(of: dispatch, value: [57], awaitsRelease: true))
    // The executor is free: it gets the next call, so the first result has arrived.
    try client.send(call("square", 41))
    let second = try line.receive(.dispatch)
    try line.send(try result(of: second, value: [58]))
    #expect(try client.receive(.result).header.number == 41)
    var released = Released()
    var entry = Released.Entry()
    entry.invocation = InvocationID(high: 5, low: 40)
    entry.attempt = 1
    released.entries = [entry]
    try cache.send(released.framed(.released, number: 6))
    #expect(try cache.receive(.streamAcknowledged).header.number == 6)
    #expect(try client.receive(.result).header.number == 40)
  }

  @Test func anExecutorsDeathIsToldByItsSupervisorAndTheCallRunsAgain() throws {
    let cluster = try RunningScheduler()
    defer { cluster.stop() }
    var client = try Line.open(cluster, to: cluster.front, role: .client, name: "client")
    var supervisor = try Line.open(cluster, to: cluster.back, role: .supervisor, name: "n1")
    try upload(through: &client, &supervisor)
    var first = try Line.open(
      cluster, to: cluster.back, role: .executor, name: executor.description)
    try client.send(call("square", 40))
    _ = try first.receive(.dispatch)
    var loss = ExecutorLost()
    loss.executor = executor.description
    loss.cause = Failure(.executorLost, "killed by signal 9")
    try supervisor.send(loss.framed(.executorLost))
    let successor = ExecutorID(node: NodeID("n1"), number: 0, incarnation: Incarnation(4))
    var second = try Line.open(
      cluster, to: cluster.back, role: .executor, name: successor.description)
    let dispatch = try second.receive(.dispatch)
    try second.send(try result(of: dispatch, value: [57]))
    #expect(try CallResult.decode(client.receive(.result).body).value == [57])
  }

  @Test func aSubmittedCallsResultIsFoundInTheStore() throws {
    let cluster = try RunningScheduler()
    defer { cluster.stop() }
    var client = try Line.open(cluster, to: cluster.front, role: .client, name: "client")
    var supervisor = try Line.open(cluster, to: cluster.back, role: .supervisor, name: "n1")
    try upload(through: &client, &supervisor)
    var line = try Line.open(
      cluster, to: cluster.back, role: .executor, name: executor.description)
    try client.send(call("square", 40, submit: true))
    #expect(try client.receive(.result).header.number == 40)
    var store = try Line.open(cluster, to: cluster.storage, role: .client, name: "store-client")
    var watch = WatchRequest()
    watch.key = ReservedKeys.future(InvocationID(high: 5, low: 40))
    try store.send(watch.framed(.watch, number: 9))
    try line.send(try result(of: try line.receive(.dispatch), value: [57]))
    while true {
      let event = try KeyResponse.decode(store.receive(.watchEvent).body)
      guard let bytes = event.tuples.first?.record, !bytes.isEmpty else { continue }
      #expect(try CallResult.decode(Record(bytes).payload).value == [57])
      return
    }
  }

  @Test func statusTellsOfTheExecutorsTheStoreAndTheRegistry() throws {
    let cluster = try RunningScheduler()
    defer { cluster.stop() }
    var client = try Line.open(cluster, to: cluster.front, role: .client, name: "client")
    let line = try Line.open(
      cluster, to: cluster.back, role: .executor, name: executor.description)
    var request = ControlRequest()
    request.getStatus = .init()
    let status = try client.ask(request, number: 1).status
    #expect(status.available)
    #expect(status.executors.map(\.id) == [executor.description])
    #expect(status.processes.map(\.role) == ["scheduler", "storage"])
    let isConnected = line.dialer.isConnected
    #expect(isConnected)
  }

  @Test func aShutdownIsAnsweredOnceTheCallsHaveEnded() throws {
    let cluster = try RunningScheduler()
    defer { cluster.stop() }
    var client = try Line.open(cluster, to: cluster.front, role: .client, name: "client")
    var request = ControlRequest()
    request.shutdown = .init()
    #expect(!(try client.ask(request, number: 1).hasFailure))
    #expect(try hasMail(cluster.shutdowns))
    try client.send(call("square", 40))
    let answer = try CallResult.decode(client.receive(.result).body)
    #expect(answer.failure?.code == .stopping)
  }

  @Test func aFrameThatMakesNoSenseCostsOneRefusal() throws {
    let cluster = try RunningScheduler()
    defer { cluster.stop() }
    var client = try Line.open(cluster, to: cluster.front, role: .client, name: "client")
    try client.send(Released().framed(.released, number: 3))
    let refusal = try client.receive(.refusal)
    #expect(refusal.header.number == 3)
    #expect(try FailureMessage.decode(refusal.body).failure.code == .badRequest)
  }
}
