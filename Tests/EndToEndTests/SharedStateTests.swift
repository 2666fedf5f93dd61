import CloudburstClient
import Foundation
import Testing

/// What functions on two nodes see of each other's writes.
@Suite(.serialized, .timeLimit(.minutes(5))) struct SharedStateTests {
  @Test func aCallReadsWhatItHasJustPutOnEitherNode() async throws {
    let dev = try LocalDev(executors: 1, nodes: 2, uploading: ["stateful"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    var nodes: Set<Int> = []
    for number in 1...100 {
      let answers: [[Int?]] = try await twoAtOnce {
        try await cloud.call("put-and-get", "k\($0)/\(number % 3)", number)
      }
      for answer in answers { #expect(answer.first == .some(.some(number))) }
      nodes.formUnion(answers.compactMap(\.last).compactMap(\.self))
    }
    #expect(nodes.count == 2, "only one node took calls")
    await cloud.close()
  }

  /// A read after a call that wrote goes anywhere, and sees it: the versions came back with the result.
  @Test func aClientsNextCallSeesWhatItsLastOneWroteWhereverTheyRun() async throws {
    let dev = try LocalDev(executors: 1, nodes: 2, uploading: ["stateful"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    var readers: Set<Int> = []
    for number in 1...300 {
      try await cloud.call("put", "k", number)
      let answers: [[Int]] = try await twoAtOnce { _ in try await cloud.call("get", "k") }
      #expect(answers.map(\.[0]) == [number, number])
      readers.formUnion(answers.map(\.[1]))
    }
    #expect(readers.count == 2, "only one node took reads")
    await cloud.close()
  }

  @Test func aRunningCallSeesTheOtherNodesWriteWithinTheFreshnessBound() async throws {
    let dev = try LocalDev(executors: 1, nodes: 2, uploading: ["stateful"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    var delays: [Double] = []
    for number in 1...10 {
      let started = dev.scratch.path + "/started-\(number)"
      try await cloud.put("k/file", started)
      async let seen: [Int] = cloud.call("await-value", "k", number)
      let reader = try await dev.lines(of: started, until: { !$0.isEmpty })[0]
      // The reader keeps its node's only executor busy.
      let written: Int = try await cloud.call("put", "k", number)
      let answer = try await seen
      #expect("\(answer[1])" == reader)
      delays.append(Double(answer[0] - written) / 1e6)
    }
    // Pushes are at most 100 ms apart; the rest is room for a machine that is busy otherwise.
    #expect(delays.allSatisfy { $0 < 600 }, "milliseconds: \(delays)")
    await cloud.close()
  }

  @Test func addingToASetThatANodeNeverReadAndReadingItGivesTheWholeSet() async throws {
    let dev = try LocalDev(executors: 1, nodes: 2, uploading: ["stateful"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    var nodes: Set<Int> = []
    for round in 0..<20 {
      for element in 1...5 {
        try await cloud.set("set0/\(round)").add(element)
        try await cloud.set("set1/\(round)").add(element)
      }
      let answers: [[Int]] = try await twoAtOnce {
        try await cloud.call("collect", "set\($0)/\(round)", 6)
      }
      #expect(answers.map(\.[0]) == [6, 6])
      nodes.formUnion(answers.map(\.[1]))
    }
    #expect(nodes.count == 2, "only one node took calls")
    await cloud.close()
  }

  @Test func aThousandPutsAreNeverFollowedByAnOldSquare() async throws {
    let dev = try LocalDev(executors: 1, nodes: 2, uploading: ["arithmetic"])
    let cloud = try await CloudburstClient.connect(to: dev.endpoint)
    try await cloud.put("n", 0)
    // Both caches hold the key.
    for _ in 0..<20 { _ = try await squares(cloud) }
    for number in 1...1000 {
      try await cloud.put("n", number)
      #expect(try await squares(cloud) == [number * number, number * number])
    }
    let calls = try await cloud.status().executors.map(\.calls)
    #expect(calls.count == 2 && calls.allSatisfy { $0 > 100 }, "\(calls)")
    for number in 1001...1010 {
      #expect(try dev.cbctl("kv", "put", "n", "\(number)").status == 0)
      #expect(try dev.cbctl("call", "square", "ref:n").text == "\(number * number)")
    }
    await cloud.close()
  }

  private func squares(_ cloud: CloudburstClient) async throws -> [Int] {
    try await twoAtOnce { _ in try await cloud.call("square", CallArgument.reference("n")) }
  }
}

/// Two calls at once: with one executor a node, they run on both.
func twoAtOnce<Answer: Sendable>(
  _ call: @escaping @Sendable (Int) async throws -> Answer
) async throws -> [Answer] {
  async let first = call(0)
  async let second = call(1)
  return try await [first, second]
}

extension LocalDev {
  /// The lines that functions have written to a file, once they are what a test waits for.
  func lines(
    of file: String, within limit: Duration = .seconds(20),
    until isThere: ([String]) -> Bool
  ) async throws -> [String] {
    let deadline = ContinuousClock.now + limit
    while true {
      let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
      let lines = text.split(separator: "\n").map(String.init)
      if isThere(lines) { return lines }
      try #require(ContinuousClock.now < deadline, "after \(limit) there is: \(lines)")
      await Task.yield()
    }
  }
}
