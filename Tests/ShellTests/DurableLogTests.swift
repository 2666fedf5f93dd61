import ClusterModel
import DurableLog
import Foundation
import Lattices
import Testing
import WireProtocol

/// A folder of its own under the system's temporary one, removed at the end.
final class TemporaryFolder {
  let url = FileManager.default.temporaryDirectory.appending(path: "data-\(UUID().uuidString)")
  var path: String { url.path }

  deinit { try? FileManager.default.removeItem(at: url) }
}

struct DurableLogTests {
  private let folder = TemporaryFolder()

  private func value(_ text: String, stamp: UInt64) -> Record {
    Record(
      lattice: .lastWriterWins, version: Version(generation: 0, stamp: stamp),
      payload: Bytes(text: text))
  }

  private func write(_ log: DurableLog, _ records: [(String, Record)]) throws {
    try log.writeSynced(records.map { (key: Key($0.0), envelope: $0.1.encoded()) })
  }

  private func contents(_ log: DurableLog) throws -> [String: Record] {
    var contents: [String: Record] = [:]
    try log.forEach { key, envelope in
      contents[String(decoding: key, as: UTF8.self)] = try? Record(copying: envelope)
    }
    return contents
  }

  /// What a process that is killed now leaves behind: the files as they are.
  private func copyAsKilled() throws -> TemporaryFolder {
    let copy = TemporaryFolder()
    try FileManager.default.copyItem(at: folder.url, to: copy.url)
    return copy
  }

  @Test func whatWasSyncedIsThereAfterTheProcessIsKilled() throws {
    let log = try DurableLog(folder: folder.path)
    try write(log, [("a", value("1", stamp: 1)), ("b", value("2", stamp: 2))])
    let killed = try copyAsKilled()
    let reopened = try DurableLog(folder: killed.path)
    #expect(try contents(reopened).mapValues(\.payload.text) == ["a": "1", "b": "2"])
    withExtendedLifetime(log) {}
  }

  @Test func whatWasSyncedIsThereAfterAnOrderlyEnd() throws {
    do {
      let log = try DurableLog(folder: folder.path)
      try write(log, [("a", value("1", stamp: 1))])
    }
    #expect(try contents(DurableLog(folder: folder.path)).count == 1)
  }

  @Test func anOlderStateWrittenLaterDoesNotWin() throws {
    let log = try DurableLog(folder: folder.path)
    try write(log, [("a", value("new", stamp: 9))])
    try write(log, [("a", value("old", stamp: 1))])
    #expect(try contents(log)["a"]?.payload.text == "new")
  }

  @Test func piecesOfASetAreJoinedBeforeAndAfterTheRestart() throws {
    do {
      let log = try DurableLog(folder: folder.path)
      for element in ["c", "a", "b"] {
        let set = GrowSet([Bytes(text: element)]).serialized()[...]
        try write(log, [("s", Record(lattice: .set, payload: set))])
      }
      let joined = try #require(try contents(log)["s"])
      #expect(try GrowSet(serialized: joined.payload).count == 3)
    }
    let joined = try #require(try contents(DurableLog(folder: folder.path))["s"])
    #expect(try GrowSet(serialized: joined.payload).elements.map(\.text) == ["a", "b", "c"])
  }

  /// As at the copies that took them.
  @Test func ofTwoTypesTheOneOfTheHigherNumberStays() throws {
    let set = Record(
      lattice: .set, version: Version(generation: 0, stamp: 1),
      payload: GrowSet([Bytes(text: "x")]).serialized()[...])
    let log = try DurableLog(folder: folder.path)
    try write(log, [("a", set), ("b", value("1", stamp: 2))])
    try write(log, [("a", value("1", stamp: 2)), ("b", set)])
    #expect(try contents(log).mapValues(\.lattice) == ["a": .set, "b": .set])
    let found = try log.reader().read([Key("a"), Key("b")]).map { try Record($0.get()).lattice }
    #expect(found == [.set, .set])
  }

  @Test func aTombstoneTakesThePlaceOfItsValue() throws {
    let log = try DurableLog(folder: folder.path)
    try write(log, [("a", value("1", stamp: 1))])
    try write(log, [("a", .tombstone(Version(generation: 1, stamp: 2)))])
    #expect(try contents(log)["a"]?.isTombstone == true)
  }

