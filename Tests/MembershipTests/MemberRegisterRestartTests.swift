import ClusterModel
import Membership
import Testing
import WireProtocol

/// A router's next life, with and without its disk.
@Suite struct MemberRegisterRestartTests {
  @Test func aRestartTellsTheSameRingOnceItsMembersHaveReported() {
    var fixture = RegisterFixture.ofTwo()
    let ring = fixture.ring
    fixture.restart()
    fixture.announced = []
    #expect(fixture.report("a", 1, ring: ring) != nil)
    #expect(fixture.announced.isEmpty)
    fixture.report("b", 1, ring: ring)
    #expect(fixture.announced == [ring])
  }

  @Test func membersThatDoNotReportWithinTheGraceAreDead() {
    var fixture = RegisterFixture.ofTwo()
    fixture.restart()
    fixture.pass(4500, reporting: [("a", 1)])
    #expect(fixture.ring.epoch == 1)
    fixture.pass(1000, reporting: [("a", 1)])
    #expect(fixture.ring.epoch == 2 && fixture.ring.placedNames == ["a"])
    #expect(fixture.ring.holderLives == ["a1", "b1"])
  }

  @Test func anAllProcessRestartFindsTheNewLivesOfAllHolders() {
    var fixture = RegisterFixture.ofTwo()
    fixture.restart()
    fixture.report("a", 2, ring: RingView.none)
    #expect(fixture.ring.epoch == 1)
    fixture.report("b", 2, ring: RingView.none)
    #expect(fixture.ring.epoch == 2)
    #expect(fixture.ring.life("a") == 2 && fixture.ring.life("b") == 2)
    #expect(fixture.ring.holderLives == ["a1", "b1"])
  }

  @Test func aLostDiskAdoptsTheHighestRingOfTheMembers() {
    var fixture = RegisterFixture.ofTwo()
    fixture.report("c", 1)
    fixture.pass(500, reporting: [("a", 1), ("b", 1), ("c", 1)])
    let newest = fixture.ring
    let older = fixture.announced[0]
    fixture.restart(losingDisk: true)
    fixture.announced = []
    // Expecting two: a brand-new cluster would start with these.
    fixture.report("a", 1, ring: older)
    fixture.report("c", 1, ring: newest)
    #expect(fixture.announced.isEmpty)
    fixture.report("b", 1, ring: older)
    #expect(fixture.announced == [newest])
    #expect(fixture.disk?.ring.epoch == newest.epoch)
  }

  @Test func aRingFormedTooEarlyGivesWayToTheHigherOneThatMembersHold() {
    var fixture = RegisterFixture.ofTwo()
    for life in 2...4 {
      fixture.report("a", UInt64(life))
      fixture.settle([("a", UInt64(life)), ("b", 1)])
    }
    let old = fixture.ring
    fixture.restart(losingDisk: true)
    fixture.announced = []
    fixture.pass(6000, reporting: [("new", 1)])
    #expect(fixture.ring.placedNames == ["new"] && fixture.ring.epoch < old.epoch)
    fixture.report("a", 4, ring: old)
    fixture.report("b", 1, ring: old)
    fixture.pass(500, reporting: [("a", 4), ("b", 1), ("new", 1)])
    #expect(fixture.ring.epoch > old.epoch)
    #expect(fixture.ring.holderLives == ["a4", "b1"])
    #expect(fixture.ring.placedNames == ["a", "b", "new"])
  }

  @Test func aPauseOfTheRouterItselfIsNobodysDeath() {
    var fixture = RegisterFixture.ofTwo()
    fixture.pass(500, reporting: [("a", 1), ("b", 1)])
    fixture.now += 60_000
    fixture.report("a", 1)
    #expect(fixture.ring.epoch == 1)
    fixture.pass(1000, reporting: [("a", 1)])
    #expect(fixture.ring.epoch == 1)
    fixture.pass(2000, reporting: [("a", 1)])
    #expect(fixture.ring.placedNames == ["a"])
  }

  @Test func theStateReadsAsItWasWritten() throws {
    var fixture = RegisterFixture.ofTwo()
    for life in 2...80 {
      fixture.report("a", UInt64(life))
      fixture.settle([("a", UInt64(life)), ("b", 1)])
    }
    let state = try #require(fixture.disk)
    var writer = ProtobufWriter()
    state.encode(into: &writer)
    let read = try MembershipState.decode(writer.bytes[...])
    #expect(read == state)
    let fence = try #require(read.fences.first)
    #expect(fence.ended.count == Fence.exactMax && fence.floor > Incarnation(0))
    #expect((1...79).allSatisfy { fence.bars(Incarnation($0)) })
    #expect(!fence.bars(Incarnation(80)))
  }
}
