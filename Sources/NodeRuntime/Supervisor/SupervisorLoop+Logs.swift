import ClusterModel
import ControlProtocol
import Platform
import Supervision
import WireProtocol

/// The node's log for whoever asks, once or again and again.
extension SupervisorLoop {
  /// A longer wait is cut to this; whoever follows asks again.
  static let logWaitMax = Duration.seconds(30)
  static let logLinesMax = 1_000

  mutating func answerLogs(_ wanted: Cloudburst_Control_GetLogs, number: UInt64) throws {
    let query = query(wanted)
    let page = core.logs.page(matching: query)
    guard page.lines.isEmpty, page.lostCount == 0, wanted.waitMilliseconds > 0 else {
      return try send(page, number: number)
    }
    let wait = min(.milliseconds(Int64(wanted.waitMilliseconds)), Self.logWaitMax)
    let deadline = MonotonicClock.now + wait.wholeNanoseconds
    var waiting = query
    waiting.after = page.position
    guard followers.wait(wanted.follower, number: number, for: waiting, until: deadline) else {
      let failure = Failure(
        .overloaded, "\(LogFollowers.countMax) others follow the log of \(configuration.node)",
        hint: "end one of them, or read without -f")
      return try send(ControlResponse(failure), number: number)
    }
  }

  /// Once a turn: those whose lines have come, or whose time is up.
  mutating func answerFollowers(now: UInt64) throws {
    for answer in followers.answers(from: core.logs, now: now) {
      try send(answer.page, number: answer.number)
    }
  }

  private func query(_ wanted: Cloudburst_Control_GetLogs) -> LogRing.Query {
    var query = LogRing.Query()
    query.function = wanted.function
    query.invocation = InvocationID(wireData: wanted.invocation)
    query.levelMin = wanted.levelMin
    if wanted.linesMax > 0 { query.linesMax = Int(min(wanted.linesMax, 10_000)) }
    if !wanted.positions.isEmpty || wanted.waitMilliseconds > 0 {
      // Another life's numbers, or none: from the beginning of this one.
      let position = wanted.positions.first { position in
        position.node == configuration.node.name
          && position.incarnation == configuration.incarnation.number
      }
      query.after = position?.number ?? 0
      query.linesMax = min(query.linesMax, Self.logLinesMax)
    }
    return query
  }

  private mutating func send(_ page: LogRing.Page, number: UInt64) throws {
    var response = ControlResponse()
    var position = Cloudburst_Control_LogPosition()
    position.node = configuration.node.name
    position.incarnation = configuration.incarnation.number
    position.number = page.position
    response.logs.positions = [position]
    response.logs.linesLost = page.lostCount
    response.logs.lines = page.lines.map { line in
      var message = Cloudburst_LogLines.Line()
      message.level = line.level
      message.text = line.text
      message.invocation = line.invocation.wireData
      message.function = line.function
      message.time = line.time
      message.source = line.source
      return message
    }
    try send(response, number: number)
  }
}
