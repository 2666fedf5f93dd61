import CloudburstValues
import ClusterModel
import ControlProtocol
import FoundationEssentials
import Lattices
import Platform
import SwiftProtobuf
import WireProtocol
import ZeroMQ

/// A scheduler and a shard of a few lines, over real sockets, that tell what they received.
///
/// Functions: `square`, `echo` (its first argument as it came), `fail`, `nothing` (never answers),
/// `session` (the versions that came along, as `[String: Int]` of stamps).
final class FakeCluster: Sendable {
  enum Seen: Equatable, Sendable {
    case hello(PeerRole)
    case call(String)
    case cancel(InvocationID)
    case keys(KeyRequestType, String)
    case watch(String, known: ClusterModel.Version)
    case unwatch
  }

  enum Command: Sendable {
    case stop
    /// Writes as another client would.
    case put(String, EncodedValue)
    /// As after the end of a submitted call.
    case finish(InvocationID, CallResult)
  }

  let endpoint: String
  /// What arrived, in order.
  let seen: AsyncStream<Seen>
  private let mailbox: Mailbox<Command>
  private let thread: LoopThread

  /// - Parameters:
  ///   - endpoint: where it listens; a restart takes the one before.
  ///   - answersHello: false plays a cluster that is up but does not get to answering.
  init(
    at endpoint: String = "tcp://127.0.0.1:*", incarnation: UInt64 = 1, answersHello: Bool = true,
    writeLevel: WriteLevel = .accepted
  ) throws {
    let mailbox = try Mailbox<Command>(countMax: 1000)
    let (seen, sink) = AsyncStream.makeStream(of: Seen.self)
    let bound = try BoundEndpoint()
    thread = try LoopThread(name: "fake-cluster") {
      do {
        let body = try FakeClusterBody(
          at: endpoint, Incarnation(incarnation), mailbox, sink, writeLevel: writeLevel)
        body.answersHello = answersHello
        bound.set(body.endpoint)
        try body.run()
      } catch {
        bound.set("failed: \(error)")
      }
      sink.finish()
    }
    self.mailbox = mailbox
    self.seen = seen
    self.endpoint = try bound.wait()
  }

  func post(_ command: Command) { _ = mailbox.tryPost(command) }

  /// Ends it, sockets closed, as a crash would: nothing is answered any more.
  func stop() {
    post(.stop)
    thread.join()
  }

  /// The first arrival that fits.
  func first(where fits: @Sendable (Seen) -> Bool) async -> Seen? {
    await seen.first(where: fits)
  }
}

/// Hands the endpoint from the fake's thread to the test's.
private final class BoundEndpoint: Sendable {
  private let text = Locked("")
  private let event: EventFD

  init() throws { event = try EventFD() }

  func set(_ endpoint: String) {
    text.withLock { $0 = endpoint }
    event.signal()
  }

  func wait() throws -> String {
    var poller = Poller()
    let slot = poller.watch(descriptor: event.raw)
    _ = try poller.wait(until: nil)
    poller.stopWatching(slot)
    return text.withLock { $0 }
  }
}

private final class FakeClusterBody {
  let endpoint: String
  var answersHello = true
  private let front: Socket
  private let shard: Socket
  private let shardEndpoint: String
  private let incarnation: Incarnation
  private let writeLevel: WriteLevel
  private let mailbox: Mailbox<FakeCluster.Command>
  private let sink: AsyncStream<FakeCluster.Seen>.Continuation
  private var known: Set<PeerID> = []
  private var records: [Key: Record] = [:]
  private var watches: [(peer: PeerID, number: UInt64, key: Key)] = []
  private var stamp: UInt64

