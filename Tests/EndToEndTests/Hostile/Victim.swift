import CloudburstClient
import ClusterModel
import Foundation
import Synchronization
import Testing
import WireProtocol

/// A cluster under attack, and a good client beside the attacker whose calls must all be answered.
final class Victim: Sendable {
  let dev: LocalDev
  let processID: Int32
  private let cloud: CloudburstClient
  private let load: Task<[Double], any Error>
  private let over: OverFlag

  private init(_ dev: LocalDev, _ cloud: CloudburstClient) throws {
    self.dev = dev
    self.cloud = cloud
    let over = OverFlag()
    self.over = over
    processID = try dev.processID()
    load = Task { try await Self.call(cloud, until: over) }
  }

  static func start(executors: Int = 2) async throws -> Victim {
    let dev = try LocalDev(executors: executors, uploading: ["arithmetic", "misbehaving"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await cloud.put("good", 4)
    // The first call brings the bundle; that is not what is measured.
    for _ in 0..<20 {
      let squared: Int = try await cloud.call("square", CallArgument.reference("good"))
      try #require(squared == 16)
    }
    return try Victim(dev, cloud)
  }

  /// Calls, reads and writes, one after another, each within 5 s.
  private static func call(
    _ cloud: CloudburstClient, until isOver: OverFlag
  ) async throws -> [Double] {
    var milliseconds: [Double] = []
    let clock = ContinuousClock()
    repeat {
      let start = clock.now
      let squared: Int = try await cloud.call(
        "square", CallArgument.reference("good"), options: CallOptions(timeLimit: .seconds(5)))
      try #require(squared == 16)
      milliseconds.append((clock.now - start) / .milliseconds(1))
      if milliseconds.count.isMultiple(of: 8) { try await cloud.put("good", 4) }
    } while !isOver.isSet
    return milliseconds
  }

  /// Ends the load beside the attack, and checks that it was served and the daemon never died.
  func check(_ attack: String) async throws {
    over.set()
    let latencies = try await load.value.sorted()
    let last: Int = try await cloud.call("square", 5)
    #expect(last == 25)
    #expect(kill(processID, 0) == 0, "the daemon is alive")
    #expect(try dev.processID() == processID)
    let p99 = latencies[latencies.count * 99 / 100]
    print(
      "\(attack): \(latencies.count) good calls, p50 \(latencies[latencies.count / 2]) ms, "
        + "p99 \(p99) ms, slowest \(latencies.last ?? 0) ms, daemon \(residentMegabytes) MB")
    await cloud.close()
  }

  /// Of the daemon, in MB.
  var residentMegabytes: Int { Self.resident(of: processID) }

  private static func resident(of process: Int32) -> Int {
    let text = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
    return (line.split(separator: " ").compactMap { Int($0) }.first ?? 0) / 1024
  }

  /// Open descriptors of the daemon.
  var descriptors: Int {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(processID)/fd")) ?? []).count
  }

  /// Every socket that somebody could dial: the front, the store's two, and those on this machine.
  func endpoints() throws -> [String] {
    let folder = "\(dev.scratch.path)/cloudburst-\(getuid())/\(dev.port)"
    let local = try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".ipc") }.sorted()
    try #require(local.count >= 4, "\(local)")
    return [dev.endpoint, try storage()] + local.map { "ipc://\(folder)/\($0)" }
  }

  /// The store's endpoint for clients, from a welcome.
  func storage() throws -> String {
    let peer = try RawPeer(dev.endpoint)
    return try #require(try peer.greet(as: Hello()).storage.first)
  }
}

final class OverFlag: Sendable {
  private let flag = Mutex(false)
  var isSet: Bool { flag.withLock { $0 } }
  func set() { flag.withLock { $0 = true } }
}

extension RawPeer {
  /// A peer that is welcome.
  func greet(as hello: Hello) throws -> Welcome {
    var hello = hello
    if hello.incarnation == Incarnation(0) {
      hello.incarnation = Incarnation(UInt64.random(in: 1...UInt64.max))
    }
    try shakeHands()
    send(ZMTP.frame(hello.framed(.hello)))
    let answer = try Frame(try #require(nextMessage(), "no answer to a hello")[...])
    try #require(answer.header.kind == .welcome, "\(answer)")
    return try Welcome.decode(answer.body)
  }

  /// The failure that the next message tells.
  func nextRefusal() throws -> Failure {
    let frame = try Frame(try #require(nextMessage(), "no refusal came")[...])
    try #require(frame.header.kind == .refusal, "\(frame)")
    return try FailureMessage.decode(frame.body).failure
  }
}

extension SplitMix64 {
  mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }

  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }

  /// A new one in each run, or the one to repeat.
  static func drawSeed() -> UInt64 {
    let wanted = ProcessInfo.processInfo.environment["CLOUDBURST_FUZZ_SEED"].flatMap { UInt64($0) }
    return wanted ?? UInt64.random(in: 0...UInt64.max)
  }
}
