import Testing

@Suite struct SizeTests {
  static let functionLinesMax = 70
  static let fileLinesMax = 500

  @Test func noFileIsLongerThanTheWall() {
    for file in SourceTree.shared.files where !file.isGenerated {
      let count = file.lines.count
      #expect(
        count <= Self.fileLinesMax,
        "\(file.path) has \(count) lines; split it by aspect (Type+Aspect.swift)")
    }
  }

  @Test func noFunctionIsLongerThanTheWall() {
    for file in SourceTree.shared.files where !file.isGenerated {
      for function in functions(in: file) where function.lineCount > Self.functionLinesMax {
        Issue.record(
          "\(file.path):\(function.line) has \(function.lineCount) lines; the wall is 70")
      }
    }
  }

  @Test func theFunctionFinderSeesALongFunction() {
    let body = Array(repeating: "    work()", count: 80).joined(separator: "\n")
    let file = SourceTree.File(path: "Sources/X/X.swift", text: "func long() {\n\(body)\n}\n")
    #expect(functions(in: file).map(\.lineCount) == [82])
  }

  private struct Function {
    let line: Int
    let lineCount: Int
  }

  /// Finds a function by its head and its end by indentation, which the formatter guarantees.
  private func functions(in file: SourceTree.File) -> [Function] {
    let lines = file.lines
    var found: [Function] = []
    for (index, line) in lines.enumerated() {
      let trimmed = line.drop { $0 == " " }
      let words = trimmed.split(separator: " ").prefix { $0 != "{" }
      guard words.contains("func") || trimmed.hasPrefix("init(") || words.contains("deinit"),
        !trimmed.hasPrefix("//")
      else { continue }
      let indent = line.count - trimmed.count
      let end = lines[index...].firstIndex {
        $0.count > indent && $0.dropFirst(indent).hasPrefix("}")
          && $0.prefix(indent) == line.prefix(indent)
      }
      if let end { found.append(Function(line: index + 1, lineCount: end - index + 1)) }
    }
    return found
  }
}
