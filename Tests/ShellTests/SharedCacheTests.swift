import ClusterModel
import Foundation
import Platform
import SharedCache
import Testing
import WireProtocol

/// A folder in shared memory, removed at the end of the test.
private final class CacheFolderForTest {
  let path = "/dev/shm/cloudburst-test-\(String(RandomBytes.word(), radix: 36))"
  deinit { try? FileManager.default.removeItem(atPath: path) }

  var largeFiles: [String] {
    ((try? Files.names(in: path)) ?? []).filter { $0.hasPrefix("large-") }
  }
}

private func record(_ text: String, stamp: UInt64 = 1) -> Record {
  Record(
    lattice: .lastWriterWins, version: Version(generation: 0, stamp: stamp),
    payload: Bytes(text: text))
}

private func largeRecord(_ byte: UInt8, bytes: Int = 1 << 20) -> Record {
  Record(
    lattice: .lastWriterWins, version: Version(generation: 0, stamp: 1),
    payload: [UInt8](repeating: byte, count: bytes)[...])
}

private let small = SharedCacheConfig(mapBytes: 4 << 20, readersMax: 16, referenceSlots: 1 << 10)

/// The expectation macros cannot hold a noncopyable value; they can hold the owner of one.
private final class Writer {
  private var writer: CacheWriter

  init(_ folder: String, _ config: SharedCacheConfig = small) throws {
    writer = try CacheWriter(folder: folder, incarnation: Incarnation(7), config: config)
  }

  var mapBytes: Int { writer.mapBytes }
  func apply(_ changes: [CacheChange]) throws { try writer.apply(changes) }
  func read(_ key: Key) throws -> CacheWriter.Stored? { try writer.read(key) }
  func startGeneration() throws { try writer.startGeneration() }
  func disable() { writer.disable() }
  func clearDeadReaders() throws -> Int { try writer.clearDeadReaders() }
  func takeReferences() -> [UInt8] { writer.takeReferences() }
  func publish(_ sequence: UInt64) { writer.publish(acknowledgedSequence: sequence) }
}

private final class Reader {
  private var reader: CacheReader

  init(_ folder: String) throws { reader = try CacheReader(folder: folder) }

  var writerIncarnation: Incarnation { reader.writerIncarnation }
  var acknowledgedSequence: UInt64 { reader.acknowledgedSequence }
  func read(_ key: Key) throws -> CachedRecord? { try reader.read(key) }
}

@Suite struct SharedCacheTests {
  @Test func whatIsWrittenIsReadWithAllItsFields() throws {
    let folder = CacheFolderForTest()
    let writer = try Writer(folder.path)
    var written = record("hello", stamp: 42)
    written.generation = 3
    written.writeSequence = 9
    written.expiry = 77
    written.encoding = 2
    written.flags = .partial
    written.metadata = [1, 2, 3]
    try writer.apply([.put(Key("a"), written)])
    let reader = try Reader(folder.path)
    #expect(try reader.read(Key("a"))?.record == written)
    #expect(try reader.read(Key("b")) == nil)
    #expect(reader.writerIncarnation == Incarnation(7))
  }

  @Test func aTransactionIsSeenAsAWholeAndARemovedKeyIsGone() throws {
    let folder = CacheFolderForTest()
    let writer = try Writer(folder.path)
    let reader = try Reader(folder.path)
    try writer.apply([.put(Key("a"), record("1")), .put(Key("b"), record("2"))])
    try writer.apply([.remove(Key("a")), .put(Key("b"), record("3")), .remove(Key("never"))])
    #expect(try reader.read(Key("a")) == nil)
    #expect(try reader.read(Key("b"))?.record.payload.text == "3")
  }

  @Test func keysBeyondLmdbsLimitAreKeptApart() throws {
    let folder = CacheFolderForTest()
    let writer = try Writer(folder.path)
    let reader = try Reader(folder.path)
    let lengths = [1, 509, 510, 511, 512, Limits.keyBytesMax]
    let keys = lengths.flatMap { length in
      ["x", "y"].map { Key(String(repeating: "k", count: length - 1) + $0) }
    }
    try writer.apply(keys.map { .put($0, record("\($0)")) })
    for key in keys { #expect(try reader.read(key)?.record.payload.text == "\(key)") }
  }

  @Test func anotherProcessReadsWhatTheWriterWrites() async throws {
    let folder = CacheFolderForTest()
    let writer = try Writer(folder.path)
    try writer.apply([.put(Key("a"), record("from the writer")), .put(Key("big"), largeRecord(5))])
    await #expect(processExitsWith: .success) { [path = folder.path as String] in
      let reader = try Reader(path)
      #expect(try reader.read(Key("a"))?.record.payload.text == "from the writer")
      #expect(try reader.read(Key("big"))?.large?.bytes.last == 5)
    }
  }

