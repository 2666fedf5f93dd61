import CloudburstTesting
import Testing

@testable import arithmetic

struct ArithmeticTests {
  let harness = BundleHarness(bundle)

  @Test func incrementAddsOne() async throws {
    #expect(try await harness.call("increment", 41) == 42)
  }

  @Test func squareMultiplies() async throws {
    #expect(try await harness.call("square", -3) == 9)
  }

  @Test(arguments: ["increment", "square"])
  func aResultTooLargeIsAnErrorOfTheFunction(_ function: String) async {
    let failure = await #expect(throws: CallFailure.self) {
      try await harness.run(function, Int.max)
    }
    #expect(failure?.code == "FUNCTION_FAILED")
  }
}
