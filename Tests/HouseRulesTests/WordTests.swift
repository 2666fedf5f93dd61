import Testing

@Suite struct WordTests {
  /// What may not be written where, and what to write instead.
  struct Ban: Sendable {
    let word: String
    let instead: String
    /// Targets where the word is at home.
    var allowedIn: Set<String> = []
    /// When not empty, the ban holds only in these targets.
    var onlyIn: Set<String> = []
  }

  static let cores: Set = ["KeyValueStore", "Caching", "Execution", "Scheduling", "Simulation"]
  static let words: Set = ["Lattices", "ClusterModel", "WireProtocol"]
  static let programs: Set = ["cloudburstd", "cloudburst-executor", "cbctl", "cbbench", "cbsim"]

  static let bans: [Ban] = [
    Ban(word: "Date()", instead: "take the time as an argument, or ask Platform's clocks"),
    Ban(word: "ContinuousClock.now", instead: "take the time as an argument"),
    Ban(word: "try!", instead: "a typed error, or preconditionFailure with what was believed"),
    Ban(word: " as! ", instead: "a cast that can fail, handled"),
    Ban(word: "fatalError(", instead: "preconditionFailure(\"what was believed\")"),
    Ban(word: "TODO", instead: "a decision file or an issue"),
    Ban(word: "FIXME", instead: "a decision file or an issue"),
    Ban(word: "usleep(", instead: "a deadline of the poller"),
    Ban(word: "Thread.sleep", instead: "a deadline of the poller"),
    Ban(word: "print(", instead: "a log line, or an Output of the command", allowedIn: programs),
    Ban(word: "MonotonicClock", instead: "`now` in the input", onlyIn: cores.union(words)),
    Ban(word: "WallClock", instead: "`now` in the input", onlyIn: cores.union(words)),
    Ban(
      word: "SystemRandomNumberGenerator", instead: "a generator handed in",
      onlyIn: cores.union(words)),
  ]

  @Test(arguments: bans.map(\.word)) func noBannedWordIsUsed(_ word: String) throws {
    let ban = try #require(Self.bans.first { $0.word == word })
    for file in SourceTree.shared.production where applies(ban, to: file) {
      for (index, line) in file.lines.enumerated() where uses(ban.word, line) {
        Issue.record("\(file.path):\(index + 1) uses `\(ban.word)`; instead: \(ban.instead)")
      }
    }
  }

  @Test func randomNumbersComeFromAGeneratorHandedIn() {
    for file in SourceTree.shared.production
    where Self.cores.union(Self.words).contains(file.target) {
      for (index, line) in file.lines.enumerated()
      where line.contains("random(in:") && !line.contains("using:") {
        Issue.record("\(file.path):\(index + 1) draws without `using:`")
      }
    }
  }

  /// Full Foundation costs a process 6 ms and 9 MB at start: none where executors or bundles link.
  @Test func foundationStaysAtTheEdges() {
    let allowed: Set = [
      "cbctl", "CloudburstClient", "DevCluster", "ControlProtocol", "NodeRuntime", "cbbench",
    ]
    for file in SourceTree.shared.production where !allowed.contains(file.target) {
      for (index, line) in file.lines.enumerated()
      where line.contains("import Foundation") && !line.hasPrefix("//") {
        Issue.record("\(file.path):\(index + 1) imports Foundation")
      }
    }
  }

  @Test func uncheckedSendabilityIsBudgetedAndSaysWhatProtectsIt() {
    var uses = 0
    for file in SourceTree.shared.production {
      let lines = file.lines
      for (index, line) in lines.enumerated()
      where line.contains("@unchecked Sendable") || line.contains("nonisolated(unsafe)") {
        guard !isComment(line) else { continue }
        uses += 1
        let above = lines[max(0, index - 6)..<index].joined()
        #expect(above.contains("SAFETY:"), "\(file.path):\(index + 1) has no SAFETY line")
      }
    }
    #expect(uses <= 10, "\(uses) uses; the budget of the repository is 10")
  }

  private func applies(_ ban: Ban, to file: SourceTree.File) -> Bool {
    ban.onlyIn.isEmpty ? !ban.allowedIn.contains(file.target) : ban.onlyIn.contains(file.target)
  }

  private func uses(_ word: String, _ line: Substring) -> Bool {
    guard !isComment(line), let range = line.firstRange(of: word) else { return false }
    // `print(` is banned, `fingerprint(` is not.
    guard let first = word.first, first.isLetter, range.lowerBound > line.startIndex else {
      return true
    }
    let before = line[line.index(before: range.lowerBound)]
    return !(before.isLetter || before == "_" || before == ".")
  }

  private func isComment(_ line: Substring) -> Bool {
    line.drop { $0 == " " }.hasPrefix("//")
  }
}
