import ClusterModel
import Testing
import WireProtocol

@testable import KeyValueStore

/// The membership's clock is the referee.
struct ClockTests {
  typealias Harness = ShardHarness

  @Test func aClockThatIsOffStampsNothingAndBuriesNothing() {
    var harness = Harness()
    _ = harness.put("k", "v", expiry: Harness.start + 60_000)
    // The machine's clock jumps an hour ahead; the membership says so.
    harness.now.wall += 3_600_000
    _ = harness.step(.clockLead(3_600_000))
    #expect(harness.text("k") == "v")
    let refusal = harness.send(.put, [Harness.tuple("k", Harness.value("w"))]).replies.first?
      .failure
    #expect(refusal?.code == .clockSkew)
    #expect(refusal?.message.contains("3600000 ms ahead") == true, "\(String(describing: refusal))")
    _ = harness.step(.timerFired)
    #expect(harness.text("k") == "v")
    // Somebody set it right.
    harness.now.wall -= 3_600_000
    _ = harness.step(.clockLead(-3))
    #expect(harness.put("k", "w")?.failure == nil)
    #expect(harness.text("k") == "w")
  }
}
