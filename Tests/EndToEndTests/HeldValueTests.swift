import CloudburstClient
import Foundation
import Testing

/// A call that uses a large value in place does not keep the cache from being overwritten.
@Suite(.serialized, .timeLimit(.minutes(5))) struct HeldValueTests {
  @Test func aHeldArrayDoesNotLetTheCacheGrowBeyondItsBudget() async throws {
    let dev = try LocalDev(executors: 3, uploading: ["stateful", "holding"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let size = 8 << 20
    try await cloud.put("big", [UInt8](repeating: 1, count: size))
    let end = dev.scratch.path + "/end"
    async let held = cloud.callEncoded(
      "hold", arguments: [.reference("big"), .raw(Array(end.utf8))], accepting: .raw,
      options: CallOptions(timeLimit: .seconds(200)))
    try await dev.waitForFile(end + ".held")
    let budget = try dev.cacheBudget()
    var most = 0
    // A sibling as often and as fast as a function can (a million times where `rounds` is 70); the value
    // itself; and enough others that the budget is reached, and reads of them, so that they stay.
    let rounds = 16
    let patient = CallOptions(timeLimit: .seconds(100))
    for round in 0..<rounds {
      try await cloud.call("overwrite", "sibling", 15_000, options: patient)
      let _: Int = try await cloud.call("replace", "big", round, size)
      let _: Int = try await cloud.call("replace", "fill\(round)", round, size)
      let count: Int = try await cloud.call("count", CallArgument.reference("fill\(round)"))
      #expect(count == size)
      most = max(most, try dev.cacheBytes())
    }
    try Data().write(to: URL(filePath: end))
    let looks = try await String(decoding: held.bytes, as: UTF8.self)
    #expect(Int(looks) ?? 0 > 0, "the held value: \(looks)")
    #expect(most > budget / 5 * 4, "the budget of \(budget) was not reached: \(most)")
    #expect(most < budget / 5 * 6, "\(most) bytes in a cache of \(budget)")
    await cloud.close()
  }
}

extension LocalDev {
  func waitForFile(_ path: String) async throws {
    let deadline = ContinuousClock.now + .seconds(20)
    while !FileManager.default.fileExists(atPath: path) {
      try #require(ContinuousClock.now < deadline, "\(path) does not come")
      await Task.yield()
    }
  }

  /// The node's limit: three quarters of the map, at most 96 MiB.
  func cacheBudget() throws -> Int {
    let map = try cacheFiles().first { $0.name.hasPrefix("values-") && !$0.name.hasSuffix("-lock") }
    return min(96 << 20, try #require(map).size / 4 * 3)
  }

  /// Pages that LMDB has ever used, large values, and those that only a call still holds.
  func cacheBytes() throws -> Int {
    var bytes = 0
    for file in try cacheFiles() {
      if file.name.hasPrefix("large-") { bytes += file.size }
      if file.name.hasPrefix("values-"), !file.name.hasSuffix("-lock") {
        bytes += try Self.usedBytes(ofMap: file.path)
      }
    }
    let status = try cbctl("status", "-o", "json")
    let object = try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any]
    for executor in try #require(object?["executors"] as? [[String: Any]]) {
      let id = (executor["processID"] as? NSNumber)?.int32Value ?? 0
      let maps = (try? String(contentsOfFile: "/proc/\(id)/maps", encoding: .utf8)) ?? ""
      for line in maps.split(separator: "\n") where line.contains("/large-") {
        guard line.hasSuffix("(deleted)") else { continue }
        let ends = line.prefix { $0 != " " }.split(separator: "-").compactMap { Int($0, radix: 16) }
        bytes += ends[1] - ends[0]
      }
    }
    return bytes
  }

  private struct File {
    let name: String
    let path: String
    let size: Int
  }

  private func cacheFiles() throws -> [File] {
    var files: [File] = []
    for folder in try sharedMemoryFolders() {
      let root = "/dev/shm/" + folder
      for path in try FileManager.default.subpathsOfDirectory(atPath: root) {
        var facts = stat()
        guard stat("\(root)/\(path)", &facts) == 0 else { continue }
        let name = path.split(separator: "/").last.map(String.init) ?? path
        files.append(File(name: name, path: "\(root)/\(path)", size: Int(facts.st_size)))
      }
    }
    return files
  }

  /// From LMDB's two meta pages: the highest page number of the later transaction.
  private static func usedBytes(ofMap path: String) throws -> Int {
    let file = try FileHandle(forReadingFrom: URL(filePath: path))
    let pages = try #require(try file.read(upToCount: 8192))
    func word(_ offset: Int) -> UInt64 {
      pages.subdata(in: offset..<offset + 8).enumerated()
        .reduce(0) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) }
    }
    let newest = [0, 4096].max { word($0 + 144) < word($1 + 144) } ?? 0
    return (Int(word(newest + 136)) + 1) * 4096
  }
}