  init(
    at endpoint: String, _ incarnation: Incarnation, _ mailbox: Mailbox<FakeCluster.Command>,
    _ sink: AsyncStream<FakeCluster.Seen>.Continuation, writeLevel: WriteLevel
  ) throws {
    let context = try Context()
    var options = SocketOptions()
    options.messageBytesMax = Limits.frameBytesMax
    options.sendQueueMax = 10_000
    options.receiveQueueMax = 10_000
    front = try Socket(.router, in: context, options: options)
    shard = try Socket(.router, in: context, options: options)
    self.endpoint = try front.bind(to: endpoint)
    shardEndpoint = try shard.bind(to: "tcp://127.0.0.1:*")
    self.incarnation = incarnation
    self.mailbox = mailbox
    self.sink = sink
    self.writeLevel = writeLevel
    stamp = incarnation.number << 32
  }

  func run() throws {
    var poller = Poller()
    let frontSlot = try poller.watch(front)
    let shardSlot = try poller.watch(shard)
    let mailSlot = poller.watch(descriptor: mailbox.descriptor)
    defer { for slot in [frontSlot, shardSlot, mailSlot] { poller.stopWatching(slot) } }
    while true {
      _ = try poller.wait(until: nil)
      var commands: [FakeCluster.Command] = []
      mailbox.drain(into: &commands)
      for command in commands {
        if case .stop = command { return }
        try obey(command)
      }
      var message = ReceivedMessage()
      while try front.tryReceive(into: &message) == .message {
        try take(Frame(message.body[...]), from: message.peer, over: front)
      }
      while try shard.tryReceive(into: &message) == .message {
        try take(Frame(message.body[...]), from: message.peer, over: shard)
      }
    }
  }

  private func obey(_ command: FakeCluster.Command) throws {
    switch command {
    case .stop: break
    case .put(let key, let value):
      try store(
        Record(
          lattice: .lastWriterWins, encoding: value.encoding.rawValue, payload: value.bytes[...]),
        at: Key(key))
    case .finish(let id, let result):
      try store(
        Record(lattice: .lastWriterWins, payload: result.encoded()), at: ReservedKeys.future(id))
      records[ReservedKeys.intent(id)] = nil
    }
  }

  private func take(_ frame: Frame, from peer: PeerID, over socket: borrowing Socket) throws {
    let number = frame.header.number
    if frame.header.kind == .hello {
      sink.yield(.hello(try Hello.decode(frame.body).role))
      guard answersHello else { return }
      known.insert(peer)
      var welcome = Welcome()
      welcome.cluster = 7
      welcome.incarnation = incarnation
      welcome.storage = [shardEndpoint]
      welcome.writeLevel = writeLevel
      _ = try socket.trySend(welcome.framed(.welcome), to: peer)
      return
    }
    guard known.contains(peer) else {
      _ = try socket.trySend(Empty().framed(.sayHello, number: number), to: peer)
      return
    }
    if let answer = try answer(to: frame, from: peer) {
      _ = try socket.trySend(answer, to: peer)
    }
  }

  private func answer(to frame: Frame, from peer: PeerID) throws -> [UInt8]? {
    let number = frame.header.number
    switch frame.header.kind {
    case .call: return try run(Call.decode(frame.body))?.framed(.result, number: number)
    case .cancel: sink.yield(.cancel(try CancelCall.decode(frame.body).invocation))
    case .keyRequest:
      return try serve(KeyRequest.decode(frame.body)).framed(.keyResponse, number: number)
    case .watch:
      let request = try WatchRequest.decode(frame.body)
      sink.yield(.watch(request.key.description, known: request.known))
      watches.append((peer, number, request.key))
      let version = records[request.key]?.version
      if version.map({ $0 > request.known }) ?? true {
        return event(request.key).framed(.watchEvent, number: number)
      }
    case .unwatch:
      sink.yield(.unwatch)
      watches.removeAll { $0.peer == peer && $0.number == number }
    case .controlRequest: return try control(frame)
    default: break
    }
    return nil
  }

