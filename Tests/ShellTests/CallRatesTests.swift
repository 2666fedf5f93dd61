import NodeRuntime
import Testing

@Suite struct CallRatesTests {
  private let second: UInt64 = 1_000_000_000

  @Test func aSteadyRateIsWhatItIs() {
    var rates = CallRates()
    for time in 0...60 as ClosedRange<UInt64> {
      rates.note(now: time * second, ended: time * 100, failed: time * 10)
    }
    let found = rates.perSecond(now: 61 * second, ended: 6000, failed: 600)
    #expect(found.ended == 100)
    #expect(found.failed == 10)
  }

  @Test func callsOfLongAgoDoNotCount() {
    var rates = CallRates()
    rates.note(now: 0, ended: 0, failed: 0)
    rates.note(now: 1 * second, ended: 1000, failed: 0)
    rates.note(now: 500 * second, ended: 1000, failed: 0)
    #expect(rates.perSecond(now: 500 * second, ended: 1000, failed: 0).ended == 0)
  }

  @Test func aBurstAfterAPauseIsSpreadOverTheWholeTime() {
    var rates = CallRates()
    rates.note(now: 0, ended: 0, failed: 0)
    rates.note(now: 101 * second, ended: 50, failed: 0)
    #expect(rates.perSecond(now: 101 * second, ended: 50, failed: 0).ended == 5)
  }
}
