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
    /// As a line's level: lower ones are left out.
    package var levelMin: UInt32 = 0
    package var linesMax = 200
    /// Only lines numbered above this, the oldest first; nil: the newest there are.
    package var after: UInt64?

    package init() {}

    func matches(_ line: LogLines.Line) -> Bool {
      line.level >= levelMin && (function.isEmpty || line.function == function)
        && (invocation == nil || line.invocation == invocation)
    }
  }

  package struct Page: Equatable, Sendable {
    /// Oldest first.
    package var lines: [LogLines.Line] = []
    /// Where to go on: `Query.after` for what comes next.
    package var position: UInt64 = 0
    /// Lines after `Query.after` that are dropped already, whatever they were.
    package var lostCount: UInt64 = 0
  }

  package func page(matching query: Query) -> Page {
    guard let after = query.after else { return newest(query) }
    var page = Page()
    // A position beyond the newest line is another life's.
    var number = min(after, last)
    if number + 1 < oldest {
      page.lostCount = oldest - number - 1
      number = oldest - 1
    }
    while number < last, page.lines.count < query.linesMax {
      number += 1
      if let line = lines[Int(number % UInt64(linesMax))], query.matches(line) {
        page.lines.append(line)
      }
    }
    page.position = number
    return page
  }

  private func newest(_ query: Query) -> Page {
    var found: [LogLines.Line] = []
    var number = last
    while number >= oldest, found.count < query.linesMax {
      if let line = lines[Int(number % UInt64(linesMax))], query.matches(line) {
        found.append(line)
      }
      number -= 1
    }
    return Page(lines: found.reversed(), position: last)
  }
}