  @Test func anIdleReaderDoesNotKeepTheMapFromReusingSpace() throws {
    let folder = CacheFolderForTest()
    let writer = try Writer(folder.path)
    let reader = try Reader(folder.path)
    try writer.apply([.put(Key("a"), record("x"))])
    _ = try reader.read(Key("a"))
    // 16 times the map: a pinned snapshot would make it full.
    let page = record(String(repeating: "y", count: 64 << 10))
    for _ in 0..<1024 { try writer.apply([.put(Key("b"), page)]) }
    #expect(try reader.read(Key("a"))?.record.payload.text == "x")
  }

  @Test func aLargeValueLivesInAFileOfItsOwn() throws {
    let folder = CacheFolderForTest()
    let writer = try Writer(folder.path)
    let reader = try Reader(folder.path)
    try writer.apply([.put(Key("big"), largeRecord(1)), .put(Key("small"), record("s"))])
    #expect(folder.largeFiles.count == 1)
    let found = try #require(try reader.read(Key("big")))
    let large = try #require(found.large)
    #expect(found.record.payload.isEmpty && found.record.version.stamp == 1)
    #expect(large.bytes.count == 1 << 20 && large.bytes.allSatisfy { $0 == 1 })
    #expect(try reader.read(Key("small"))?.large == nil)
  }

  @Test func aMappedValueStaysValidAfterItsEviction() throws {
    let folder = CacheFolderForTest()
    let writer = try Writer(folder.path)
    let reader = try Reader(folder.path)
    try writer.apply([.put(Key("big"), largeRecord(3))])
    let held = try #require(try reader.read(Key("big"))?.large)
    try writer.apply([.remove(Key("big"))])
    #expect(folder.largeFiles.isEmpty)
    #expect(try reader.read(Key("big")) == nil)
    #expect(held.bytes.allSatisfy { $0 == 3 })
  }

  @Test func anOverwrittenLargeValueIsReadAnewAndItsFileGoes() throws {
    let folder = CacheFolderForTest()
    let writer = try Writer(folder.path)
    let reader = try Reader(folder.path)
    try writer.apply([.put(Key("big"), largeRecord(1))])
    _ = try reader.read(Key("big"))
    try writer.apply([.put(Key("big"), largeRecord(2))])
    #expect(try reader.read(Key("big"))?.large?.bytes.first == 2)
    #expect(folder.largeFiles.count == 1)
  }

