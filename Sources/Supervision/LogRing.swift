package import ClusterModel
package import WireProtocol

/// The newest log lines of a node, numbered from 1 without gaps, oldest dropped at the limit.
package struct LogRing: Sendable {
  package let linesMax: Int
  /// A longer line is cut.
  package static let lineBytesMax = 8 << 10
  /// Of all lines' texts together; the oldest go first.
  package static let bytesMax = 4 << 20

  private var lines: [LogLines.Line?]
  /// The number of the newest line; zero before the first.
  package private(set) var last: UInt64 = 0
  private var oldest: UInt64 = 1
  private var byteCount = 0

  package init(linesMax: Int) {
    precondition(linesMax > 0, "a ring holds something")
    self.linesMax = linesMax
    lines = Array(repeating: nil, count: linesMax)
  }

  package mutating func append(_ line: LogLines.Line) {
    var line = line
    if line.text.utf8.count > Self.lineBytesMax {
      line.text = String(decoding: line.text.utf8.prefix(Self.lineBytesMax), as: UTF8.self) + "…"
    }
    last += 1
    if last - oldest >= UInt64(linesMax) { forgetOldest() }
    byteCount += line.text.utf8.count
    lines[Int(last % UInt64(linesMax))] = line
    while byteCount > Self.bytesMax { forgetOldest() }
  }

  private mutating func forgetOldest() {
    let place = Int(oldest % UInt64(linesMax))
    byteCount -= lines[place]?.text.utf8.count ?? 0
    lines[place] = nil
    oldest += 1
  }

  package struct Query: Equatable, Sendable {
    package var function = ""
    package var invocation: InvocationID?
    /// The newest so many of those that match.
    package var linesMax = 200
    /// Only lines numbered above this.
    package var after: UInt64 = 0

    package init() {}
  }

  /// Oldest first.
  package func lines(matching query: Query) -> [LogLines.Line] {
    var found: [LogLines.Line] = []
    var number = last
    while number >= max(oldest, query.after + 1), found.count < query.linesMax {
      if let line = lines[Int(number % UInt64(linesMax))],
        query.function.isEmpty || line.function == query.function,
        query.invocation == nil || line.invocation == query.invocation
      {
        found.append(line)
      }
      number -= 1
    }
    return found.reversed()
  }
}
