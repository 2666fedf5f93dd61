import ClusterModel
import Connections
import ControlProtocol
import Foundation
import KeyValueStore
import Logging
import NodeRuntime
import Platform
import SwiftProtobuf
import Testing
import WireProtocol
import ZeroMQ

/// A storage loop on its thread, over real sockets.
private final class RunningStorage {
  let context: Context
  let endpoint: String
  private let mailbox: Mailbox<StorageMessage>
  private let loop: RunningLoop

  init(data: String? = nil, incarnation: UInt64 = 11, memoryBudget: Int? = nil) throws {
    let context = try Context()
    let mailbox = try StorageLoop.mailbox()
    let bound = Locked<[String]>([])
    var configuration = StorageConfiguration(
      cluster: ClusterID(7), incarnation: Incarnation(incarnation),
      endpoints: ["tcp://127.0.0.1:*"], dataFolder: data)
    if let memoryBudget { configuration.memoryBudget = memoryBudget }
    let told = configuration
    loop = try RunningLoop.start(named: "storage") {
      var logger = Logger(label: "storage")
      logger.logLevel = .critical
      return try StorageLoop(told, mailbox: mailbox, in: context, logger: logger) {
        endpoints in bound.withLock { $0 = endpoints }
      }
    }
    self.context = context
    self.mailbox = mailbox
    endpoint = bound.withLock { $0[0] }
  }

  func stop() {
    _ = mailbox.tryPost(.stop)
    loop.join()
  }
}

/// One connection to a storage loop; waits for answers on the caller's thread.
private struct StorageClient: ~Copyable {
  var dialer: Dialer
  var poller: Poller
  var number: UInt64 = 0
  /// Frames that were no answer to a request.
  var others: [Frame] = []
  static let limit: UInt64 = 20_000_000_000

  private init(_ storage: RunningStorage, as hello: Hello) throws {
    let dialer = try Dialer(
      to: storage.endpoint, as: hello, named: PeerID(hello.name), in: storage.context)
    self.dialer = dialer
    poller = Poller()
  }

  static func connected(
    to storage: RunningStorage, role: PeerRole = .client, name: String = "tester"
  ) throws -> StorageClient {
    var hello = Hello()
    hello.role = role
    hello.cluster = 7
    hello.name = name
    hello.incarnation = Incarnation(5)
    var client = try StorageClient(storage, as: hello)
    try client.connect()
    return client
  }

  private mutating func connect() throws {
    _ = try dialer.watch(in: &poller)
    let deadline = MonotonicClock.now + Self.limit
    while !dialer.isConnected { _ = try turn(until: deadline) }
  }

  private mutating func turn(until deadline: UInt64) throws -> Frame? {
    try #require(MonotonicClock.now < deadline, "nothing came in time")
    let next = try dialer.next()
    if case .frame(let frame) = next { return frame }
    if next == nil {
      _ = try poller.wait(until: min(deadline, dialer.deadline ?? deadline))
      try dialer.tend(now: MonotonicClock.now, poller: &poller)
    }
    return nil
  }

  mutating func exchange(_ frame: [UInt8]) throws -> Frame {
    #expect(try dialer.send(frame) == .sent)
    let deadline = MonotonicClock.now + Self.limit
    while true {
      guard let answer = try turn(until: deadline) else { continue }
      if answer.header.number == number { return answer }
      others.append(answer)
    }
  }

  mutating func status() throws -> Cloudburst_Control_Status {
    var request = ControlRequest()
    request.getStatus = Cloudburst_Control_GetStatus()
    var writer = ProtobufWriter()
    number += 1
    FrameHeader(kind: .controlRequest, number: number).write(to: &writer)
    let body: [UInt8] = try request.serializedBytes()
    writer.raw(body)
    let answer = try exchange(writer.bytes)
    return try ControlResponse(serializedBytes: Array(answer.body)).status
  }

