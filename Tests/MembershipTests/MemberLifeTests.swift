import ClusterModel
import Membership
import Testing
import WireProtocol

@Suite struct MemberLifeTests {
  @Test func aLeaseCountsFromWhenItsReportWasSent() throws {
    var member = LifeFixture()
    let number = try #require(member.step(.connected).reportNumber)
    let sentAt = member.now
    member.now += 300
    #expect(member.step(.lease(lease(), number: number)).leaseEnd == sentAt + 2000)
  }

  @Test func reportsGoEveryHalfSecondAndAtOnceOnAChange() {
    var member = LifeFixture()
    member.step(.connected)
    member.now += 400
    #expect(member.step(.timer).reportNumber == nil)
    #expect(member.step(.settled(epoch: 3)).report?.settledEpoch == 3)
    #expect(member.step(.settled(epoch: 3)).reportNumber == nil)
    member.now += 500
    #expect(member.step(.timer).reportNumber != nil)
    #expect(member.step(.leave).report?.isLeaving == true)
  }

  @Test func onlyANewerRingIsNews() {
    var member = LifeFixture()
    member.step(.connected)
    let ring = RingView(epoch: 4, copies: 1, shards: [], placed: [])
    #expect(member.step(.ring(ring)).contains(.news(.ring(ring))))
    #expect(member.step(.ring(ring)).isEmpty)
    let older = RingView(epoch: 3, copies: 1, shards: [], placed: [])
    #expect(member.step(.ring(older)).isEmpty)
    #expect(member.life.ring == ring)
  }

  @Test func aMembershipThatIsGoneLetsItsMembersGoOn() {
    var member = LifeFixture.withLease()
    member.step(.disconnected)
    member.pass(10_000)
    #expect(member.life.leaseEnd > member.now * 1_000_000)
  }

  @Test func aSilentMembershipDoesNot() {
    var member = LifeFixture.withLease()
    member.pass(10_000)
    #expect(member.life.leaseEnd < member.now * 1_000_000)
  }

  @Test func whoWasNeverAMemberDoesNotGoOnAlone() {
    var member = LifeFixture()
    member.pass(10_000)
    #expect(member.life.leaseEnd == 0)
  }

  @Test func whoWasStoppedItselfFirstAsks() {
    var member = LifeFixture.withLease()
    member.now += 10_000
    #expect(member.step(.timer).reportNumber != nil)
    #expect(member.life.leaseEnd < member.now * 1_000_000)
    // Then the connection turns out to be gone: nobody can have given it up, after a second.
    member.step(.disconnected)
    member.pass(500)
    #expect(member.life.leaseEnd < member.now * 1_000_000)
    member.pass(1000)
    #expect(member.life.leaseEnd > member.now * 1_000_000)
  }

  @Test func whoWasStoppedWhileAloneAsksToo() {
    var member = LifeFixture.withLease()
    member.step(.disconnected)
    member.pass(3000)
    member.now += 10_000
    member.step(.timer)
    #expect(member.life.leaseEnd < member.now * 1_000_000)
  }

  @Test func aFencedLifeSaysNothingMore() {
    var member = LifeFixture.withLease()
    let failure = Failure(.fenced, "over")
    #expect(member.step(.refused(failure)) == [.news(.fenced(failure))])
    member.now += 5000
    #expect(member.step(.timer).isEmpty)
    #expect(member.life.isFenced)
  }

  @Test func oneThatDoesNotAnswerIsNotBuriedInReports() {
    var member = LifeFixture()
    var count = member.step(.connected).reportNumber == nil ? 0 : 1
    for _ in 0..<40 {
      member.now += 500
      if member.step(.timer).reportNumber != nil { count += 1 }
    }
    #expect((8...16).contains(count))
  }

  @Test func mayLeaveIsToldOnce() throws {
    var member = LifeFixture()
    member.step(.connected)
    let number = try #require(member.step(.leave).reportNumber)
    var answer = lease()
    answer.mayLeave = true
    #expect(member.step(.lease(answer, number: number)).contains(.news(.mayLeave)))
    member.now += 500
    let next = try #require(member.step(.timer).reportNumber)
    #expect(!member.step(.lease(answer, number: next)).contains(.news(.mayLeave)))
  }
}

private func lease() -> Lease {
  var lease = Lease()
  lease.milliseconds = 2000
  return lease
}

private struct LifeFixture {
  var life: MemberLife
  /// Milliseconds.
  var now: UInt64 = 50_000

  init() {
    life = MemberLife(
      .init(role: .storage, name: "a", incarnation: Incarnation(1)), at: 50_000 * 1_000_000)
  }

  static func withLease() -> LifeFixture {
    var fixture = LifeFixture()
    let number = fixture.step(.connected).reportNumber ?? 0
    fixture.step(.lease(lease(), number: number))
    return fixture
  }

  @discardableResult
  mutating func step(_ input: MemberLife.Input) -> [MemberLife.Effect] {
    var effects: [MemberLife.Effect] = []
    life.step(input, now: now * 1_000_000, wall: now, into: &effects)
    return effects
  }

  mutating func pass(_ milliseconds: UInt64) {
    for _ in 0..<milliseconds / 500 {
      now += 500
      step(.timer)
    }
  }
}

extension [MemberLife.Effect] {
  fileprivate var report: MemberReport? {
    for case .report(let report, _) in self { return report }
    return nil
  }
  fileprivate var reportNumber: UInt64? {
    for case .report(_, let number) in self { return number }
    return nil
  }
  /// Milliseconds.
  fileprivate var leaseEnd: UInt64? {
    for case .news(.lease(let until)) in self { return until / 1_000_000 }
    return nil
  }
}
