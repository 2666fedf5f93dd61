import CloudburstClient
import Foundation
import Testing

/// A tmpfs of a chosen size; unmounted with the value.
final class Mount: Sendable {
  let path: String

  /// Whether this process may mount: as root outside of a sandbox.
  static let isPossible: Bool = (try? Mount(megabytes: 1)) != nil

  init(megabytes: Int) throws {
    path = "/tmp/cb-mount-\(getpid())-\(UInt32.random(in: 0...0xffff))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    guard Glibc.mount("tmpfs", path, "tmpfs", 0, "size=\(megabytes)m,mode=700") == 0 else {
      rmdir(path)
      throw POSIXError(.EPERM)
    }
  }

  deinit {
    // At once for everybody, also where a process still has a file of it open.
    umount2(path, Int32(MNT_DETACH))
    rmdir(path)
  }

  func resize(megabytes: Int) throws {
    let result = Glibc.mount(
      "tmpfs", path, "tmpfs", UInt(MS_REMOUNT), "size=\(megabytes)m,mode=700")
    try #require(result == 0)
  }

  /// Takes all the room there is, until the file is removed.
  func fill() throws -> String {
    let file = path + "/filler"
    _ = FileManager.default.createFile(atPath: file, contents: nil)
    let handle = try FileHandle(forWritingTo: URL(filePath: file))
    for size in [1 << 20, 1 << 12] {
      while (try? handle.write(contentsOf: Data(count: size))) != nil {}
    }
    return file
  }
}

@Suite(
  .serialized, .timeLimit(.minutes(5)),
  .enabled(if: Mount.isPossible, "needs root and mount(2), to make small file systems"))
struct SmallFileSystemTests {
  /// 64 MiB are what containers give.
  @Test func aSmallSharedMemoryMakesASmallCacheAndRightAnswers() async throws {
    let mount = try Mount(megabytes: 64)
    let dev = try LocalDev(
      uploading: ["word-count"], environment: ["CLOUDBURST_SHM": mount.path])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let status = try await cloud.status()
    let trouble = try #require(status.troubles.first)
    #expect(!trouble.isError && trouble.place == "node0", "\(trouble)")
    #expect(trouble.message.contains("32 MiB of shared memory instead of 128 MiB"), "\(trouble)")
    // More than the whole of it, in values small and large.
    for round in 0..<2 {
      for number in 1...12 { try await check(cloud, "large-\(number)", words: 400_000 + number) }
      for number in 1...20 { try await check(cloud, "small-\(number)", words: number) }
      let filler = round == 0 ? try mount.fill() : nil
      for number in 1...3 { try await check(cloud, "full-\(round)-\(number)", words: 400_000) }
      if let filler { try FileManager.default.removeItem(atPath: filler) }
    }
    let after = try await cloud.status()
    #expect(after.executorRestarts == 0, "a SIGBUS ends an executor")
    await cloud.close()
  }

  private func check(_ cloud: CloudburstClient, _ key: String, words: Int) async throws {
    try await cloud.put(key, String(repeating: "word ", count: words))
    let report = try await cloud.callEncoded(
      "word-count", arguments: [.reference(key)], accepting: .json)
    let object = try JSONSerialization.jsonObject(with: Data(report.bytes)) as? [String: Any]
    #expect(object?["words"] as? Int == words, "\(key)")
  }

  @Test func tooLittleSharedMemoryIsToldAtTheStart() throws {
    let mount = try Mount(megabytes: 4)
    let scratch = try Scratch()
    let outcome = try run(
      Workbench.programs + "/cbctl",
      ["dev", "--detach", "--memory", "--port", "\(Workbench.freePort())"], in: scratch.path,
      environment: ["TMPDIR": scratch.path, "CLOUDBURST_SHM": mount.path])
    #expect(outcome.status == 5, "\(outcome)")
    #expect(
      outcome.errors.contains("error: STORAGE_FAILED: no room in shared memory"), "\(outcome)")
    #expect(outcome.errors.contains("CLOUDBURST_SHM"), "\(outcome)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: mount.path).isEmpty)
  }

  @Test func aFullDiskRefusesWritesKeepsReadsAndLosesNothing() async throws {
    let mount = try Mount(megabytes: 64)
    let dev = try LocalDev(durable: true, executors: 1, data: mount.path + "/data")
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    // The store's files are compressed: only what is random takes its room.
    let random = try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom"))
    let blob = Array(try #require(try random.read(upToCount: 1_000_000)))
    var kept: [String] = []
    var refusal: CloudburstError?
    while refusal == nil, kept.count < 200 {
      let key = "k\(kept.count)"
      do {
        try await cloud.put(key, blob)
        kept.append(key)
      } catch let error as CloudburstError {
        refusal = error
      }
    }
    #expect(refusal?.code == .storageFailed, "\(String(describing: refusal))")
    #expect(refusal?.message.contains("No space left") == true)
    let text = try dev.cbctl("kv", "put", "small", "1")
    #expect(text.status == 5, "\(text)")
    #expect(text.errors.contains("make room"), "\(text)")
    // Read-only is for every level: what memory alone took would be lost at the next start.
    let accepted = await #expect(throws: CloudburstError.self) {
      try await cloud.put("small", 1, level: .accepted)
    }
    #expect(accepted?.message.contains("read-only") == true, "\(String(describing: accepted))")
    #expect(try dev.cbctl("status").output.hasPrefix("error  storage: "))
    for key in kept { #expect(try await cloud.get(key, as: [UInt8].self) == blob, "\(key)") }
    try mount.resize(megabytes: 256)
    try await putOnceThereIsRoom(cloud, "after")
    #expect(try await cloud.status().troubles.isEmpty)
    await cloud.close()
    try dev.killDaemon()
    try dev.start()
    let again = try await CloudburstClient.connect(to: dev.endpoint)
    for key in kept { #expect(try await again.get(key, as: [UInt8].self) == blob, "\(key)") }
    #expect(try await again.get("after", as: Int.self) == 1)
    await again.close()
    _ = try dev.stop()
  }

  /// The log is tried again every second, without a restart.
  private func putOnceThereIsRoom(_ cloud: CloudburstClient, _ key: String) async throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(20)
    while true {
      do {
        return try await cloud.put(key, 1)
      } catch let error as CloudburstError where error.code == .storageFailed && clock.now < end {
        continue
      }
    }
  }
}

@Suite(.serialized, .timeLimit(.minutes(5))) struct DescriptorTests {
  @Test func clientsThatTakeAllDescriptorsAreTurnedAwayAndTheOthersGoOn() async throws {
    let dev = try LocalDev(executors: 1, uploading: ["arithmetic"], descriptors: 200)
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    var crowds: [Connecting] = []
    for round in 1...4 {
      crowds.append(Connecting(count: 500, to: dev.port))
      for number in 0..<50 {
        let square: Int = try await cloud.call("square", number)
        #expect(square == number * number, "round \(round)")
      }
    }
    let troubles = try await cloud.status().troubles
    #expect(troubles.contains { $0.message.contains("turned away") }, "\(troubles)")
    #expect(try dev.daemonLog().contains("connections are turned away"))
    // What is kept free is enough for a new executor.
    let id = try #require(try await cloud.status().executors.first?.processID)
    kill(Int32(id), SIGKILL)
    let nine: Int = try await cloud.call("square", 3)
    #expect(nine == 9)
    for crowd in crowds { crowd.close() }
    #expect(try dev.cbctl("call", "square", "4", "--timeout", "20s").text == "16")
    await cloud.close()
  }
}
