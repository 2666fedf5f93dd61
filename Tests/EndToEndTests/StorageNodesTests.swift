import CloudburstClient
import Foundation
import Testing

/// Clusters with several storage nodes whose processes die, stop, come and go under load.
///
/// `CLOUDBURST_SOAK_SECONDS` makes the first one long.
@Suite(.serialized, .timeLimit(.minutes(10))) struct StorageNodesTests {
  /// No key may be out of reach for longer when nodes die, come and go.
  static let outageMax = Duration.seconds(3)
  /// A node that is stopped is waited for until its lease is over, 2.5 s after its last report.
  static let stopMax = Duration.seconds(5)

  @Test func killsOfRandomNodesLoseNoAcknowledgedAdd() async throws {
    try await TierUnderLoad.with(nodes: 3, level: .replicated) { tier in
      let seconds = ProcessInfo.processInfo.environment["CLOUDBURST_SOAK_SECONDS"].flatMap(Int.init)
      let kills = seconds.map { $0 / 5 } ?? 3
      var random = SystemRandomNumberGenerator()
      for _ in 0..<kills {
        let victim = "storage\(Int.random(in: 0..<3, using: &random))"
        let epoch = try await tier.ringEpoch()
        try tier.dev.killPart(victim)
        if seconds != nil { try await Task.sleep(for: .seconds(5)) }
        try await tier.isWhole(3, after: epoch)
        await tier.load.passes(200)
      }
    }
  }

  @Test func twoNodesBecomeFourAndTwoAgain() async throws {
    try await TierUnderLoad.with(nodes: 2, level: .replicated) { tier in
      await tier.load.passes(500)
      try tier.cbctl("storage", "add", "--count", "2")
      await tier.load.passes(500)
      try tier.cbctl("storage", "remove", "storage0", "storage1")
      try await tier.isWhole(2)
      await tier.load.passes(500)
      let data = try FileManager.default.contentsOfDirectory(atPath: tier.dev.dataFolder)
      #expect(data.sorted() == ["router", "storage2", "storage3"])
    }
  }

  @Test func aNodeThatWasStoppedForLongerThanItsLeaseTakesNoStaleWrite() async throws {
    try await TierUnderLoad.with(nodes: 3, level: .replicated, outageMax: Self.stopMax) { tier in
      let stopped = try #require(try tier.dev.processID(of: "storage1"))
      kill(stopped, SIGSTOP)
      defer { kill(stopped, SIGCONT) }
      try await waits("the others go on without it") {
        try await tier.readers.status().tier?.storageNodes == 2
      }
      await tier.load.passes(500)
      let epoch = try await tier.ringEpoch()
      kill(stopped, SIGCONT)
      // It finds that its life is over, and ends; its next one is a member.
      try await tier.isWhole(3, after: epoch)
      #expect(try tier.dev.processID(of: "storage1") != stopped)
      await tier.load.passes(300)
    }
  }

  @Test func aNodeThatStopsForASecondAgainAndAgainMovesNoKeys() async throws {
    try await TierUnderLoad.with(nodes: 3, level: .replicated, outageMax: Self.stopMax) { tier in
      let epoch = try await tier.ringEpoch()
      let flapping = try #require(try tier.dev.processID(of: "storage2"))
      for _ in 0..<3 {
        kill(flapping, SIGSTOP)
        // The times themselves are what is tested: shorter than a lease, and some rest.
        try await Task.sleep(for: .seconds(1))
        kill(flapping, SIGCONT)
        try await Task.sleep(for: .seconds(2))
      }
      #expect(try await tier.ringEpoch() == epoch)
      #expect(try tier.dev.processID(of: "storage2") == flapping)
    }
  }

  @Test func whatWasDurableIsThereAfterTheDeathOfAllNodesAtOnce() async throws {
    try await TierUnderLoad.with(nodes: 3, level: .durable) { tier in
      await tier.load.passes(300)
      let epoch = try await tier.ringEpoch()
      for number in 0..<3 { try tier.dev.killPart("storage\(number)") }
      try await tier.isWhole(3, after: epoch)
      await tier.load.passes(300)
    }
  }

  @Test func whatWasDeletedStaysSoThoughANodeWasAwayForLonger() async throws {
    let dev = try LocalDev(
      durable: true, options: ["--storage-nodes", "3", "--tombstone-grace", "4"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    for number in 0..<60 { try await cloud.put("k\(number)", number) }
    let away = try #require(try dev.processID(of: "storage1"))
    kill(away, SIGSTOP)
    defer { kill(away, SIGCONT) }
    try await waits("the others hold all keys") {
      let tier = try await cloud.status().tier
      return tier?.storageNodes == 2 && tier?.isSettled == true
    }
    for number in 0..<30 { try await cloud.delete("k\(number)") }
    // The time itself is what is tested: the grace period, and what clocks may differ by.
    try await Task.sleep(for: .seconds(7))
    let epoch = try #require(try await cloud.status().tier).ringEpoch
    kill(away, SIGCONT)
    for _ in 0..<2 {
      try await waits("it is a member again") {
        let tier = try await cloud.status().tier
        return tier?.storageNodes == 3 && tier?.isSettled == true && tier?.ringEpoch ?? 0 > epoch
      }
      for number in 0..<60 {
        let value = try await cloud.get("k\(number)", as: Int.self)
        #expect(value == (number < 30 ? nil : number))
      }
      // What the disks have says the same.
      for number in 0..<3 { try dev.killPart("storage\(number)") }
    }
  }

  @Test func functionsGoOnWhileAStorageNodeDies() async throws {
    let dev = try LocalDev(
      durable: true, nodes: 2, uploading: ["arithmetic", "visits"],
      options: ["--storage-nodes", "3"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let other = try await CloudburstClient.connect(to: dev.endpoint)
    try await cloud.put("n", 2)
    try await dev.callEverywhere(other, expecting: 4)
    let load = Load(cloud)
    await load.passes(100)
    for victim in ["storage0", "storage1", "storage2"] {
      let epoch = try #require(try await cloud.status().tier).ringEpoch
      try dev.killPart(victim)
      for _ in 0..<20 { try await other.call("visit", "home") }
      try await waits("all keys are where they belong") {
        let tier = try await other.status().tier
        return tier?.isSettled == true && tier?.ringEpoch ?? 0 > epoch
      }
      await load.passes(100)
    }
    let report = await load.end()
    let log = try dev.daemonLog()
    #expect(report.failures.isEmpty, "\(report)\n\(log)")
    for (key, value) in report.acknowledged {
      let stored = try await other.get(key, as: Int.self)
      #expect(stored ?? -1 >= value, "\(key) is \(String(describing: stored)), not \(value)")
    }
    #expect(try await other.counter("visits/home").value() == 60)
    // Both caches hear of changes, from whoever owns the key now.
    try await cloud.put("n", 3)
    try await dev.callEverywhere(other, expecting: 9)
    await cloud.close()
    await other.close()
  }

  @Test func aHotKeyGetsAnotherReplicaAndLosesItAgain() async throws {
    let dev = try LocalDev(durable: true, executors: 1, options: ["--storage-nodes", "3"])
    var clients: [CloudburstClient] = []
    for _ in 0..<6 { clients.append(try await CloudburstClient.connect(to: dev.endpoint)) }
    let observer = clients[0]
    let key = "hot/counter"
    func extras() async throws -> [String] {
      try await observer.explain(key)?.holders.filter(\.isExtra).map(\.shard) ?? []
    }
    let load = HotLoad(clients, key: key)
    try await waits("the hot key has another replica") { try await !extras().isEmpty }
    let explained = try dev.cbctl(["kv", "explain", key])
    #expect(explained.output.contains(", extra"), "\(explained)")
    // Whose death costs nothing, and which comes back.
    let epoch = try #require(try await observer.status().tier).ringEpoch
    try dev.killPart(String(try #require(try await extras().first).prefix { $0 != "/" }))
    try await waits("the ring goes on") {
      try await observer.status().tier.map { $0.ringEpoch > epoch && $0.isSettled } ?? false
    }
    try await waits("the hot key has another replica again") { try await !extras().isEmpty }
    let (acknowledged, unknown) = await load.end()
    try await waits("it is not hot any more", within: .seconds(30)) {
      try await extras().isEmpty
    }
    let count = try await observer.counter(key).value()
    #expect((acknowledged...acknowledged + unknown).contains(count), "\(acknowledged), \(unknown)")
    for client in clients { await client.close() }
  }

  @Test func theRoutersDeathIsNoticedByNobody() async throws {
    try await TierUnderLoad.with(nodes: 3, level: .replicated) { tier in
      await tier.load.passes(200)
      let before = try #require(try tier.dev.processID(of: "router"))
      let epoch = try await tier.ringEpoch()
      try tier.dev.killPart("router")
      await tier.load.passes(1000)
      try await waits("the router's next life is there") {
        try tier.dev.processID(of: "router").map { $0 != before } ?? false
      }
      try await tier.isWhole(3)
      #expect(try await tier.ringEpoch() == epoch, "nobody's keys had to move")
    }
  }
}

/// A durable cluster with storage nodes, and a load on it.
struct TierUnderLoad {
  let dev: LocalDev
  let load: SetUnionLoad
  let readers: CloudburstClient

  /// Runs a scenario, then judges the load, and reads every key from each of its copies.
  static func with(
    nodes: Int, level: CloudburstClient.WriteLevel,
    outageMax: Duration = StorageNodesTests.outageMax,
    _ scenario: (TierUnderLoad) async throws -> Void
  ) async throws {
    let dev = try LocalDev(
      durable: true, executors: 1, options: ["--storage-nodes", "\(nodes)"])
    let writers = try await CloudburstClient.connect(to: dev.endpoint)
    let readers = try await CloudburstClient.connect(to: dev.endpoint)
    let load = SetUnionLoad(writers, level: level, readers: readers)
    let tier = TierUnderLoad(dev: dev, load: load, readers: readers)
    await load.passes(100)
    try await scenario(tier)
    _ = try await load.end(reading: readers)
    try await tier.readEveryCopy(nodes: nodes)
    let report = try await load.end(reading: readers)
    let log = try dev.daemonLog()
    #expect(report.missing.isEmpty, "\(report)\n\(log)")
    #expect(report.failures.isEmpty, "\(report)\n\(log)")
    #expect(report.longest < outageMax, "\(report)\n\(log)")
    await writers.close()
    await readers.close()
  }

  func ringEpoch() async throws -> UInt64 {
    try #require(try await readers.status().tier).ringEpoch
  }

  /// Waits until so many storage nodes hold keys, and all of them are where they belong.
  ///
  /// - Parameter epoch: of a ring before.
  func isWhole(_ nodes: Int, after epoch: UInt64 = 0) async throws {
    try await waits("\(nodes) storage nodes are whole", within: .seconds(30)) {
      let tier = try? await readers.status().tier
      return tier?.storageNodes == nodes && tier?.isSettled == true
        && tier?.ringEpoch ?? 0 > epoch
    }
  }

  func cbctl(_ arguments: String...) throws {
    let outcome = try dev.cbctl(arguments)
    let log = try dev.daemonLog()
    try #require(outcome.status == 0, "\(outcome)\n\(log)")
  }

  /// While a node is stopped, the others' copies answer.
  private func readEveryCopy(nodes: Int) async throws {
    let names = try await readers.status().members.filter { $0.role == "storage" }
    for member in names.prefix(nodes) {
      Glibc.kill(Int32(member.processID), SIGSTOP)
      defer { Glibc.kill(Int32(member.processID), SIGCONT) }
      try await load.check(readers)
    }
  }
}
