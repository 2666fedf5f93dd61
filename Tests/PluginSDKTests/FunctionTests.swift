import CloudburstFunctions
import CloudburstTesting
import Synchronization
import Testing

/// What authors write, run through the C interface.
struct FunctionTests {
  struct Point: Codable, Value, Equatable { var x, y: Double }
  enum Refusal: Error { case tooSmall }
  final class Model { var calls = 0 }

  static let attempts = Mutex(0)

  static let bundle = FunctionBundle("forms") {
    Function("increment") { (x: Int) in x + 1 }
    Function("add") { (a: Int, b: Double) in Double(a) + b }
    Function("nothing") {}
    Function("seven") { 7 }
    Function("check") { (x: Int) throws -> Int in
      guard x > 0 else { throw Refusal.tooSmall }
      return x
    }
    Function("mirror") { (p: Point?) in p.map { Point(x: $0.y, y: $0.x) } }
    Function("count") { (bytes: [UInt8]) in bytes.count }
    Function("shout") { (context: Context, text: String) in
      context.log.info("shouting \(text)")
      return "\(context.functionName) \(text.uppercased())"
    }
    Function("remember") { (context: Context, key: String, value: [Double]) in
      try context.put(key, value)
    }
    Function("sleepy") { (x: Int) async in
      await Task.yield()
      return x * 2
    }
    Function("eager") { (context: Context, key: String) async throws in
      try context.counter(key).add(2)
      return try await context.counter(key).value()
    }
    Function("forget") { (context: Context, key: String) async throws in try context.delete(key) }
    Function("model", initialize: { Model() }) { (model: Model, step: Int) in
      model.calls += step
      return model.calls
    }
    Function(
      "flaky",
      initialize: {
        try attempts.withLock { attempts in
          attempts += 1
          if attempts == 1 { throw Refusal.tooSmall }
          return attempts
        }
      }
    ) { (state: Int, context: Context) async in state }
  }

  let harness = BundleHarness(Self.bundle)

  @Test func bodiesOfEveryFormRun() async throws {
    #expect(try await harness.call("increment", 1) == 2)
    #expect(try await harness.call("add", 1, 2.5) == 3.5)
    #expect(try await harness.call("seven") == 7)
    #expect(try await harness.call("mirror", Point(x: 1, y: 2)) == Point?.some(Point(x: 2, y: 1)))
    #expect(try await harness.call("mirror", Point?.none) == Point?.none)
    #expect(try await harness.call("shout", "hi") == "shout HI")
    #expect(try await harness.call("sleepy", 21) == 42)
    #expect(try await harness.call("eager", "n") == 2)
    try await harness.run("nothing")
    try await harness.run("forget", "n")
    #expect(harness.store.keys.isEmpty)
  }

  @Test func signaturesAreBuiltFromTheTypes() {
    let signatures = Dictionary(
      uniqueKeysWithValues: Self.bundle.functions.map { ($0.name, $0.signature.description) })
    #expect(signatures["increment"] == "(Int) -> Int")
    #expect(signatures["add"] == "(Int, Double) -> Double")
    #expect(signatures["nothing"] == "() -> Void")
    #expect(signatures["mirror"] == "(Point?) -> Point?")
    #expect(signatures["count"] == "([UInt8]) -> Int")
    #expect(signatures["remember"] == "(String, [Double]) -> Void")
    #expect(signatures["model"] == "(Int) -> Int")
    #expect(signatures["flaky"] == "() -> Int")
  }

  @Test func argumentsComeInAnyEncoding() async throws {
    let json = EncodedValue(encoding: .json, bytes: Array("41".utf8))
    #expect(try await harness.callEncoded("increment", [json]) == EncodedValue(42))
    let raw = EncodedValue(encoding: .raw, bytes: [1, 2, 3])
    #expect(try await harness.callEncoded("count", [raw]) == EncodedValue(3))
    let point = EncodedValue(encoding: .json, bytes: Array(#"{"y":2,"x":1}"#.utf8))
    #expect(try await harness.callEncoded("mirror", [point]).decode() == Point(x: 2, y: 1))
  }

  @Test func aMisfitArgumentIsNamed() async {
    await #expect(
      throws: CallFailure(
        code: "BAD_ARGUMENT", message: #"argument 2: expected Double, got string "x""#)
    ) {
      try await harness.run("add", 1, "x")
    }
    await #expect(
      throws: CallFailure(code: "BAD_ARGUMENT", message: "add: expected 2 arguments, got 1")
    ) {
      try await harness.run("add", 1)
    }
  }

  @Test func aThrownErrorFailsTheCallWithItsType() async {
    await #expect(throws: CallFailure(code: "FUNCTION_FAILED", message: "Refusal: tooSmall")) {
      try await harness.run("check", 0)
    }
  }

  @Test func setUpHappensOnceAndItsStateStays() async throws {
    let bundle = FunctionBundle("one") {
      Function("model", initialize: { Model() }) { (model: Model, step: Int) in
        model.calls += step
        return model.calls
      }
    }
    let harness = BundleHarness(bundle)
    #expect(try await harness.call("model", 2) == 2)
    #expect(try await harness.call("model", 3) == 5)
  }

  @Test func aFailedSetUpIsTriedAgain() async throws {
    await #expect(throws: CallFailure(code: "SET_UP_FAILED", message: "Refusal: tooSmall")) {
      try await harness.run("flaky")
    }
    #expect(try await harness.call("flaky") == 2)
    #expect(try await harness.call("flaky") == 2)
  }

  @Test func asyncBodiesInterleaveOnOneThread() async throws {
    let harness = harness
    let sum = try await withThrowingTaskGroup(of: Int.self) { group in
      for value in 0..<50 { group.addTask { try await harness.call("sleepy", value) } }
      return try await group.reduce(0, +)
    }
    #expect(sum == 2450)
  }
}
