import CloudburstClient
import Foundation
import Testing

/// One way to misbehave, and what its caller is told.
struct Misdeed: Sendable, CustomTestStringConvertible {
  let function: String
  var arguments: [CallArgument] = []
  var bundle = "misbehaving"
  var options = CallOptions()
  let code: CloudburstError.Code
  /// Words of the message.
  let says: String
  /// Words of the detail: the backtrace.
  var shows = ""

  var testDescription: String { function }

  /// Ends its process at each attempt.
  static func crash(_ function: String, says: String, shows: String = "") -> Misdeed {
    Misdeed(function: function, code: .poison, says: says, shows: shows)
  }

  static let all: [Misdeed] = [
    crash("trap", says: "SIGILL", shows: "trap in "),
    crash("segfault", says: "SIGSEGV", shows: "segfault"),
    crash("aborting", says: "SIGABRT", shows: "Program crashed"),
    crash("leave", says: "exit(7)"),
    crash("recurse", says: "stack overflowed", shows: "deeper"),
    Misdeed(
      function: "pick", arguments: [.json("7")], bundle: "crashing", code: .poison, says: "SIGILL",
      shows: "crashing.swift:12"),
    Misdeed(
      function: "unwrap", bundle: "crashing", code: .poison, says: "SIGILL",
      shows: "Unexpectedly found nil"),
    Misdeed(
      function: "descend", arguments: [.json("1")], bundle: "crashing", code: .poison,
      says: "stack overflowed", shows: "descend"),
    Misdeed(
      function: "refuse", arguments: [.json("\"no\"")], bundle: "crashing", code: .functionFailed,
      says: "no"),
    Misdeed(
      function: "endless", options: .init(timeLimit: .milliseconds(200)), code: .deadlineExceeded,
      says: "time limit"),
    Misdeed(
      function: "deaf", options: .init(timeLimit: .milliseconds(200)), code: .deadlineExceeded,
      says: "time limit"),
    Misdeed(
      function: "blocked", options: .init(timeLimit: .milliseconds(200)), code: .deadlineExceeded,
      says: "time limit"),
    Misdeed(
      function: "hoard", options: .init(memoryLimit: 128 << 20), code: .memoryExceeded,
      says: "128 MiB"),
    Misdeed(
      function: "gather", bundle: "crashing", options: .init(memoryLimit: 128 << 20),
      code: .memoryExceeded, says: "128 MiB"),
    Misdeed(function: "burst", code: .resultTooLarge, says: "269484032 bytes"),
    Misdeed(function: "swell", bundle: "crashing", code: .resultTooLarge, says: "bytes"),
  ]
}

