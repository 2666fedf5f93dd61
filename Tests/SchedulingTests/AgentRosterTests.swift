import ClusterModel
import Scheduling
import Testing

@Suite struct AgentRosterTests {
  private let node = NodeID("node0")
  private let first = Incarnation(10)
  private let second = Incarnation(20)

  private func roster() -> AgentRoster {
    var roster = AgentRoster()
    _ = roster.hello(of: first, on: node) { false }
    return roster
  }

  @Test func bothHalvesOfOneLifeAreWelcome() {
    var roster = AgentRoster()
    #expect(roster.hello(of: first, on: node) { false } == .welcome)
    #expect(roster.hello(of: first, on: node) { false } == .welcome)
  }

  @Test func aSecondProcessOfTheNameIsRefusedWhileTheFirstIsThere() {
    var roster = roster()
    #expect(roster.hello(of: second, on: node) { true } == .taken(by: first))
    #expect(roster.life(of: node) == first)
  }

  @Test func aSuccessorTakesTheNameOfADeadAgent() {
    var roster = roster()
    #expect(roster.hello(of: second, on: node) { false } == .successor)
    #expect(roster.hello(of: second, on: node) { true } == .welcome)
  }

  @Test func aLifeThatWasSucceededIsNotLetInAgain() {
    var roster = roster()
    _ = roster.hello(of: second, on: node) { false }
    #expect(roster.hello(of: first, on: node) { false } == .fenced)
    #expect(roster.hello(ofExecutorOf: first, on: node) { false } != .welcome)
  }

  @Test func anExecutorMayComeBeforeItsAgent() {
    var roster = AgentRoster()
    #expect(roster.hello(ofExecutorOf: first, on: node) { false } == .welcome)
    #expect(roster.hello(of: first, on: node) { false } == .welcome)
  }

  @Test func anExecutorOfTheSuccessorTellsThatTheAgentIsDead() {
    var roster = roster()
    #expect(roster.hello(ofExecutorOf: second, on: node) { false } == .successor)
    #expect(roster.hello(of: second, on: node) { false } == .welcome)
  }

  @Test func aDeadAgentsLastExecutorCannotEndItsSuccessor() {
    var roster = AgentRoster()
    _ = roster.hello(of: second, on: node) { false }
    #expect(roster.hello(ofExecutorOf: first, on: node) { false } == .taken(by: second))
    #expect(roster.life(of: node) == second)
  }

  @Test func anAgentThatStaysAwayIsGivenUp() {
    var roster = roster()
    roster.unreachable(first, on: node, now: 1_000_000_000)
    #expect(roster.nextDeadline == 2_000_000_000)
    #expect(roster.giveUpOverdue(now: 1_999_999_999) { _ in false }.isEmpty)
    #expect(roster.giveUpOverdue(now: 2_000_000_000) { _ in false } == [node])
    #expect(roster.hello(of: first, on: node) { false } == .fenced)
    #expect(roster.nextDeadline == nil)
  }

  @Test func anAgentThatIsHeardAgainIsNot() {
    var roster = roster()
    roster.unreachable(first, on: node, now: 0)
    _ = roster.hello(of: first, on: node) { true }
    #expect(roster.nextDeadline == nil)
  }

  @Test func anExecutorsHelloDoesNotSpeakForItsAgent() {
    var roster = roster()
    roster.unreachable(first, on: node, now: 0)
    _ = roster.hello(ofExecutorOf: first, on: node) { false }
    #expect(roster.nextDeadline == 1_000_000_000)
  }

  @Test func aConnectionThatIsStillThereGivesAnotherTime() {
    var roster = roster()
    roster.unreachable(first, on: node, now: 0)
    #expect(roster.giveUpOverdue(now: 1_000_000_000) { _ in true }.isEmpty)
    #expect(roster.nextDeadline == 2_000_000_000)
  }
}
