import ClusterModel
import Connections
import Foundation
import Lattices
import Logging
import NodeRuntime
import Platform
import SharedCache
import Testing
import WireProtocol
import ZeroMQ

/// A cache loop and a storage loop on their threads; an executor, a scheduler and a client of the
/// store on the test's.
private final class NodeUnderTest {
  let context: Context
  let folder = "/dev/shm/cloudburst-test-\(String(RandomBytes.word(), radix: 36))"
  private let ipc = "/tmp/cb-\(getpid())-\(String(RandomBytes.word(), radix: 36))"
  private let cacheMailbox: Mailbox<CacheMessage>
  private let storageMailbox: Mailbox<StorageMessage>
  private var cacheLoop: RunningLoop?
  private let storageLoop: RunningLoop
  private var poller = Poller()
  private var scheduler: Listener
  private var executor: Dialer
  private var client: Dialer
  private(set) var reader: CacheReader?
  private var number: UInt64 = 0
  private(set) var answers: [UInt64: Frame] = [:]
  private(set) var clientAnswers: [UInt64: KeyResponse] = [:]
  private(set) var released: [Released.Entry] = []

  init(_ change: (inout CacheConfiguration) -> Void = { _ in }) throws {
    let context = try Context()
    let (folder, ipc) = (folder, ipc)
    try FileManager.default.createDirectory(atPath: ipc, withIntermediateDirectories: true)
    let storageMailbox = try StorageLoop.mailbox()
    let storageConfiguration = StorageConfiguration(
      cluster: ClusterID(7), incarnation: Incarnation(11), endpoints: ["ipc://\(ipc)/storage"],
      dataFolder: nil)
    storageLoop = try RunningLoop.start(named: "storage") {
      var logger = Logger(label: "storage")
      logger.logLevel = .critical
      return try StorageLoop(
        storageConfiguration, mailbox: storageMailbox, in: context, logger: logger
      ) { _ in }
    }
    scheduler = try Listener(
      on: ["ipc://\(ipc)/scheduler"], cluster: ClusterID(7), in: context)
    var configuration = CacheConfiguration(
      node: NodeID("node0"), cluster: ClusterID(7), incarnation: Incarnation(12), folder: folder,
      endpoints: (
        "ipc://\(ipc)/cache", "ipc://\(ipc)/scheduler",
        .shard(endpoint: "ipc://\(ipc)/storage")
      ),
      defaultLevel: .accepted)
    configuration.shared = SharedCacheConfig(mapBytes: 8 << 20, readersMax: 16)
    change(&configuration)
    let cacheMailbox = try Mailbox<CacheMessage>(countMax: 16)
    let final = configuration
    cacheLoop = try RunningLoop.start(named: "cache") {
      try CacheLoop(final, mailbox: cacheMailbox, in: context)
    }
    executor = try Dialer(
      to: "ipc://\(ipc)/cache", as: Self.hello(.executor), named: PeerID("node0/0#1"), in: context)
    client = try Dialer(to: "ipc://\(ipc)/storage", as: Self.hello(.client), in: context)
    self.context = context
    self.cacheMailbox = cacheMailbox
    self.storageMailbox = storageMailbox
    _ = try scheduler.watch(in: &poller)
    _ = try executor.watch(in: &poller)
    _ = try client.watch(in: &poller)
    try run { self.reader != nil && self.client.isConnected }
  }

  private static func hello(_ role: PeerRole) -> Hello {
    var hello = Hello()
    hello.role = role
    hello.cluster = 7
    hello.name = "node0/0#1"
    hello.incarnation = Incarnation(1)
    return hello
  }

  deinit {
    stopCache()
    _ = storageMailbox.tryPost(.stop)
    storageLoop.join()
    try? FileManager.default.removeItem(atPath: folder)
    try? FileManager.default.removeItem(atPath: ipc)
  }

  func stopCache() {
    _ = cacheMailbox.tryPost(.stop)
    cacheLoop?.join()
    cacheLoop = nil
  }

  func run(until condition: () throws -> Bool) throws {
    let deadline = MonotonicClock.now + 20_000_000_000
    while try !condition() {
      guard MonotonicClock.now < deadline else {
        throw Failure(.timedOut, "what was waited for did not happen")
      }
      _ = try poller.wait(until: MonotonicClock.now + 20_000_000)
      while let event = try scheduler.next() { try take(event) }
      while let event = try executor.next() {
        switch event {
        case .connected(let welcome): reader = try CacheReader(folder: welcome.cacheFolder)
        case .frame(let frame): answers[frame.header.number] = frame
        case .lost, .refused: continue
        }
      }
      while let event = try client.next() {
        guard case .frame(let frame) = event else { continue }
        clientAnswers[frame.header.number] = try KeyResponse.decode(frame.body)
      }
      try executor.tend(now: MonotonicClock.now, poller: &poller)
      try client.tend(now: MonotonicClock.now, poller: &poller)
    }
  }

  private func take(_ event: Listener.Event) throws {
    switch event {
    case .hello(let peer, _):
      var welcome = Welcome()
      welcome.incarnation = Incarnation(77)
      try scheduler.welcome(peer, welcome)
    case .frame(_, let frame):
      guard frame.header.kind == .released else { return }
      released += try Released.decode(frame.body).entries
    case .lost: return
    }
  }

  func fetch(_ key: String) throws -> CacheFetched {
    number += 1
    var fetch = CacheFetch()
    fetch.key = Key(key)
    _ = try executor.send(fetch.framed(.cacheFetch, number: number))
    try run { self.answers[self.number] != nil }
    return try CacheFetched.decode(answers[number]?.body ?? [])
  }