  private func run(_ call: Call) throws -> CallResult? {
    let header = try CallHeader(call.header)
    sink.yield(.call(call.function))
    var result = CallResult()
    result.invocation = header.invocation
    if call.submit {
      records[ReservedKeys.intent(header.invocation)] = Record(
        lattice: .lastWriterWins, payload: call.encoded())
      return result
    }
    switch call.function.isEmpty ? "square" : call.function {
    case "square":
      let argument = call.arguments.first ?? call.inputs.first?.arguments.first ?? Argument()
      let number = try value(of: argument).decode(as: Int.self)
      result.give(try EncodedValue(number * number))
    case "echo": result.give(try value(of: call.arguments[0]))
    case "session":
      let entries = try SessionToken.decode(header.session).entries
      let stamps = entries.map { ($0.key.description, Int($0.version.stamp)) }
      result.give(try EncodedValue(Dictionary(uniqueKeysWithValues: stamps)))
    case "fail":
      var failure = Failure(.functionFailed, "it threw", hint: "cbctl logs")
      (failure.function, failure.version, failure.node) = ("fail", "0123456789ab", "n1/0")
      result.failure = failure
    default: return nil
    }
    return result
  }

  private func value(of argument: Argument) throws -> EncodedValue {
    guard let key = argument.referencedKey else {
      return EncodedValue(
        encoding: ValueEncoding(rawValue: argument.encoding) ?? .raw, bytes: Array(argument.value))
    }
    let record = records[key]
    return EncodedValue(
      encoding: ValueEncoding(rawValue: record?.encoding ?? 0) ?? .raw,
      bytes: Array(record?.payload ?? []))
  }

  private func serve(_ request: KeyRequest) throws -> KeyResponse {
    var response = KeyResponse()
    for tuple in request.tuples {
      sink.yield(.keys(request.type, tuple.key.description))
      var answer = KeyTuple(key: tuple.key)
      switch request.type {
      case .get: answer.record = records[tuple.key]?.encoded() ?? []
      case .delete:
        try store(nil, at: tuple.key)
      case .put where tuple.record.isEmpty:
        var counter = try Counter(serialized: records[tuple.key]?.payload ?? [])
        counter.increment(by: UInt64(tuple.counterDelta), actor: 1)
        try store(Record(lattice: .counter, payload: counter.serialized()[...]), at: tuple.key)
      case .put: try store(Record(tuple.record), at: tuple.key)
      case .list, .explain: break
      }
      if request.type == .put { answer.version = records[tuple.key]?.version ?? .none }
      response.tuples.append(answer)
    }
    return response
  }

  private func store(_ record: Record?, at key: Key) throws {
    stamp += 1
    var record = record
    record?.stamp = stamp
    records[key] = record
    for watch in watches where watch.key == key {
      _ = try shard.trySend(event(key).framed(.watchEvent, number: watch.number), to: watch.peer)
    }
  }

  private func event(_ key: Key) -> KeyResponse {
    var event = KeyResponse()
    var tuple = KeyTuple(key: key)
    tuple.record = records[key]?.encoded() ?? []
    event.tuples = [tuple]
    return event
  }

  private func control(_ frame: Frame) throws -> [UInt8] {
    let request = try ControlRequest(serializedBytes: Array(frame.body))
    var response = ControlResponse()
    switch request.request {
    case .uploadBegin(let begin):
      response.uploadState.present = begin.byteCount > UInt64(Limits.chunkBytesMax) ? [0] : []
    case .uploadChunk(let chunk):
      records[Key("chunk/\(chunk.number)")] = Record(
        lattice: .lastWriterWins, payload: Bytes(chunk.data))
      response.done = .init()
    case .uploadCommit(let commit):
      response.uploadResult.bundle = "bundle"
      response.uploadResult.digest = commit.digest
    case .putDag: response.done = .init()
    default: response = ControlResponse(Failure(.badRequest, "the fake does not know that"))
    }
    var writer = ProtobufWriter()
    FrameHeader(kind: .controlResponse, number: frame.header.number).write(to: &writer)
    writer.raw(try response.serializedBytes() as [UInt8])
    return writer.bytes
  }
}

extension CallResult {
  mutating func give(_ value: EncodedValue) {
    (encoding, self.value) = (value.encoding.rawValue, value.bytes[...])
  }
}
