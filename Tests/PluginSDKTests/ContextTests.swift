import CloudburstFunctions
import CloudburstTesting
import Testing

struct ContextTests {
  static let bundle = FunctionBundle("context") {
    Function("double") { (context: Context, key: String) throws -> Int? in
      guard let value = try context.get(key, as: Int.self) else { return nil }
      try context.put(key, value * 2)
      return try context.get(key)
    }
    Function("doubleAsync") { (context: Context, key: String) async throws -> Int? in
      guard let value = try await context.get(key, as: Int.self) else { return nil }
      try context.put(key, value * 2)
      return try await context.get(key)
    }
    Function("visit") { (context: Context, page: String) in
      let counter = context.counter("visits/\(page)")
      try counter.add()
      return try counter.value()
    }
    Function("tag") { (context: Context, tag: String) in
      try context.set("tags").add(tag)
      return try context.set("tags").elements(as: String.self)
    }
    Function("tagsAsync") { (context: Context) async throws in
      try await context.set("tags").elements(as: String.self)
    }
    Function("facts") { (context: Context) throws -> [String] in
      [
        context.functionName, "\(context.attempt)", "\(context.id)",
        try context.remainingTime().map { "\($0)" } ?? "none",
      ]
    }
    Function("stray") { (context: Context) async throws -> String in
      let outside = Task.detached { () -> String in
        context.log.warning("from outside")
        do {
          _ = try await context.get("k", as: Int.self)
          return "no error"
        } catch { return "\(error)" }
      }
      return await outside.value
    }
  }

  let harness = BundleHarness(Self.bundle)

  @Test(arguments: ["double", "doubleAsync"], [false, true])
  func aCallSeesItsOwnWrites(_ function: String, isRemote: Bool) async throws {
    try harness.store.put("n", 4)
    harness.store.isRemote = isRemote
    #expect(try await harness.call(function, "n") == Int?.some(8))
    #expect(try harness.store.value("n") == 8)
    #expect(try await harness.call(function, "missing") == Int?.none)
  }

  @Test func countersAndSetsAreShared() async throws {
    #expect(try await harness.call("visit", "home") == 1)
    #expect(try await harness.call("visit", "home") == 2)
    #expect(harness.store.counter("visits/home") == 2)
    #expect(try await harness.call("tag", "b") == Set(["b"]))
    #expect(try await harness.call("tag", "a") == Set(["a", "b"]))
    harness.store.isRemote = true
    #expect(try await harness.call("tagsAsync") == Set(["a", "b"]))
  }

  @Test func aKeyOfAnotherKindIsALatticeError() async throws {
    try harness.store.put("visits/home", "text")
    let failure = await #expect(throws: CallFailure.self) {
      try await harness.run("visit", "home")
    }
    #expect(
      failure?.description
        == #"LATTICE: update "visits/home": LATTICE: the key holds another kind"#)
    harness.store["n"] = .counter(1)
    let read = await #expect(throws: CallFailure.self) { try await harness.run("double", "n") }
    #expect(
      read?.message == #"get "n": LATTICE: expected a value, the key holds a counter"#)
  }

  @Test func aStoredValueOfAnotherTypeIsNamed() async throws {
    try harness.store.put("n", "four")
    let failure = await #expect(throws: CallFailure.self) { try await harness.run("double", "n") }
    #expect(failure?.code == "FUNCTION_FAILED")
    #expect(
      failure?.message == #"ValueError: the value of "n": expected Int, got string "four""#)
  }

  @Test(arguments: ["double", "doubleAsync"])
  func aFailingStoreFailsTheCallWithItsCode(_ function: String) async throws {
    harness.store.failure = .unavailable
    harness.store.isRemote = true
    let failure = await #expect(throws: CallFailure.self) { try await harness.run(function, "n") }
    #expect(failure?.code == "UNAVAILABLE")
    harness.store.failure = nil
    #expect(try await harness.call(function, "n") == Int?.none)
  }

  @Test func aCallKnowsItsFacts() async throws {
    harness.deadline = .milliseconds(1500)
    let facts: [String] = try await harness.call("facts")
    #expect(facts[0...1] == ["facts", "1"])
    #expect(facts[2] == "9e3779b97f4a7c160000000000000001")
    #expect(facts[3] == "1.5 seconds")
    harness.deadline = nil
    #expect(try await harness.call("facts", returning: [String].self)[3] == "none")
  }

  @Test func stateIsRefusedOutsideTheLoopAndTheLogIsNot() async throws {
    let text: String = try await harness.call("stray")
    #expect(text == #"get "k": WRONG_THREAD"#)
    #expect(
      harness.log == [LogLine(level: .warning, function: "stray", message: "from outside")])
  }

  @Test func aFunctionThatIsNotThereIsNotFound() async {
    await #expect(
      throws: CallFailure(code: "FUNCTION_NOT_FOUND", message: "no function \"none\" in the bundle")
    ) { try await harness.run("none") }
  }
}
