import CloudburstClient
import Foundation
import Testing

/// A store that has more than its memory may hold.
@Suite(.serialized, .timeLimit(.minutes(5))) struct ColdRecordTests {
  private static let count = 4000

  private static func value(_ number: Int) -> String {
    "\(number) " + String(repeating: "v", count: 1000)
  }

  private static func key(_ number: Int) -> String { "value/\(number)" }

  /// Values four times as long as the budget, and a few counters and sets among them.
  private static func fill(_ cloud: CloudburstClient) async throws {
    for first in stride(from: 0, to: count, by: 200) {
      try await withThrowingTaskGroup(of: Void.self) { puts in
        for number in first..<first + 200 {
          puts.addTask { try await cloud.put(key(number), value(number), level: .durable) }
        }
        try await puts.waitForAll()
      }
      try await cloud.counter("counter/\(first)").add(5)
      for number in 0..<40 {
        try await cloud.set("set/\(first)").add("element \(number)", level: .accepted)
      }
    }
  }

  private static func checkAll(_ cloud: CloudburstClient) async throws {
    for first in stride(from: 0, to: count, by: 200) {
      let found = try await cloud.get((first..<first + 200).map(key), as: String.self)
      #expect(found == (first..<first + 200).map(value), "from \(first)")
      #expect(try await cloud.counter("counter/\(first)").value() == 5)
      #expect(try await cloud.set("set/\(first)").elements(as: String.self).count == 40)
    }
  }

  @Test(arguments: [1, 3])
  func whatDoesNotFitIntoMemoryIsReadFromTheDisk(storageNodes: Int) async throws {
    let dev = try LocalDev(
      durable: true, executors: 1,
      options: ["--memory-budget", "1", "--storage-nodes", "\(storageNodes)"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await Self.fill(cloud)
    try await waits("records that are used least leave memory") {
      let status = try await cloud.status()
      return status.coldKeys > 2000 && status.memoryBytes <= UInt64(storageNodes) << 20
    }
    try await Self.checkAll(cloud)
    var first = Self.key(0)
    try await waits("a record is on the disk only") {
      first = Self.key(Int.random(in: 0..<Self.count))
      return try await cloud.explain(first)?.tier == .disk
    }
    let text = try dev.cbctl("kv", "explain", first).output
    #expect(text.contains("disk, in the synced log"), "\(text)")
    #expect(try await cloud.get(first, as: String.self)?.hasSuffix("vvv") == true)
    #expect(try await cloud.explain(first)?.tier == .memory)
    #expect(try dev.cbctl("status").output.contains("keys on disk only)"))
    await cloud.close()
    if storageNodes == 1 {
      try dev.killDaemon()
      try dev.start()
    } else {
      try await Self.changesOfTheRing(dev)
    }
    let again = try await CloudburstClient.connect(to: dev.endpoint)
    try await Self.checkAll(again)
    #expect(try await again.status().coldKeys > 2000)
    await again.close()
  }

  /// A node dies, one joins, one goes: most of what they hand over is on the disk only.
  private static func changesOfTheRing(_ dev: LocalDev) async throws {
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let epoch = try #require(try await cloud.status().tier).ringEpoch
    try dev.killPart("storage1")
    try await waits("the node is back, and all copies are whole", within: .seconds(60)) {
      let tier = try await cloud.status().tier
      return tier.map { $0.storageNodes == 3 && $0.isSettled && $0.ringEpoch > epoch } == true
    }
    #expect(try dev.cbctl("storage", "add").status == 0)
    #expect(try dev.cbctl("storage", "remove", "storage0").status == 0)
    await cloud.close()
  }
}
