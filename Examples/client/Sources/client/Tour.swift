import CloudburstClient

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The SDK step by step; each step says what came back and whether that is right.
struct Tour {
  let cloud: CloudburstClient
  private var mistakes = 0

  init(cloud: CloudburstClient) { self.cloud = cloud }

  mutating func calls() async throws {
    let nine: Int = try await cloud.call("square", 3)
    check("square(3)", nine, 9)
    let seven: Int = try await cloud.call("increment", .json("6"))
    check("increment(6), given as JSON", seven, 7)
  }

  mutating func state() async throws {
    try await cloud.put("example/n", 2)
    let four: Int = try await cloud.call("square", .reference("example/n"))
    check("square(value of example/n)", four, 4)
    try await cloud.delete("example/n")
    check("example/n after its delete", try await cloud.get("example/n", as: Int.self), nil)

    let visits = cloud.counter("example/visits")
    let before = try await visits.value()
    try await visits.add(2)
    check("example/visits, counted up by", try await visits.value() - before, 2)
  }

  mutating func composition() async throws {
    let dag = try await cloud.register(DAG("example-sqinc") { "increment" => "square" })
    let result: Int = try await cloud.call(dag, ["increment": [4]])
    check("increment(4), then square", result, 25)
    try await cloud.deleteDAG("example-sqinc")
  }

  mutating func futures() async throws {
    let future = try await cloud.submit(
      "square", 5, storingResultAs: "example/answer", returning: Int.self)
    check("the future of square(5)", try await future.value(), 25)
    check("the same, as stored", try await cloud.get("example/answer", as: Int.self), 25)
  }

  mutating func watching() async throws {
    try await cloud.put("example/watched", 0)
    var states = try cloud.watch("example/watched", as: Int.self).makeAsyncIterator()
    check("example/watched, as it is", try await states.next() ?? nil, 0)
    try await cloud.put("example/watched", 1)
    check("example/watched, as it becomes", try await states.next() ?? nil, 1)
  }

  /// What fails has a code to act on, a sentence, and often the next thing to do.
  mutating func refusals() async throws {
    do {
      try await cloud.call("no-such-function")
      fail("a call of no-such-function succeeded")
    } catch let error as CloudburstError {
      check("a missing function's error", error.code, .functionNotFound)
    }
  }

  /// One client serves many tasks; on its own thread, a chain of calls costs no hand-over.
  mutating func manyAtOnce() async throws {
    let cloud = cloud
    let sum = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 1...100 { group.addTask { try await cloud.call("square", number) } }
      return try await group.reduce(0, +)
    }
    check("the sum of 100 squares, asked at once", sum, 338_350)
    let chained = try await cloud.run {
      var number = 0
      for _ in 0..<10 { number = try await cloud.call("increment", number) }
      return number
    }
    check("ten increments, one after the other", chained, 10)
  }

  private mutating func check<V: Equatable>(_ what: String, _ found: V, _ expected: V) {
    if found == expected {
      print("\(what): \(found)")
    } else {
      fail("\(what): \(found), expected \(expected)")
    }
  }

  mutating func fail(_ text: String) {
    mistakes += 1
    print("WRONG  \(text)")
  }

  /// Ends the program: 0 if everything was right.
  func finish() -> Never {
    print(mistakes == 0 ? "all right" : "\(mistakes) wrong")
    exit(mistakes == 0 ? 0 : 1)
  }
}
