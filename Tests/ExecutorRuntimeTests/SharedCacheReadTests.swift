import ClusterModel
import Foundation
import Platform
import SharedCache
import Testing
import WireProtocol

/// Reads from a real cache in shared memory; what is found there costs no message.
@Suite(.serialized) struct SharedCacheReadTests {
  private func withNode(
    _ changes: [CacheChange], acknowledged: UInt64 = 0, _ body: (FakeNode) throws -> Void
  ) throws {
    let folder = "/dev/shm/cb-test-\(getpid())-\(String(RandomBytes.word(), radix: 36))"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var writer = try CacheWriter(
      folder: folder, incarnation: Incarnation(1),
      config: SharedCacheConfig(mapBytes: 4 << 20, mapBytesMin: 4 << 20))
    try writer.apply(changes)
    writer.publish(acknowledgedSequence: acknowledged)
    try body(try FakeNode(cacheFolder: folder))
  }

  @Test func aCachedReferenceCostsNoMessage() throws {
    try withNode([.put(Key("n"), textRecord("cached"))]) { node in
      let result = try node.result(of: node.send("echo", [Argument(reference: Key("n"))]))
      #expect(result.value.text == "cached")
      #expect(node.fetches.isEmpty)
    }
  }

  @Test func aLargeValueIsGivenFromItsOwnFile() throws {
    let large = [UInt8](repeating: 7, count: Limits.inlineCacheBytesMax + 1)
    let record = Record(lattice: .lastWriterWins, payload: large[...])
    try withNode([.put(Key("large"), record)]) { node in
      let result = try node.result(of: node.send("echo", [Argument(reference: Key("large"))]))
      #expect(result.value == large[...])
      #expect(node.fetches.isEmpty)
    }
  }

  @Test(arguments: [UInt64(3), 4]) func onlyAnUnacknowledgedReadHoldsTheResult(
    acknowledged: UInt64
  ) throws {
    var record = textRecord("1")
    record.writeSequence = 4
    try withNode([.put(Key("n"), record)], acknowledged: acknowledged) { node in
      let result = try node.call("status", "n")
      #expect(result.awaitsRelease == (acknowledged < 4))
    }
  }

  @Test func aTombstoneInTheCacheReadsAsMissing() throws {
    let tombstone = Record(
      lattice: .none, flags: .tombstone, version: Version(generation: 1, stamp: 9), payload: [])
    try withNode([.put(Key("n"), tombstone)]) { node in
      let result = try node.call("status", "n")
      #expect(result.value.text == "1")
      #expect(node.fetches.isEmpty)
    }
  }
}
