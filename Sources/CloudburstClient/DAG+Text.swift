import ClusterModel

extension DAG {
  /// From text: `a -> b -> d, a -> c; c -> d`. Paths end with a comma, a semicolon or a line end.
  ///
  /// - Throws: `badDAG`, naming what cannot be read.
  public init(_ name: String, text: String) throws {
    var paths: [Path] = []
    for part in text.split(whereSeparator: { ",;\n".contains($0) }) {
      let path = part.trimmed
      if path.isEmpty { continue }
      let names = path.split(separator: "->", omittingEmptySubsequences: false).map(\.trimmed)
      for name in names where name.isEmpty || name.contains(where: \.isWhitespace) {
        let problem = name.isEmpty ? "a name is missing" : "\"\(name)\" is not one name"
        throw CloudburstError.badDAG("\(problem) in \"\(path)\"")
      }
      let functions = names.map(String.init)
      let edges = zip(functions, functions.dropFirst()).map { Edge(from: $0, to: $1) }
      paths.append(Path(functions: functions, edges: edges, ends: [functions[functions.count - 1]]))
    }
    self.init(name, paths)
    try check()
  }

  /// The edges as `init(_:text:)` reads them.
  public var text: String {
    edges.isEmpty
      ? functions.joined(separator: ", ")
      : edges.map { "\($0.from) -> \($0.to)" }.joined(separator: ", ")
  }

  /// - Throws: `badDAG` unless the graph has functions, no circle, no edge twice and one last
  ///   function; `nameInvalid` for the name.
  func check() throws {
    guard (1...Limits.nameBytesMax).contains(name.utf8.count) else {
      throw CloudburstError(
        .nameInvalid, "a DAG's name has 1 to \(Limits.nameBytesMax) bytes; \(name.utf8.count) given"
      )
    }
    guard !functions.isEmpty else { throw CloudburstError.badDAG("DAG \(name) has no function") }
    guard functions.count <= Limits.dagStagesMax else {
      throw CloudburstError.badDAG(
        "DAG \(name) has \(functions.count) functions; the limit is \(Limits.dagStagesMax)")
    }
    var seen: Set<Edge> = []
    if let twice = edges.first(where: { !seen.insert($0).inserted }) {
      throw CloudburstError.badDAG("the edge \(twice.from) -> \(twice.to) is there twice")
    }
    if let circle = firstOnCircle {
      throw CloudburstError.badDAG("\(circle) would wait for its own result")
    }
    let last = functions.filter { function in !edges.contains { $0.from == function } }
    guard last.count == 1 else {
      throw CloudburstError.badDAG(
        "one function must be last; here nothing follows \(last.joined(separator: " and "))")
    }
  }

  /// A function that is left when functions without open inputs are taken away, again and again.
  private var firstOnCircle: String? {
    var openInputs = Dictionary(functions.map { ($0, 0) }, uniquingKeysWith: { first, _ in first })
    for edge in edges { openInputs[edge.to, default: 0] += 1 }
    var ready = functions.filter { openInputs[$0] == 0 }
    while let function = ready.popLast() {
      for edge in edges where edge.from == function {
        openInputs[edge.to, default: 0] -= 1
        if openInputs[edge.to] == 0 { ready.append(edge.to) }
      }
    }
    return functions.first { openInputs[$0, default: 0] > 0 }
  }
}

extension CloudburstError {
  fileprivate static func badDAG(_ message: String) -> CloudburstError {
    CloudburstError(.badDAG, message, hint: "write edges as in: a -> b, a -> c, b -> d, c -> d")
  }
}

extension Substring {
  var trimmed: Substring {
    var text = drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}