  @Test func aFolderInUseIsLockedAndSaysByWhom() throws {
    let log = try DurableLog(folder: folder.path)
    let error = #expect(throws: DurableLogError.self) { try DurableLog(folder: folder.path) }
    #expect(error?.code == .dataLocked)
    #expect(error?.reason.contains("\(ProcessInfo.processInfo.processIdentifier)") == true)
    withExtendedLifetime(log) {}
  }

  @Test func aNewerFormatIsRefusedUntouched() throws {
    _ = try DurableLog(folder: folder.path)
    let file = folder.url.appending(path: "FORMAT")
    try Data("cloudburst 2\n".utf8).write(to: file)
    let error = #expect(throws: DurableLogError.self) { try DurableLog(folder: folder.path) }
    #expect(error?.code == .dataFormat)
    #expect(try String(contentsOf: file, encoding: .utf8) == "cloudburst 2\n")
  }

  @Test func aFolderWithAnotherFormatFileIsRefused() throws {
    try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
    try Data("something else".utf8).write(to: folder.url.appending(path: "FORMAT"))
    let error = #expect(throws: DurableLogError.self) { try DurableLog(folder: folder.path) }
    #expect(error?.code == .dataFormat)
  }

  @Test func aPathThatIsAFileIsRefused() throws {
    try Data("x".utf8).write(to: folder.url)
    let error = #expect(throws: DurableLogError.self) { try DurableLog(folder: folder.path) }
    #expect(error?.code == .storageFailed)
  }