  @Test func aFailedTransactionLeavesOldValuesAndNoFiles() throws {
    let folder = CacheFolderForTest()
    let writer = try Writer(folder.path)
    let reader = try Reader(folder.path)
    try writer.apply([.put(Key("big"), largeRecord(1))])
    let tooMuch = (0..<100).map {
      CacheChange.put(Key("k\($0)"), largeRecord(0, bytes: Limits.inlineCacheBytesMax))
    }
    let error = #expect(throws: CacheError.self) {
      try writer.apply([.put(Key("big"), largeRecord(2))] + tooMuch)
    }
    #expect(error?.code == .full)
    #expect(folder.largeFiles.count == 1)
    #expect(try reader.read(Key("big"))?.large?.bytes.first == 1)
  }

  @Test func aFullMapTakesWritesAgainAfterEvictionsOrInTheNextGeneration() throws {
    let folder = CacheFolderForTest()
    let writer = try Writer(folder.path)
    let reader = try Reader(folder.path)
    let page = record(String(repeating: "y", count: 64 << 10))
    var written = 0
    while (try? writer.apply([.put(Key("k\(written)"), page)])) != nil { written += 1 }
    #expect(written > 40)
    _ = try reader.read(Key("k0"))
    try writer.startGeneration()
    #expect(try reader.read(Key("k0")) == nil)
    try writer.apply([.put(Key("new"), page)])
    #expect(try reader.read(Key("new"))?.record == page)
    #expect(try Files.names(in: folder.path).filter { $0.hasPrefix("values-") }.count == 2)
  }

  @Test func aDisabledCacheIsEmptyUntilTheNextGeneration() throws {
    let folder = CacheFolderForTest()
    let writer = try Writer(folder.path)
    let reader = try Reader(folder.path)
    try writer.apply([.put(Key("a"), record("old"))])
    _ = try reader.read(Key("a"))
    writer.disable()
    #expect(try reader.read(Key("a")) == nil)
    #expect(throws: CacheError.self) { try writer.apply([.put(Key("a"), record("new"))]) }
    try writer.startGeneration()
    try writer.apply([.put(Key("a"), record("new"))])
    #expect(try reader.read(Key("a"))?.record.payload.text == "new")
  }

  @Test func aKilledReadersSlotIsCleared() async throws {
    let folder = CacheFolderForTest()
    let writer = try Writer(folder.path)
    try writer.apply([.put(Key("a"), record("1"))])
    let alive = try Reader(folder.path)
    _ = try alive.read(Key("a"))
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = folder.path as String] in
      let reader = try Reader(path)
      if try reader.read(Key("a")) != nil { kill(getpid(), SIGKILL) }
    }
    #expect(try writer.clearDeadReaders() == 1)
    #expect(try alive.read(Key("a")) != nil)
  }

  @Test func readersSayWhatTheyUsedOnceASweep() throws {
    let folder = CacheFolderForTest()
    let writer = try Writer(folder.path)
    let reader = try Reader(folder.path)
    try writer.apply([.put(Key("a"), record("1")), .put(Key("b"), record("2"))])
    for _ in 0..<3 { _ = try reader.read(Key("a")) }
    let slot = Int(StableHash.of(Key("a").bytes) % UInt64(small.referenceSlots))
    let taken = writer.takeReferences()
    #expect(taken.enumerated().filter { $0.element != 0 }.map(\.offset) == [slot])
    #expect(writer.takeReferences().allSatisfy { $0 == 0 })
  }

  @Test func theAcknowledgedSequenceReachesTheReaders() throws {
    let folder = CacheFolderForTest()
    let writer = try Writer(folder.path)
    let reader = try Reader(folder.path)
    #expect(reader.acknowledgedSequence == 0)
    writer.publish(41)
    #expect(reader.acknowledgedSequence == 41)
  }

  @Test func aFileThatIsNoCacheIsRefused() throws {
    let folder = CacheFolderForTest()
    try Files.createFolders(folder.path)
    try Files.writeAtomically([UInt8](repeating: 1, count: 8192), to: folder.path + "/control")
    let error = #expect(throws: CacheError.self) { _ = try Reader(folder.path) }
    #expect(error?.code == .badFormat)
  }

  @Test func noRoomIsAnErrorThatSaysWhatToDoAndLeavesNothing() throws {
    let folder = CacheFolderForTest()
    let impossible = SharedCacheConfig(
      mapBytes: 1 << 45, mapBytesMin: 1 << 45, readersMax: 16, referenceSlots: 1 << 10)
    let error = #expect(throws: CacheError.self) { _ = try Writer(folder.path, impossible) }
    #expect(error?.code == .noSpace)
    #expect(error?.failure.hint.contains("--shm-folder") == true)
    #expect(try Files.names(in: folder.path).isEmpty)
  }

  @Test(.enabled(if: geteuid() == 0, "mounting a small file system needs root"))
  func aSmallSharedMemoryGetsASmallerCacheAndNeverASignal() throws {
    let folder = CacheFolderForTest()
    try Files.createFolders(folder.path)
    try #require(mount("tmpfs", folder.path, "tmpfs", 0, "size=12m") == 0)
    defer { umount(folder.path) }
    let writer = try Writer(
      folder.path + "/cache",
      SharedCacheConfig(mapBytes: 64 << 20, readersMax: 16, referenceSlots: 1 << 10))
    #expect(writer.mapBytes == 8 << 20)
    let error = #expect(throws: CacheError.self) {
      try writer.apply([.put(Key("big"), largeRecord(1, bytes: 8 << 20))])
    }
    #expect(error?.code == .noSpace)
    try writer.apply([.put(Key("a"), record("still works"))])
    #expect(try writer.read(Key("a"))?.record.payload.text == "still works")
  }
}
