import ClusterModel
import Membership
import Testing
import WireProtocol

@Suite struct MemberRegisterTests {
  @Test func theFirstRingWaitsForTheNodesExpected() {
    var fixture = RegisterFixture(expected: 2)
    fixture.report("a", 1)
    #expect(fixture.announced.isEmpty)
    fixture.report("b", 1)
    #expect(fixture.announced.map(\.epoch) == [1])
    #expect(fixture.ring.placedNames == ["a", "b"])
    #expect(fixture.ring.isSettled && fixture.ring.copies == 2)
  }

  @Test func nodesThatDoNotComeAreNotWaitedForBeyondTheGrace() {
    var fixture = RegisterFixture(expected: 3)
    fixture.report("a", 1)
    fixture.pass(4500, reporting: [("a", 1)])
    #expect(fixture.announced.isEmpty)
    fixture.pass(1000, reporting: [("a", 1)])
    #expect(fixture.ring.placedNames == ["a"])
  }

  @Test func everyRoleIsAMemberAndOnlyStorageEntersTheRing() {
    var fixture = RegisterFixture()
    #expect(fixture.report("s", 1, role: .scheduler)?.milliseconds == 2000)
    fixture.report("node0", 1, role: .supervisor)
    fixture.report("a", 1, shards: 3)
    #expect(fixture.ring.shards.map(\.member.description) == ["a/0", "a/1", "a/2"])
    let members = fixture.register.status(at: fixture.now * 1_000_000)
    #expect(members.map(\.id.role) == [.scheduler, .storage, .supervisor])
  }

  @Test func aRingIsKeptBeforeItIsAnnounced() {
    var fixture = RegisterFixture.ofTwo()
    let kept = fixture.effects.firstIndex { if case .persist = $0 { true } else { false } }
    let told = fixture.effects.firstIndex { if case .announce = $0 { true } else { false } }
    #expect(kept != nil && told != nil && kept! < told!)
    #expect(fixture.disk?.ring.epoch == 1)
    fixture.diskIsFull = true
    fixture.report("a", 2)
    #expect(fixture.announced.last?.epoch == 1)
    #expect(fixture.register.saveTrouble == "full")
    fixture.diskIsFull = false
    fixture.pass(1000, reporting: [("a", 2), ("b", 1)])
    #expect(fixture.announced.last?.life("a") == 2)
    #expect(fixture.register.saveTrouble == nil)
  }

  @Test func aChangeNamesTheHoldersBeforeAndEndsWhenAllAreSettled() {
    var fixture = RegisterFixture.ofTwo()
    fixture.report("c", 1)
    fixture.pass(500, reporting: [("a", 1), ("b", 1), ("c", 1)])
    #expect(fixture.ring.epoch == 2 && fixture.ring.placedNames == ["a", "b", "c"])
    #expect(fixture.ring.holderLives == ["a1", "b1"])
    fixture.settle([("a", 1), ("b", 1)])
    #expect(!fixture.ring.isSettled)
    fixture.settle([("c", 1)])
    #expect(fixture.ring.epoch == 3 && fixture.ring.isSettled)
  }

  @Test func nodesThatComeTogetherAreTakenTogether() {
    var fixture = RegisterFixture.ofTwo()
    fixture.report("c", 1)
    fixture.report("d", 1)
    #expect(fixture.ring.epoch == 1)
    fixture.pass(300, reporting: [])
    #expect(fixture.ring.epoch == 2 && fixture.ring.placedNames == ["a", "b", "c", "d"])
  }

  @Test func whoComesDuringAChangeWaitsForItsEnd() {
    var fixture = RegisterFixture.ofTwo()
    fixture.report("c", 1)
    fixture.pass(500, reporting: [("a", 1), ("b", 1), ("c", 1)])
    let all: [(String, UInt64)] = [("a", 1), ("b", 1), ("c", 1), ("d", 1)]
    fixture.pass(2000, reporting: all)
    #expect(fixture.ring.placedNames == ["a", "b", "c"])
    fixture.settle([("a", 1), ("b", 1), ("c", 1)])
    fixture.pass(500, reporting: all)
    #expect(fixture.ring.placedNames == ["a", "b", "c", "d"])
    #expect(fixture.ring.holderLives == ["a1", "b1", "c1"])
  }

  @Test func aDeathDuringAChangeSetsAnotherGoalAndForgetsNoHolder() {
    var fixture = RegisterFixture.ofTwo()
    fixture.report("c", 1)
    fixture.pass(500, reporting: [("a", 1), ("b", 1), ("c", 1)])
    fixture.pass(3000, reporting: [("b", 1), ("c", 1)])
    #expect(fixture.ring.epoch == 3 && fixture.ring.placedNames == ["b", "c"])
    #expect(fixture.ring.holderLives == ["a1", "b1"])
    #expect(fixture.ring.life("a") == nil)
  }