  @Test func aDamagedLogIsReportedNotServed() throws {
    let log = try DurableLog(folder: folder.path)
    for number in 0..<300 {
      try write(log, [("key\(number)", value(String(repeating: "x", count: 500), stamp: 1))])
    }
    let killed = try copyAsKilled()
    let files = try FileManager.default.contentsOfDirectory(
      at: killed.url.appending(path: "log"), includingPropertiesForKeys: nil)
    let journal = try #require(files.first { $0.pathExtension == "log" })
    var bytes = try Data(contentsOf: journal)
    bytes[bytes.count / 4] ^= 0xFF
    try bytes.write(to: journal)
    let error = #expect(throws: DurableLogError.self) {
      _ = try contents(DurableLog(folder: killed.path)).count
    }
    #expect(error?.code == .storageFailed)
    withExtendedLifetime(log) {}
  }

  @Test func aFlippedBitInATableIsReportedOrHarmlessNeverServed() throws {
    do {
      let log = try DurableLog(folder: folder.path)
      for number in 0..<200 {
        try write(
          log,
          [("key\(number)", value("\(number) " + String(repeating: "x", count: 300), stamp: 1))])
      }
      // Opening moves what the journal holds into a table.
      try log.reopen()
    }
    let intact = try contents(DurableLog(folder: folder.path))
    var random = SplitMix64(seed: 0xB17)
    var reported = 0
    for round in 0..<40 {
      let copy = try copyAsKilled()
      let files = try FileManager.default.contentsOfDirectory(
        at: copy.url.appending(path: "log"), includingPropertiesForKeys: nil)
      let table = try #require(files.first { $0.pathExtension == "sst" })
      var bytes = try Data(contentsOf: table)
      let place = Int.random(in: 0..<bytes.count, using: &random)
      bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      try bytes.write(to: table)
      do {
        let found = try contents(DurableLog(folder: copy.path))
        #expect(found == intact, "round \(round): byte \(place) of \(bytes.count)")
      } catch let error as DurableLogError {
        reported += 1
        #expect(error.failure.code == .storageFailed)
        #expect(error.failure.hint.contains("damaged"), "\(error)")
      }
    }
    #expect(reported > 30, "only \(reported) of 40 were noticed")
  }

  @Test func aRecordCutOffAtTheEndIsLeftOut() throws {
    let log = try DurableLog(folder: folder.path)
    try write(log, [("a", value("1", stamp: 1))])
    try write(log, [("b", value(String(repeating: "x", count: 500), stamp: 1))])
    let killed = try copyAsKilled()
    let files = try FileManager.default.contentsOfDirectory(
      at: killed.url.appending(path: "log"), includingPropertiesForKeys: nil)
    let journal = try #require(files.first { $0.pathExtension == "log" })
    let bytes = try Data(contentsOf: journal)
    try bytes.dropLast(100).write(to: journal)
    #expect(try Array(contents(DurableLog(folder: killed.path)).keys) == ["a"])
    withExtendedLifetime(log) {}
  }

  /// A journal of three commits, of which the last is longer than two blocks.
  private func journalOfThree() throws -> (TemporaryFolder, URL, Data, last: Int) {
    let log = try DurableLog(folder: folder.path)
    var sizes: [Int] = []
    var found: (TemporaryFolder, URL, Data)?
    for (key, count) in [("a", 40_000), ("b", 100), ("c", 90_000)] {
      try write(log, [(key, value(String(repeating: key, count: count), stamp: 1))])
      let killed = try copyAsKilled()
      let files = try FileManager.default.contentsOfDirectory(
        at: killed.url.appending(path: "log"), includingPropertiesForKeys: nil)
      let journal = try #require(files.first { $0.pathExtension == "log" })
      let bytes = try Data(contentsOf: journal)
      sizes.append(bytes.count)
      found = (killed, journal, bytes)
    }
    withExtendedLifetime(log) {}
    let (killed, journal, bytes) = try #require(found)
    return (killed, journal, bytes, last: sizes[1])
  }

  @Test func aLastCommitWithAnUnwrittenSectorIsCutOffAndToldOf() throws {
    let (killed, journal, bytes, last) = try journalOfThree()
    for sector in stride(from: (last / 512 + 1) * 512, to: bytes.count - 512, by: 7 * 512) {
      var torn = bytes
      torn.replaceSubrange(sector..<sector + 512, with: Data(count: 512))
      try torn.write(to: journal)
      let copy = TemporaryFolder()
      try FileManager.default.copyItem(at: killed.url, to: copy.url)
      let log = try DurableLog(folder: copy.path)
      #expect(try contents(log).keys.sorted() == ["a", "b"], "sector at \(sector)")
    }
  }

  @Test func anUnwrittenSectorInAnEarlierCommitIsDamage() throws {
    let (killed, journal, bytes, last) = try journalOfThree()
    var torn = bytes
    torn.replaceSubrange(10_240..<10_752, with: Data(count: 512))
    try torn.write(to: journal)
    let error = #expect(throws: DurableLogError.self) { try DurableLog(folder: killed.path) }
    #expect(error?.failure.hint.contains("damaged") == true)
    #expect(try Data(contentsOf: journal) == torn, "the evidence is left as it was")
    #expect(last < bytes.count)
  }

  @Test func aFlippedBitInTheLastCommitIsDamage() throws {
    let (killed, journal, bytes, last) = try journalOfThree()
    var flipped = bytes
    flipped[last + 20_000] ^= 4
    try flipped.write(to: journal)
    #expect(throws: DurableLogError.self) { try DurableLog(folder: killed.path) }
  }

  @Test func aReaderGetsWhatIsMergedAndNeverADamagedRecord() throws {
    let count = 200
    do {
      let log = try DurableLog(folder: folder.path)
      for number in 0..<count {
        let text = "\(number) " + String(repeating: "x", count: 300)
        try write(log, [("key\(number)", value("old", stamp: 1))])
        try write(log, [("key\(number)", value(text, stamp: 2))])
      }
      let reader = log.reader()
      #expect(try reader.read([Key("key7"), Key("none")]).map { try $0.get().count } == [350, 0])
      try log.reopen()
      let again = try reader.read([Key("key7")])[0].get()
      #expect(try Record(again).payload.text.hasPrefix("7 xxx"))
    }
    let name = try #require(
      FileManager.default.contentsOfDirectory(atPath: folder.path + "/log")
        .first { $0.hasSuffix(".sst") })
    let file = folder.url.appending(path: "log/\(name)")
    // Flipped while the database is open: no look at the whole of it comes before the read.
    let log = try DurableLog(folder: folder.path)
    var bytes = try Data(contentsOf: file)
    for place in stride(from: 1000, to: bytes.count / 2, by: 4096) { bytes[place] ^= 4 }
    try bytes.write(to: file)
    let reader = log.reader()
    var failed = 0
    for number in 0..<count {
      switch reader.read([Key("key\(number)")])[0] {
      case .success(let envelope):
        #expect(try Record(envelope).payload.text.hasPrefix("\(number) x"))
      case .failure(let error):
        failed += 1
        #expect(error.code == .storageFailed)
      }
    }
    #expect(failed > 0)
  }

  @Test func aReopenedLogHoldsWhatItHeldAndTakesWrites() throws {
    let log = try DurableLog(folder: folder.path)
    try write(log, [("a", value("1", stamp: 1))])
    try log.reopen()
    try write(log, [("b", value("2", stamp: 1))])
    #expect(try contents(log).count == 2)
  }
}
