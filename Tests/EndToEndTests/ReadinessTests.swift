import CloudburstClient
import Foundation
import Testing

/// A new version is proven in a spare executor: one that does not get ready there is refused, and no
/// executor that runs calls ever loads it.
@Suite(.serialized, .timeLimit(.minutes(5))) struct ReadinessTests {
  static let repetitions = 20

  private static let unready: [(definition: String, says: [String])] = [
    ("CONSTRUCTOR=abort()", ["its start-up ended the spare executor", "SIGABRT"]),
    ("CONSTRUCTOR=exit(0)", ["its start-up ended the spare executor", "exit(0)"]),
    ("SET_UP=abort()", ["the set-up of ready ended the spare executor", "SIGABRT"]),
    ("SET_UP=_exit(0)", ["the set-up of ready did not end"]),
    ("SET_UP=for(;;)memset(malloc(1<<20),1,1<<20)", ["the set-up of ready", "512 MiB"]),
  ]

  @Test func aVersionThatDoesNotGetReadyIsRefusedAndHarmsNobody() async throws {
    let dev = try LocalDev(executors: 2, uploading: ["misbehaving"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let before = try await Self.restarts(dev)
    for bundle in Self.unready {
      let path = try Bundles.compiled("unfinished", [bundle.definition])
      let load = try await GoodLoad(on: cloud)
      for _ in 0..<Self.repetitions {
        let outcome = try dev.cbctl("upload", path)
        #expect(outcome.status == 2, "\(bundle.definition): \(outcome)")
        #expect(outcome.errors.hasPrefix("error: BUNDLE_INVALID: "), "\(outcome)")
        for words in bundle.says { #expect(outcome.errors.contains(words), "\(outcome)") }
      }
      await load.finish("\(bundle.definition)")
    }
    #expect(try await Self.restarts(dev) == before, "no executor that runs calls has ended")
    #expect(try dev.cbctl("call", "ready").status == 3)
    await cloud.close()
  }

  @Test func aSetUpThatThrowsSaysSo() throws {
    let dev = try LocalDev(executors: 1)
    let outcome = try dev.cbctl("upload", try Bundles.path(of: "unready"))
    #expect(outcome.status == 2)
    #expect(
      outcome.errors.contains("the set-up of classify failed: NoModel(path: \"/no/model\")"),
      "\(outcome)")
    #expect(try dev.cbctl("call", "fine").status == 3, "a bundle is taken whole or not at all")
  }

  @Test func aSetUpThatDoesNotEndIsRefusedAfterItsTime() throws {
    let dev = try LocalDev(executors: 1)
    let path = try Bundles.compiled("unfinished", ["SET_UP=for(;;)pause()"])
    let outcome = try dev.cbctl("upload", path)
    #expect(outcome.status == 2)
    #expect(outcome.errors.contains("the set-up of ready did not end within"), "\(outcome)")
  }

  @Test func aVersionThatIsRefusedLeavesTheOneBefore() throws {
    let dev = try LocalDev(executors: 1)
    let good = try dev.cbctl("upload", try Bundles.compiled("unfinished"))
    try #require(good.status == 0, "\(good)")
    #expect(try dev.cbctl("call", "ready").text == "ready")
    let bad = try dev.cbctl("upload", try Bundles.compiled("unfinished", ["SET_UP=abort()"]))
    #expect(bad.status == 2)
    #expect(try dev.cbctl("call", "ready").text == "ready")
  }

  @Test func aFunctionSaysWhatItsCallsMayTake() throws {
    let dev = try LocalDev(executors: 1, uploading: ["crashing"])
    let outcome = try dev.cbctl("call", "brief", "1")
    #expect(outcome.errors.hasPrefix("error: DEADLINE_EXCEEDED: "), "\(outcome)")
    #expect(outcome.errors.contains("300 ms"), "\(outcome)")
  }

  private static func restarts(_ dev: LocalDev) async throws -> Int {
    let status = try dev.cbctl("status", "-o", "json")
    let object = try JSONSerialization.jsonObject(with: Data(status.output.utf8))
    return try #require((object as? [String: Any])?["executorRestarts"] as? Int, "\(status)")
  }
}