  mutating func request(
    _ type: KeyRequestType, _ tuples: [KeyTuple], level: WriteLevel? = nil, subscribe: Bool = false
  ) throws -> KeyResponse {
    var request = KeyRequest()
    request.type = type
    request.tuples = tuples
    request.level = level
    request.subscribe = subscribe
    number += 1
    let answer = try exchange(request.framed(.keyRequest, number: number))
    #expect(answer.header.kind == .keyResponse)
    return try KeyResponse.decode(answer.body)
  }

  mutating func put(
    _ key: String, _ text: String, level: WriteLevel? = nil
  ) throws -> KeyResponse {
    var tuple = KeyTuple(key: Key(key))
    tuple.record = Record(lattice: .lastWriterWins, payload: Bytes(text: text)).encoded()
    return try request(.put, [tuple], level: level)
  }

  mutating func text(_ key: String) throws -> String? {
    let tuple = try request(.get, [KeyTuple(key: Key(key))]).tuples.first
    return tuple?.failure == nil ? try Record(tuple?.record ?? []).payload.text : nil
  }

  /// The next frame of a kind that answers nothing.
  mutating func next(_ kind: FrameKind) throws -> Frame {
    let deadline = MonotonicClock.now + Self.limit
    while true {
      if let index = others.firstIndex(where: { $0.header.kind == kind }) {
        return others.remove(at: index)
      }
      if let frame = try turn(until: deadline) { others.append(frame) }
    }
  }
}

struct StorageLoopTests {
  @Test func whatOneClientPutsAnotherGets() throws {
    let storage = try RunningStorage()
    defer { storage.stop() }
    var writer = try StorageClient.connected(to: storage, name: "writer")
    var reader = try StorageClient.connected(to: storage, name: "reader")
    #expect(try writer.put("k", "v").tuples.first?.failure == nil)
    #expect(try reader.text("k") == "v")
  }

  @Test func aWatchHearsOfAnothersWrite() throws {
    let storage = try RunningStorage()
    defer { storage.stop() }
    var watcher = try StorageClient.connected(to: storage, name: "watcher")
    var writer = try StorageClient.connected(to: storage, name: "writer")
    var watch = WatchRequest()
    watch.key = Key("k")
    watcher.number = 40
    let absent = try watcher.exchange(watch.framed(.watch, number: 40))
    #expect(try KeyResponse.decode(absent.body).tuples.first?.failure?.code == .keyNotFound)
    watcher.number = 0
    _ = try writer.put("k", "v")
    let event = try watcher.next(.watchEvent)
    #expect(event.header.number == 40)
    #expect(try Record(KeyResponse.decode(event.body).tuples[0].record).payload.text == "v")
  }

  @Test func aSubscribedCacheIsPushedTo() throws {
    let storage = try RunningStorage()
    defer { storage.stop() }
    var cache = try StorageClient.connected(to: storage, role: .cache, name: "cache")
    var writer = try StorageClient.connected(to: storage, name: "writer")
    _ = try cache.request(.get, [KeyTuple(key: Key("k"))], subscribe: true)
    cache.number = .max
    _ = try writer.put("k", "v")
    let push = try cache.next(.push)
    #expect(push.header.number == 1)
    #expect(try KeyResponse.decode(push.body).tuples.first?.key == Key("k"))
  }

  @Test func aSubscriberHearsWhereItsStreamStands() throws {
    let storage = try RunningStorage()
    defer { storage.stop() }
    var cache = try StorageClient.connected(to: storage, role: .cache, name: "cache")
    var writer = try StorageClient.connected(to: storage, name: "writer")
    _ = try cache.request(.get, [KeyTuple(key: Key("k"))], subscribe: true)
    cache.number = .max
    _ = try writer.put("k", "v")
    #expect(try cache.next(.heartbeat).header.number == 1)
  }

  @Test func aMalformedRequestIsRefusedAndTheConnectionLives() throws {
    let storage = try RunningStorage()
    defer { storage.stop() }
    var client = try StorageClient.connected(to: storage)
    var garbage = Empty().framed(.keyRequest, number: 1)
    garbage += [0xFF, 0xFF, 0xFF]
    client.number = 1
    let answer = try client.exchange(garbage)
    #expect(answer.header.kind == .refusal)
    #expect(try FailureMessage.decode(answer.body).failure.code == .badRequest)
    #expect(try client.put("k", "v").failure == nil)
  }