  @Test func aLifeThatDoesNotReportIsOverAfterItsLeaseAndMarginOnly() {
    var fixture = RegisterFixture.ofTwo()
    fixture.pass(2400, reporting: [("b", 1)])
    #expect(fixture.ring.epoch == 1)
    fixture.pass(200, reporting: [("b", 1)])
    #expect(fixture.ring.epoch == 2 && fixture.ring.placedNames == ["b"])
    #expect(fixture.ring.holderLives == ["a1", "b1"])
  }

  @Test func stopsOfOneSecondChangeNoRing() {
    var fixture = RegisterFixture.ofTwo()
    for _ in 0..<12 {
      fixture.pass(1500, reporting: [("b", 1)])
      fixture.pass(3500, reporting: [("a", 1), ("b", 1)])
    }
    #expect(fixture.ring.epoch == 1)
  }

  @Test func aBrokenConnectionThatIsNotMadeAgainEndsALifeSooner() {
    var fixture = RegisterFixture.ofTwo()
    fixture.step(.disconnected(RegisterFixture.peer("a", 1)))
    fixture.pass(700, reporting: [("b", 1)])
    #expect(fixture.ring.epoch == 1)
    fixture.pass(200, reporting: [("b", 1)])
    #expect(fixture.ring.placedNames == ["b"])
  }

  @Test func aConnectionThatIsMadeAgainCostsNothing() {
    var fixture = RegisterFixture.ofTwo()
    fixture.step(.disconnected(RegisterFixture.peer("a", 1)))
    fixture.pass(3000, reporting: [("a", 1), ("b", 1)])
    #expect(fixture.ring.epoch == 1)
  }

  @Test func aLifeThatIsOverIsFencedForEver() {
    var fixture = RegisterFixture.ofTwo()
    fixture.pass(3000, reporting: [("b", 1)])
    #expect(fixture.report("a", 1) == nil)
    #expect(fixture.refusal == .fenced)
    fixture.restart()
    fixture.report("b", 1)
    #expect(fixture.report("a", 1) == nil)
    #expect(fixture.refusal == .fenced)
    #expect(fixture.report("a", 2) != nil)
  }

  @Test func aNewLifeTakesTheOlderOnesPlaceAtOnceAndIsNoHolder() {
    var fixture = RegisterFixture.ofTwo()
    fixture.report("a", 2)
    #expect(fixture.ring.epoch == 2 && fixture.ring.life("a") == 2)
    #expect(fixture.ring.placedNames == ["a", "b"])
    #expect(fixture.ring.holderLives == ["a1", "b1"])
    #expect(!fixture.ring.isFullHolder(RingMember(name: "a", shard: 0)))
    #expect(fixture.report("a", 1) == nil)
    #expect(fixture.refusal == .fenced)
  }

  @Test func aLifeDrawnByAClockThatWentBackJoinsWhenTheOlderOneIsOver() {
    var fixture = RegisterFixture(expected: 2)
    fixture.report("a", 50)
    fixture.report("b", 50)
    #expect(fixture.report("a", 10) == nil)
    fixture.pass(3000, reporting: [("b", 50)])
    #expect(fixture.report("a", 10) == nil)
    #expect(fixture.report("a", 11) != nil)
  }

  @Test func whoLeavesStaysUntilItHasHandedOver() {
    var fixture = RegisterFixture.ofTwo()
    #expect(fixture.report("a", 1, leaving: true)?.mayLeave == false)
    #expect(fixture.ring.epoch == 2 && fixture.ring.placedNames == ["b"])
    #expect(fixture.ring.life("a") == 1)
    #expect(fixture.ring.holderLives == ["a1", "b1"])
    fixture.report("b", 1, settled: 2)
    #expect(fixture.ring.epoch == 3 && fixture.ring.isSettled)
    #expect(fixture.ring.life("a") == nil)
    #expect(fixture.report("a", 1, leaving: true)?.mayLeave == true)
    #expect(fixture.ring.epoch == 3)
  }

  @Test func theLastNodeCannotLeave() {
    var fixture = RegisterFixture()
    fixture.report("a", 1)
    #expect(fixture.report("a", 1, leaving: true)?.mayLeave == false)
    #expect(fixture.ring.epoch == 1 && fixture.ring.placedNames == ["a"])
  }

  @Test func aRingOfTheDeadWaitsForTheirNextLives() {
    var fixture = RegisterFixture.ofTwo()
    fixture.pass(3000)
    // Whoever died last is still named: nobody else can be.
    let epoch = fixture.ring.epoch
    #expect(fixture.register.missingNodes == fixture.ring.placedNames)
    fixture.pass(10_000)
    #expect(fixture.ring.epoch == epoch)
    fixture.report("b", 2)
    fixture.report("a", 2)
    #expect(fixture.ring.placedNames == ["a", "b"])
    #expect(fixture.ring.life("a") == 2 && fixture.ring.life("b") == 2)
    #expect(fixture.ring.holderLives == ["a1", "b1"])
  }

