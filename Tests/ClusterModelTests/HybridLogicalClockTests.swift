import ClusterModel
import Testing

@Suite struct HybridLogicalClockTests {
  private let now: UInt64 = 1_700_000_000_000

  @Test func stampsFollowTheWall() {
    var clock = HybridLogicalClock()
    let first = clock.tick(now: now)
    let second = clock.tick(now: now + 5)
    #expect(HybridLogicalClock.milliseconds(of: first) == now)
    #expect(HybridLogicalClock.milliseconds(of: second) == now + 5)
    #expect(HybridLogicalClock.logical(of: second) == 0)
  }

  @Test func stampsRiseThoughTheWallStandsOrGoesBack() {
    var clock = HybridLogicalClock()
    let first = clock.tick(now: now)
    let second = clock.tick(now: now)
    let third = clock.tick(now: now - 1000)
    #expect(first < second)
    #expect(second < third)
    #expect(HybridLogicalClock.logical(of: third) == 2)
  }

  @Test func aBurstCarriesIntoTheMilliseconds() {
    var clock = HybridLogicalClock()
    var stamp: UInt64 = 0
    for _ in 0...65536 { stamp = clock.tick(now: now) }
    #expect(HybridLogicalClock.milliseconds(of: stamp) == now + 1)
    #expect(HybridLogicalClock.logical(of: stamp) == 0)
  }

  @Test func anObservedStampIsFollowed() {
    var clock = HybridLogicalClock()
    let theirs = HybridLogicalClock.stamp(milliseconds: now + 500)
    let observation = clock.observe(theirs, origin: .native, now: now)
    #expect(observation == .accepted)
    let mine = clock.tick(now: now)
    #expect(mine > theirs)
  }

  @Test func anOldStampDoesNotHoldTheClockBack() {
    var clock = HybridLogicalClock()
    let mine = clock.tick(now: now)
    let observation = clock.observe(1, origin: .native, now: now)
    #expect(observation == .accepted)
    #expect(clock.last == mine)
  }

  @Test func aStampBeyondDriftIsRefusedAndForgotten() {
    var clock = HybridLogicalClock()
    let theirs = HybridLogicalClock.stamp(milliseconds: now + 501)
    let observation = clock.observe(theirs, origin: .native, now: now)
    #expect(observation == .beyondDrift(ahead: .milliseconds(501)))
    #expect(clock == HybridLogicalClock())
  }

  @Test func theDriftLimitIsTheCallers() {
    var clock = HybridLogicalClock()
    let theirs = HybridLogicalClock.stamp(milliseconds: now + 11)
    let observation = clock.observe(
      theirs, origin: .native, now: now, driftMax: .milliseconds(10))
    #expect(observation == .beyondDrift(ahead: .milliseconds(11)))
  }

  @Test(arguments: [0, 1_700_000_000_100 << 16, .max] as [UInt64])
  func aForeignStampNeverMovesTheClock(stamp: UInt64) {
    var clock = HybridLogicalClock()
    let observation = clock.observe(stamp, origin: .foreign, now: now)
    #expect(observation == .foreign)
    #expect(clock == HybridLogicalClock())
  }

  @Test func aRestartedClockStaysAboveItsEarlierLife() {
    var clock = HybridLogicalClock(last: HybridLogicalClock.stamp(milliseconds: now))
    let stamp = clock.tick(now: now - 1000)
    #expect(stamp > HybridLogicalClock.stamp(milliseconds: now))
    #expect(clock.lead(over: now - 1000) == .milliseconds(1000))
    #expect(clock.lead(over: now + 1) == .zero)
  }

  @Test func theEndOfTimeDoesNotTrap() {
    var clock = HybridLogicalClock(last: .max)
    let stamp = clock.tick(now: .max)
    #expect(stamp == .max)
    var fresh = HybridLogicalClock()
    let last = fresh.tick(now: .max)
    #expect(HybridLogicalClock.milliseconds(of: last) == (1 << 48) - 1)
  }
}