  @Test func aFrameThatIsNotForAStoreIsRefused() throws {
    let storage = try RunningStorage()
    defer { storage.stop() }
    var client = try StorageClient.connected(to: storage)
    client.number = 3
    let answer = try client.exchange(Empty().framed(.call, number: 3))
    #expect(answer.header.kind == .refusal)
  }

  @Test func statusTellsKeysAndBytes() throws {
    let storage = try RunningStorage()
    defer { storage.stop() }
    var client = try StorageClient.connected(to: storage)
    _ = try client.put("k", "v")
    let status = try client.status()
    #expect(status.keys == 1)
    #expect(status.storedBytes == 50)
    #expect(status.writeLevel == "accepted")
  }

  /// Reads of the log go on beside its commits.
  @Test func recordsBeyondTheBudgetAreReadFromTheLog() throws {
    let folder = TemporaryFolder()
    let storage = try RunningStorage(data: folder.path, memoryBudget: 20_000)
    defer { storage.stop() }
    var client = try StorageClient.connected(to: storage)
    let text = String(repeating: "v", count: 500)
    for number in 0..<100 {
      #expect(try client.put("k\(number)", "\(number) \(text)").tuples.first?.failure == nil)
    }
    let deadline = MonotonicClock.now + StorageClient.limit
    while try client.status().coldKeys < 50 { try #require(MonotonicClock.now < deadline) }
    for number in 0..<100 {
      let answer = try client.request(.get, [KeyTuple(key: Key("k\(number)"))])
      let record = try Record(try #require(answer.tuples.first).record)
      #expect(record.payload.text == "\(number) \(text)")
      #expect(try client.put("k\(99 - number)", "\(99 - number) \(text)").failure == nil)
    }
  }

  @Test func aDurableWriteIsThereAfterARestart() throws {
    let folder = TemporaryFolder()
    do {
      let storage = try RunningStorage(data: folder.path)
      defer { storage.stop() }
      var client = try StorageClient.connected(to: storage)
      for number in 0..<100 {
        #expect(try client.put("k\(number)", "v\(number)").tuples.first?.failure == nil)
      }
      _ = try client.request(.delete, [KeyTuple(key: Key("k7"))])
    }
    let storage = try RunningStorage(data: folder.path, incarnation: 12)
    defer { storage.stop() }
    var client = try StorageClient.connected(to: storage)
    #expect(try client.text("k99") == "v99")
    #expect(try client.text("k7") == nil)
  }

  @Test func anOrderedStopKeepsAcceptedWritesToo() throws {
    let folder = TemporaryFolder()
    do {
      let storage = try RunningStorage(data: folder.path)
      var client = try StorageClient.connected(to: storage)
      for number in 0..<1000 { _ = try client.put("k\(number)", "v", level: .accepted) }
      storage.stop()
    }
    let storage = try RunningStorage(data: folder.path, incarnation: 12)
    defer { storage.stop() }
    var client = try StorageClient.connected(to: storage)
    #expect(try client.text("k999") == "v")
  }

  @Test func whatWasAcknowledgedAsDurableIsInTheFilesOfAKilledProcess() throws {
    let folder = TemporaryFolder()
    let copy = TemporaryFolder()
    let storage = try RunningStorage(data: folder.path)
    defer { storage.stop() }
    var client = try StorageClient.connected(to: storage)
    for number in 0..<50 { _ = try client.put("k\(number)", "v") }
    try FileManager.default.copyItem(at: folder.url, to: copy.url)
    let revived = try RunningStorage(data: copy.path, incarnation: 12)
    defer { revived.stop() }
    var reader = try StorageClient.connected(to: revived)
    #expect(try reader.text("k49") == "v")
  }

  @Test func aSecondStoreOnTheSameFolderDoesNotStart() throws {
    let folder = TemporaryFolder()
    let storage = try RunningStorage(data: folder.path)
    defer { storage.stop() }
    let failure = #expect(throws: Failure.self) { try RunningStorage(data: folder.path) }
    #expect(failure?.code == .dataLocked)
  }
}