  @Test func aChangeWaitsForHoldersWhoseLogsMayHaveTheLastCopies() {
    var fixture = threeOfWhichTwoDied()
    fixture.settle([("c", 1)])
    #expect(!fixture.ring.isSettled)
    // One of the two is enough: each key had two copies.
    fixture.report("a", 2)
    fixture.settle([("a", 2), ("c", 1)])
    #expect(fixture.ring.isSettled && fixture.ring.placedNames == ["a", "c"])
  }

  @Test func whoIsNotThereIsOvertakenByThoseWhoAre() {
    var fixture = three()
    fixture.pass(4000, reporting: [("b", 1), ("c", 1)])
    #expect(fixture.ring.holders.map(\.overtakenBy) == [["b", "c"], [], []])
    fixture.pass(4000, reporting: [("c", 1)])
    #expect(fixture.ring.holders.map(\.overtakenBy) == [["b", "c"], ["c"], []])
    // It comes back, and what it missed is still missed.
    fixture.report("a", 2)
    #expect(fixture.ring.placedNames == ["a", "c"])
    #expect(fixture.ring.holders.map(\.overtakenBy) == [["b", "c"], ["a", "c"], []])
  }

  @Test func aHolderThatWantsToGoStaysWhileItsLogMayBeWanted() {
    var fixture = three()
    fixture.pass(4000, reporting: [("b", 1), ("c", 1)])
    #expect(fixture.report("a", 2, leaving: true)?.mayLeave == false)
    #expect(fixture.ring.life("a") == 2 && !fixture.ring.isSettled)
  }

  private func three(keepingLogs: Bool = true) -> RegisterFixture {
    var fixture = RegisterFixture(expected: 3, keepingLogs: keepingLogs)
    for name in ["a", "b", "c"] { fixture.report(name, 1) }
    return fixture
  }

  @Test func withoutLogsNobodyIsWaitedFor() {
    var fixture = threeOfWhichTwoDied(keepingLogs: false)
    fixture.settle([("c", 1)])
    #expect(fixture.ring.isSettled && fixture.ring.placedNames == ["c"])
  }

  private func threeOfWhichTwoDied(keepingLogs: Bool = true) -> RegisterFixture {
    var fixture = three(keepingLogs: keepingLogs)
    fixture.pass(4000, reporting: [("c", 1)])
    #expect(fixture.ring.placedNames == ["c"] && fixture.ring.holderLives == ["a1", "b1", "c1"])
    return fixture
  }

  @Test func copiesAreAsManyAsThereAreNodes() {
    var fixture = RegisterFixture()
    fixture.report("a", 1)
    #expect(fixture.register.copiesEffective == 1 && fixture.register.failuresSurvived == 0)
    fixture.report("b", 1)
    fixture.pass(500, reporting: [("a", 1), ("b", 1)])
    #expect(fixture.ring.copies == 2)
    // Until b has the keys, a is the only one that does.
    #expect(fixture.register.failuresSurvived == 0)
    fixture.settle([("a", 1), ("b", 1)])
    #expect(fixture.register.copiesEffective == 2 && fixture.register.failuresSurvived == 1)
  }

  @Test func whileKeysMoveTheOldRingIsReadByTheCopiesItHad() {
    var fixture = RegisterFixture.ofTwo()
    fixture.pass(3000, reporting: [("b", 1)])
    #expect(fixture.ring.copies == 2)
    fixture.settle([("b", 1)])
    #expect(fixture.ring.copies == 1)
  }

  @Test func aClockThatIsAheadIsTold() {
    var fixture = RegisterFixture.ofTwo()
    for delay: UInt64 in [40, 3, 90] {
      let clock = fixture.now + 3_600_000 - delay
      #expect(fixture.report("a", 1, clock: clock)?.clockLead ?? 0 > 3_599_900)
    }
    #expect(fixture.report("a", 1, clock: fixture.now + 3_599_000)?.clockLead == 3_599_997)
    #expect(fixture.report("b", 1)?.clockLead == 0)
  }

  @Test(arguments: ["", String(repeating: "n", count: 64)])
  func namesThatCannotBeAreRefused(name: String) {
    var fixture = RegisterFixture.ofTwo()
    #expect(fixture.report(name, 1) == nil)
    #expect(fixture.refusal == .badRequest)
  }

  @Test func anEpochNearItsEndIsRefused() {
    var fixture = RegisterFixture.ofTwo()
    let far = RingView(epoch: .max - 1, copies: 1, shards: [], placed: [])
    #expect(fixture.report("c", 1, ring: far) == nil)
    #expect(fixture.ring.epoch == 1)
  }
}
