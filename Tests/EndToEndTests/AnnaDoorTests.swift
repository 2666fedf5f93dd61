import Foundation
import Testing

/// The door for Anna's clients, through a client of their protocol (`Tests/Fixtures/anna`).
@Suite struct AnnaDoorTests {
  @Test(arguments: [[], ["--cluster"]])
  func allSixTypesAreWrittenAndRead(mode: [String]) throws {
    let cluster = try AnnaCluster()
    if mode.isEmpty {
      try cluster.client("six_types")
    } else {
      try cluster.client("six_types", "--cluster")
    }
  }

  @Test func theDoorKeepsAnnasRules() throws {
    let cluster = try AnnaCluster()
    try cluster.client("conflicts")
    try cluster.client("addresses")
    try cluster.client("stamps")
    try cluster.client("exactly_one_answer", "--cluster")
  }

  @Test func nativeAndAnnaPutsBecomeVisibleInTurnThroughBothDoors() throws {
    let cluster = try AnnaCluster()
    func native(_ text: String) throws {
      let outcome = try cluster.dev.cbctl(["kv", "put", "k", "-"], input: Data(text.utf8))
      try #require(outcome.status == 0, "\(outcome)")
    }
    func seen() throws -> [String] {
      let anna = try cluster.client("get", "k").split(separator: " ").last.map(String.init) ?? ""
      return [anna, try cluster.dev.cbctl("kv", "get", "k").text]
    }
    try native("n1")
    #expect(try seen() == ["n1", "n1"])
    try cluster.client("put", "k", "\(UInt64.max)", "a1")
    #expect(try seen() == ["a1", "a1"])
    #expect(try cluster.client("get", "k") == "\(UInt64.max) a1")
    try native("n2")
    #expect(try seen() == ["n2", "n2"])
    try cluster.client("put", "k", "9", "a2")
    try cluster.client("put", "k", "5", "a3")
    #expect(try seen() == ["a2", "a2"])
    try native("n3")
    #expect(try seen() == ["n3", "n3"])
  }

  @Test func whatIsDeletedThroughOneDoorIsAbsentAtTheOther() throws {
    let cluster = try AnnaCluster()
    try cluster.client("put", "k", "9", "x")
    #expect(try cluster.dev.cbctl("kv", "del", "k").status == 0)
    #expect(try cluster.client("get", "k") == "absent")
    try cluster.client("put", "k", "1", "y")
    #expect(try cluster.dev.cbctl("kv", "get", "k").text == "y")
  }

  @Test func clientsThatAreGoneOrDoNotReadCostTheOthersNothing() throws {
    let cluster = try AnnaCluster()
    let before = try residentBytes(of: cluster.dev.processID())
    try cluster.client("dead_clients")
    let after = try residentBytes(of: cluster.dev.processID())
    #expect(after - before < 512 << 20, "grew by \((after - before) >> 20) MiB")
    #expect(try cluster.dev.cbctl("kv", "get", "small").text == "s")
  }

  @Test func framesThatAreNoneAreDroppedAndBadRequestsGetTheirCode() throws {
    let cluster = try AnnaCluster()
    try cluster.client("bad_frames", "--cluster")
    #expect(try cluster.dev.cbctl("kv", "get", "k").text == "v")
  }

  @Test func aClientWithoutRetriesSeesNothingOfAStorageCrash() throws {
    let cluster = try AnnaCluster(durable: true, nodes: 2)
    // The door is a part of the storage process here: only what was stored has to be there again.
    try cluster.client("put", "k", "9", "kept")
    let storage = try #require(try cluster.dev.processID(of: "storage0"))
    kill(storage, SIGKILL)
    #expect(try cluster.client("get", "k") == "9 kept")
    try cluster.client("put", "k", "5", "lower")
    #expect(try cluster.client("get", "k") == "9 kept")
  }

  @Test func theDoorOfSeveralStorageNodesServesThroughTheDeathOfOne() throws {
    let cluster = try AnnaCluster(durable: true, options: ["--storage-nodes", "3"])
    try cluster.client("conflicts")
    try cluster.client("six_types", "--cluster")
    try cluster.client("exactly_one_answer", "--cluster")
    for number in 0..<8 { try cluster.client("put", "key\(number)", "9", "kept") }
    try cluster.dev.killPart("storage1")
    for number in 0..<8 { #expect(try cluster.client("get", "key\(number)") == "9 kept") }
    #expect(try cluster.dev.cbctl("kv", "get", "key3").text == "kept")
  }

  @Test func aTakenPortIsSaidSo() throws {
    let cluster = try AnnaCluster()
    let second = try run(
      Workbench.programs + "/cbctl",
      [
        "dev", "--detach", "--memory", "--port", "\(Workbench.freePort())", "--anna-compat",
        "--anna-port", "\(cluster.port)",
      ], in: cluster.dev.scratch.path, environment: ["TMPDIR": cluster.dev.scratch.path])
    #expect(second.status == 6, "\(second)")
    #expect(second.errors.contains("PORT_IN_USE"))
    #expect(second.errors.contains("--anna-port"))
  }

  private func residentBytes(of process: Int32) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
    return (Int(line.split(separator: " ").dropFirst().first ?? "") ?? 0) << 10
  }
}
