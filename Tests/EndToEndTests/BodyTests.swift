import CloudburstClient
import Foundation
import Testing

/// What a function's body can do, through real executors and caches.
@Suite(.serialized, .timeLimit(.minutes(5))) struct BodyTests {
  @Test func aBodySeesItsOwnWritesInOrder() async throws {
    let dev = try LocalDev(durable: true, uploading: ["crashing"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let seen: [Int?] = try await cloud.call("rewrite", "k")
    #expect(seen == [1, nil, 3])
    #expect(try await cloud.get("k", as: Int.self) == 3)
    await cloud.close()
  }

  @Test func aSetAddedToBlindlyReadsWhole() async throws {
    let dev = try LocalDev(uploading: ["crashing"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await cloud.set("s").add("before")
    let count: Int = try await cloud.call("collect", "s", "after")
    #expect(count == 2)
    #expect(try await cloud.set("s").elements(as: String.self) == ["before", "after"])
    await cloud.close()
  }

  @Test func anAsyncBodyAwaitsItsReads() async throws {
    let dev = try LocalDev(uploading: ["crashing"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await cloud.put("n", 41)
    let after: Int = try await cloud.call("later", "n")
    #expect(after == 42)
    #expect(try await cloud.get("n", as: Int.self) == 42)
    await cloud.close()
  }

  @Test func setUpRunsOnceAnExecutor() async throws {
    let dev = try LocalDev(executors: 1, uploading: ["crashing"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let first: String = try await cloud.call("prepared")
    let second: String = try await cloud.call("prepared")
    #expect(first == second)
    await cloud.close()
  }

  @Test func aBodyKnowsItsNameItsRequestAndItsDeadline() async throws {
    let dev = try LocalDev(uploading: ["crashing"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    let options = CallOptions(timeLimit: .seconds(5))
    let about: [String: String] = try await cloud.call("about", options: options)
    #expect(about["function"] == "about")
    #expect(about["id"]?.count == 32)
    #expect(about["deadline"] == "within 5 s")
    await cloud.close()
  }

  @Test func aWriteOfAnotherLatticeIsRefusedAndChangesNothing() async throws {
    let dev = try LocalDev(uploading: ["crashing"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await cloud.put("k", "text")
    let refusal = await #expect(throws: CloudburstError.self) {
      let _: Int = try await cloud.call("collect", "k", "x")
    }
    #expect(refusal?.code == .lattice)
    #expect(try await cloud.get("k", as: String.self) == "text")
    await cloud.close()
  }

  @Test func aValueOfManyMegabytesTravelsWhole() async throws {
    let dev = try LocalDev(durable: true, uploading: ["word-count"])
    let text = String(repeating: "one two three ", count: 1 << 19)
    try await run(dev, text)
  }

  private func run(_ dev: LocalDev, _ text: String) async throws {
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await cloud.put("text", text)
    let report = try await cloud.callEncoded(
      "word-count", arguments: [.reference("text")], accepting: .json)
    let object = try JSONSerialization.jsonObject(with: Data(report.bytes)) as? [String: Any]
    #expect(object?["words"] as? Int == 3 << 19)
    await cloud.close()
  }

  /// The example program that uses the SDK checks every answer itself.
  @Test func theExampleClientRunsToItsEnd() throws {
    let dev = try LocalDev(uploading: ["arithmetic"])
    let folder = Workbench.repository + "/Examples/client"
    let built = try EndToEndTests.run(
      "/usr/bin/env", ["swift", "build", "-c", "release"], in: folder, limit: 900)
    try #require(built.status == 0, "\(built)")
    let outcome = try EndToEndTests.run(folder + "/.build/release/client", [dev.endpoint])
    #expect(outcome.status == 0, "\(outcome)")
  }
}
