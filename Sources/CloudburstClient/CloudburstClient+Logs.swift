import ClusterModel
import ControlProtocol
import FoundationEssentials
import Platform

/// Which lines of the log are wanted.
public struct LogFilter: Hashable, Sendable {
  /// Only of this function.
  public var function: String?
  /// Only of this request: an error's or a future's id.
  public var requestID: String?
  /// Only of this level or above.
  public var level: LogLine.Level

  public init(
    function: String? = nil, requestID: String? = nil, level: LogLine.Level = .trace
  ) {
    self.function = function
    self.requestID = requestID
    self.level = level
  }
}

extension CloudburstClient {
  /// Lines that functions and executors wrote, the oldest first.
  ///
  /// - Parameters:
  ///   - last: at most so many, the newest; with a `position` the oldest after it.
  ///   - position: only lines after this one, as a page before said.
  public func logs(
    _ filter: LogFilter = LogFilter(), last: Int = 200, after position: LogPosition? = nil
  ) async throws -> LogPage {
    var request = try request(filter)
    request.linesMax = UInt32(clamping: last)
    request.positions = position?.messages ?? []
    let logs = try await control { $0.getLogs = request }.logs
    return LogPage(logs, after: position)
  }

  /// The last lines there are, and then further ones as they come, until the sequence is let go.
  ///
  /// Waits at the nodes, not by asking again and again. Survives a restart of the cluster: each
  /// node's position is kept, and a node that begins anew is read from its beginning.
  public func followLogs(_ filter: LogFilter = LogFilter(), last: Int = 200) -> FollowedLogs {
    FollowedLogs(client: self, filter: filter, last: last)
  }

  fileprivate func request(
    _ filter: LogFilter
  ) throws(CloudburstError) -> Cloudburst_Control_GetLogs {
    var request = Cloudburst_Control_GetLogs()
    request.function = filter.function ?? ""
    request.levelMin = UInt32(filter.level.rawValue)
    if let requestID = filter.requestID {
      guard let id = InvocationID(requestID) else {
        throw CloudburstError(
          .usage, "\(requestID) is not a request id: it has 32 hexadecimal digits")
      }
      request.invocation = id.wireData
    }
    return request
  }
}

/// Pages of the log without end. The first one may be empty; the others are not.
public struct FollowedLogs: AsyncSequence, Sendable {
  fileprivate let client: CloudburstClient
  fileprivate let filter: LogFilter
  fileprivate let last: Int

  public struct AsyncIterator: AsyncIteratorProtocol {
    /// How long a node holds a question that it has no lines for.
    private static let wait = Duration.seconds(20)

    fileprivate let logs: FollowedLogs
    fileprivate var position: LogPosition?
    fileprivate let follower = RandomBytes.word()

    public mutating func next() async throws -> LogPage? {
      guard let position else {
        var page = try await logs.client.logs(logs.filter, last: Swift.max(1, logs.last))
        if logs.last == 0 { page.lines = [] }
        position = page.position
        return page
      }
      var request = try logs.client.request(logs.filter)
      request.follower = follower
      request.waitMilliseconds = UInt32(Self.wait / .milliseconds(1))
      request.linesMax = 1000
      var latest = position
      while true {
        request.positions = latest.messages
        let limit = Self.wait + logs.client.configuration.requestTimeLimit
        let answer = try await logs.client.control(within: limit) { [request] in
          $0.getLogs = request
        }
        let page = LogPage(answer.logs, after: latest)
        latest = page.position
        self.position = latest
        if !page.lines.isEmpty || page.linesLost > 0 { return page }
      }
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(logs: self) }
}

/// How far the log of each node was read.
public struct LogPosition: Hashable, Sendable {
  private struct Place: Hashable, Sendable {
    let incarnation: UInt64
    let number: UInt64
  }

  private var places: [String: Place] = [:]

  init() {}

  mutating func advance(to positions: [Cloudburst_Control_LogPosition]) {
    for position in positions {
      places[position.node] = Place(incarnation: position.incarnation, number: position.number)
    }
  }

  var messages: [Cloudburst_Control_LogPosition] {
    places.sorted { $0.key < $1.key }.map { node, place in
      var message = Cloudburst_Control_LogPosition()
      message.node = node
      message.incarnation = place.incarnation
      message.number = place.number
      return message
    }
  }
}

/// Some lines of the log, and where to go on.
public struct LogPage: Hashable, Sendable {
  public var lines: [LogLine]
  /// Pass it to `logs(after:)` for what comes later.
  public let position: LogPosition
  /// Lines that the nodes had dropped before they could be read.
  public let linesLost: UInt64

  init(_ logs: Cloudburst_Control_Logs, after position: LogPosition?) {
    lines = logs.lines.map(LogLine.init)
    linesLost = logs.linesLost
    var position = position ?? LogPosition()
    position.advance(to: logs.positions)
    self.position = position
  }
}