/// Every way to misbehave, 20 times each, beside a load of good calls on the same executors: only
/// what misbehaves fails, and its caller knows why.
@Suite(.serialized, .timeLimit(.minutes(10))) struct MisbehaviourMatrixTests {
  static let repetitions = 20

  @Test func eachMisdeedIsExplainedAndHarmsNobody() async throws {
    let dev = try LocalDev(executors: 4, uploading: ["misbehaving", "crashing"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    for misdeed in Misdeed.all {
      let load = try await GoodLoad(on: cloud)
      await withTaskGroup(of: Void.self) { group in
        for number in 0..<Self.repetitions {
          // One executor of the four is left to the good ones.
          if number >= 3 { await group.next() }
          group.addTask { await Self.judge(misdeed, on: cloud) }
        }
      }
      await load.finish("\(misdeed.function)")
    }
    await cloud.close()
  }

  private static func judge(_ misdeed: Misdeed, on cloud: CloudburstClient) async {
    do {
      _ = try await cloud.callEncoded(
        misdeed.function, arguments: misdeed.arguments, options: misdeed.options)
      Issue.record("\(misdeed.function) succeeded")
    } catch let error as CloudburstError {
      let name: Comment = "\(misdeed.function): \(error) \(error.detail ?? "")"
      #expect(error.code == misdeed.code, name)
      #expect(error.message.contains(misdeed.says), name)
      #expect(misdeed.shows.isEmpty || error.detail?.contains(misdeed.shows) == true, name)
      #expect(error.function == misdeed.function, name)
      #expect(error.version?.count == 12, name)
      #expect(error.node?.hasPrefix("node0/") == true, name)
      #expect(error.requestID?.count == 32, name)
    } catch {
      Issue.record("\(misdeed.function): \(error)")
    }
  }

  @Test(arguments: ["flood", "ramble"])
  func aFloodOfOutputIsDroppedAndDelaysNobody(_ function: String) async throws {
    let dev = try LocalDev(executors: 4, uploading: ["misbehaving"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let load = try await GoodLoad(on: cloud)
    for _ in 0..<Self.repetitions {
      let answer = try await cloud.callEncoded(function, arguments: [])
      #expect(answer.bytes.count > 0)
    }
    await load.finish("\(function)")
    // 2 GB have gone by; what the daemon kept of them is a few MiB.
    let pages = try String(contentsOfFile: "/proc/\(try dev.processID())/statm", encoding: .utf8)
      .split(separator: " ")[1]
    #expect(try #require(Int(pages)) * 4096 < 400 << 20)
    // The note of what was dropped comes at the latest a second after it.
    let deadline = ContinuousClock.now + .seconds(10)
    while !(try dev.cbctl("logs").text.contains("lines of output dropped")) {
      try #require(ContinuousClock.now < deadline, "no note says that output was dropped")
    }
    await cloud.close()
  }

  @Test func sharedMemoryIsCountedToo() async throws {
    let dev = try LocalDev(executors: 2, uploading: ["misbehaving"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let load = try await GoodLoad(on: cloud)
    let failure = await #expect(throws: CloudburstError.self) {
      try await cloud.call("share")
    }
    #expect(failure?.code == .memoryExceeded)
    #expect(failure?.message.contains("512 MiB") == true, "\(failure?.message ?? "")")
    await load.finish("share")
    await cloud.close()
  }

  @Test func whatACallLeavesBehindIsNotTheNextOnesFault() async throws {
    let dev = try LocalDev(executors: 1, uploading: ["misbehaving"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    for _ in 0..<Self.repetitions {
      let answer = try await cloud.callEncoded("leak", arguments: [])
      #expect(answer.bytes == Array("kept".utf8))
    }
    await cloud.close()
  }

  @Test func aCallMayAskForMoreMemory() async throws {
    let dev = try LocalDev(executors: 1, uploading: ["misbehaving"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let refused = await #expect(throws: CloudburstError.self) {
      try await cloud.call("large", options: .init())
    }
    #expect(refused?.code == .memoryExceeded)
    let answer = try await cloud.callEncoded(
      "large", arguments: [], options: CallOptions(memoryLimit: 1 << 30))
    #expect(answer.bytes == Array("had it".utf8))
    await cloud.close()
  }

  @Test func processesAFunctionStartedEndWithItsExecutor() async throws {
    let dev = try LocalDev(executors: 1, uploading: ["misbehaving"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    for _ in 0..<Self.repetitions {
      let answer = try await cloud.callEncoded("beget", arguments: [])
      let child = try #require(Int32(String(decoding: answer.bytes, as: UTF8.self)))
      #expect(kill(child, 0) == 0, "the child runs while its executor does")
      await #expect(throws: CloudburstError.self) {
        try await cloud.call("leave", options: CallOptions(attempts: 1))
      }
      #expect(try Self.isGone(child), "process \(child) outlived its executor")
    }
    await cloud.close()
  }

  /// Gone, or dead and not yet taken note of by whoever adopted it.
  private static func isGone(_ process: Int32) throws -> Bool {
    let deadline = ContinuousClock.now + .seconds(5)
    while ContinuousClock.now < deadline {
      guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else {
        return true
      }
      if stat.contains(") Z ") { return true }
      sched_yield()
    }
    return false
  }
}
