import CloudburstTesting
import Testing

@testable import visits

struct VisitsTests {
  let harness = BundleHarness(bundle)

  @Test func aVisitCountsAndTellsTheCountSoFar() async throws {
    #expect(try await harness.call("visit", "home") == 1)
    #expect(try await harness.call("visit", "home") == 2)
    #expect(try await harness.call("visit", "about") == 1)
    #expect(harness.store.counter("visits/home") == 2)
  }

  @Test func aPageNobodyVisitedHasNone() async throws {
    #expect(try await harness.call("visits", "home") == 0)
    #expect(harness.store.keys.isEmpty)
  }

  @Test func aStoreOutOfReachFailsTheCall() async {
    harness.store.failure = .unavailable
    let failure = await #expect(throws: CallFailure.self) {
      try await harness.run("visit", "home")
    }
    #expect(failure?.code == "UNAVAILABLE")
  }
}