  func write(_ writes: [CacheWrite], call: UInt64 = 1, isFinal: Bool = false) throws {
    number += 1
    var frame = CacheWrites()
    frame.invocation = InvocationID(high: 0, low: call)
    frame.writes = writes
    frame.isFinal = isFinal
    frame.scheduler = Incarnation(77)
    _ = try executor.send(frame.framed(.cacheWrites, number: number))
    try run { self.answers[self.number] != nil }
    #expect(answers[number]?.header.kind == .cacheApplied)
  }

  /// What the store says to one of its clients.
  func ask(_ type: KeyRequestType, _ tuple: KeyTuple) throws -> KeyTuple {
    number += 1
    var request = KeyRequest()
    request.type = type
    request.tuples = [tuple]
    _ = try client.send(request.framed(.keyRequest, number: number))
    try run { self.clientAnswers[self.number] != nil }
    return try #require(clientAnswers[number]?.tuples.first)
  }

  func store(_ key: String, _ payload: Bytes) throws {
    var tuple = KeyTuple(key: Key(key))
    tuple.record = Record(lattice: .lastWriterWins, payload: payload).encoded()
    #expect(try ask(.put, tuple).failure == nil)
  }

  func stored(_ key: String) throws -> Record? {
    let answer = try ask(.get, KeyTuple(key: Key(key)))
    return answer.record.isEmpty ? nil : try Record(answer.record)
  }

  func read(_ key: String) throws -> CachedRecord? { try reader?.read(Key(key)) }
  var acknowledgedSequence: UInt64 { reader?.acknowledgedSequence ?? 0 }
}

@Suite(.serialized) struct CacheLoopTests {
  @Test func aFetchedKeyIsReadFromSharedMemoryAndFollowsItsOwner() throws {
    let node = try NodeUnderTest()
    try node.store("a", Bytes(text: "1"))
    #expect(try node.read("a") == nil)
    #expect(try Record(node.fetch("a").record).payload.text == "1")
    #expect(try node.read("a")?.record.payload.text == "1")
    try node.store("a", Bytes(text: "2"))
    try node.run { try node.read("a")?.record.payload.text == "2" }
  }

  @Test func aWriteIsReadAtOnceAndReleasedWhenTheStoreHasIt() throws {
    let node = try NodeUnderTest()
    var write = CacheWrite(key: Key("a"), kind: .put)
    write.value = Bytes(text: "x")
    _ = try node.fetch("a")
    try node.write([write], isFinal: true)
    #expect(try node.read("a")?.record.payload.text == "x")
    try node.run { !node.released.isEmpty }
    #expect(node.released[0].invocation.low == 1 && node.released[0].failure == nil)
    #expect(try node.stored("a")?.payload.text == "x")
    #expect(node.acknowledgedSequence == 1)
  }

  @Test func countersOfTheNodeAndOfAClientAddUp() throws {
    let node = try NodeUnderTest()
    var write = CacheWrite(key: Key("c"), kind: .addToCounter)
    write.delta = 2
    for call in 1...5 { try node.write([write], call: UInt64(call), isFinal: true) }
    var tuple = KeyTuple(key: Key("c"))
    tuple.counterDelta = 7
    #expect(try node.ask(.put, tuple).failure == nil)
    try node.run { node.released.count == 5 }
    let fetched = try Record(node.fetch("c").record)
    #expect(try Counter(serialized: fetched.payload).value == 17)
    #expect(try Counter(serialized: node.stored("c")?.payload ?? []).value == 17)
  }

  @Test func aTypeConflictFailsTheCallAndLeavesTheStoreAsItWas() throws {
    let node = try NodeUnderTest()
    try node.store("a", Bytes(text: "text"))
    var write = CacheWrite(key: Key("a"), kind: .addToCounter)
    write.delta = 1
    try node.write([write], isFinal: true)
    try node.run { !node.released.isEmpty }
    #expect(node.released[0].failure?.code == .lattice)
    #expect(try node.stored("a")?.payload.text == "text")
  }

  @Test func aLargeValueIsMappedAndNotSent() throws {
    let node = try NodeUnderTest()
    try node.store("big", [UInt8](repeating: 9, count: 1 << 20)[...])
    let fetched = try node.fetch("big")
    #expect(fetched.inCache && fetched.record.isEmpty)
    #expect(try node.read("big")?.large?.bytes.count == 1 << 20)
  }

  @Test func moreThanTheCacheHoldsIsServedAndEvicted() throws {
    let node = try NodeUnderTest()
    for number in 0..<40 {
      try node.store("k\(number)", [UInt8](repeating: UInt8(number), count: 250 << 10)[...])
      #expect(try Record(node.fetch("k\(number)").record).payload.last == UInt8(number))
    }
    let held = try (0..<40).filter { try node.read("k\($0)") != nil }
    #expect(held.count > 10 && held.count < 40)
  }

  @Test func aValueWithoutRoomInSharedMemoryIsServedOverTheConnection() throws {
    let node = try NodeUnderTest { $0.shared.mapBytes = 4 << 20 }
    try node.store("big", [UInt8](repeating: 9, count: 3 << 20)[...])
    let fetched = try node.fetch("big")
    #expect(!fetched.inCache)
    #expect(try Record(fetched.record).payload.count == 3 << 20)
    #expect(try node.read("big") == nil)
  }

  @Test func anOrderedStopLeavesNothingInSharedMemory() throws {
    let node = try NodeUnderTest()
    var write = CacheWrite(key: Key("a"), kind: .put)
    write.value = Bytes(text: "last words")
    try node.write([write])
    node.stopCache()
    #expect(try node.stored("a")?.payload.text == "last words")
    #expect(!Files.exists(node.folder))
  }
}
