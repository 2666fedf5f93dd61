/// Questions for log lines that are not there yet. Each is answered once: by the first lines that
/// match, or with none when its time is up.
package struct LogFollowers: Sendable {
  /// One more is refused.
  package static let countMax = 64

  private struct Waiting {
    /// Of the asker's request.
    let number: UInt64
    var query: LogRing.Query
    let deadline: UInt64
  }

  package struct Answer: Equatable, Sendable {
    package let number: UInt64
    package let page: LogRing.Page
  }

  /// By what each follower drew: it asks again after every answer, and a question whose answer it
  /// no longer waits for is replaced by its next one.
  private var waiting: [UInt64: Waiting] = [:]
  private var lastSeen: UInt64 = 0

  package init() {}

  /// - Returns: whether there was room.
  package mutating func wait(
    _ follower: UInt64, number: UInt64, for query: LogRing.Query, until deadline: UInt64
  ) -> Bool {
    guard waiting[follower] != nil || waiting.count < Self.countMax else { return false }
    waiting[follower] = Waiting(number: number, query: query, deadline: deadline)
    return true
  }

  /// In an order that does not depend on chance.
  package mutating func answers(from ring: LogRing, now: UInt64) -> [Answer] {
    let isNews = ring.last != lastSeen
    lastSeen = ring.last
    var answers: [Answer] = []
    for follower in waiting.keys.sorted() {
      guard var entry = waiting[follower], isNews || entry.deadline <= now else { continue }
      let page = ring.page(matching: entry.query)
      if !page.lines.isEmpty || page.lostCount > 0 || entry.deadline <= now {
        waiting[follower] = nil
        answers.append(Answer(number: entry.number, page: page))
      } else {
        // What did not match is not looked at again.
        entry.query.after = page.position
        waiting[follower] = entry
      }
    }
    return answers
  }

  package var deadline: UInt64? { waiting.values.map(\.deadline).min() }
}
