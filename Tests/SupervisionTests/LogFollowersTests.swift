import Testing
import WireProtocol

@testable import Supervision

@Suite struct LogFollowersTests {
  private var ring = LogRing(linesMax: 4)
  private var followers = LogFollowers()

  private mutating func write(_ text: String, function: String = "") {
    var line = LogLines.Line()
    line.text = text
    line.function = function
    ring.append(line)
  }

  private mutating func ask(_ follower: UInt64, number: UInt64, function: String = "") -> Bool {
    followers.wait(follower, number: number, for: query(after: 0, function: function), until: 100)
  }

  private mutating func answers(at time: UInt64) -> [LogFollowers.Answer] {
    followers.answers(from: ring, now: time)
  }

  private func query(after: UInt64, function: String = "") -> LogRing.Query {
    var query = LogRing.Query()
    query.after = after
    query.function = function
    return query
  }

  @Test mutating func aQuestionIsAnsweredByTheFirstLineThatMatches() {
    let isTaken = ask(1, number: 7, function: "f")
    #expect(isTaken)
    write("other")
    let none = answers(at: 1)
    #expect(none.isEmpty)
    write("mine", function: "f")
    let first = answers(at: 2)
    #expect(first.map(\.number) == [7])
    #expect(first.first?.page.lines.map(\.text) == ["mine"])
    #expect(first.first?.page.position == 2)
    let again = answers(at: 3)
    #expect(again.isEmpty)
  }

  @Test mutating func withoutALineTheAnswerComesAtItsTime() {
    _ = ask(1, number: 7)
    #expect(followers.deadline == 100)
    let early = answers(at: 99)
    #expect(early.isEmpty)
    let due = answers(at: 100)
    #expect(due.first?.page.lines.isEmpty == true)
    #expect(followers.deadline == nil)
  }

  @Test mutating func aFollowersNextQuestionReplacesItsLast() {
    _ = ask(1, number: 7)
    _ = ask(1, number: 8)
    write("x")
    let found = answers(at: 1)
    #expect(found.map(\.number) == [8])
  }

  @Test mutating func oneTooManyIsRefused() {
    var taken = 0
    for follower in 0..<UInt64(LogFollowers.countMax) where ask(follower, number: follower) {
      taken += 1
    }
    #expect(taken == LogFollowers.countMax)
    let another = ask(1000, number: 1)
    #expect(!another)
    let known = ask(3, number: 1)
    #expect(known)
  }

  @Test mutating func aFollowerThatFellBehindIsToldHowManyLinesItMissed() {
    for number in 1...10 { write("\(number)") }
    let page = ring.page(matching: query(after: 2))
    #expect(page.lostCount == 4)
    #expect(page.lines.map(\.text) == ["7", "8", "9", "10"])
  }

  @Test mutating func pagesGoOnWhereTheLastOneEnded() {
    for number in 1...4 { write("\(number)") }
    var query = query(after: 0)
    query.linesMax = 3
    let first = ring.page(matching: query)
    query.after = first.position
    #expect(first.lines.map(\.text) == ["1", "2", "3"])
    #expect(ring.page(matching: query).lines.map(\.text) == ["4"])
  }

  @Test mutating func aPositionOfAnotherLifeIsNoReasonToWaitForEver() {
    write("x")
    #expect(ring.page(matching: query(after: 50)).position == 1)
  }
}
