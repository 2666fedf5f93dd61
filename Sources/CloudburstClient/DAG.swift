/// Functions, and which of them feed which: `DAG("pipeline") { "increment" => "square" }`.
///
/// A function gets its own arguments first, then the results of the functions before it, in the
/// order of the edges. One function is last; its result is the DAG's.
public struct DAG: Hashable, Sendable {
  public struct Edge: Hashable, Sendable {
    public let from: String
    public let to: String

    public init(from: String, to: String) {
      self.from = from
      self.to = to
    }
  }

  public let name: String
  /// In the order they were first mentioned.
  public let functions: [String]
  /// In the order they were given.
  public let edges: [Edge]

  /// - Parameter paths: as in `"a" => "b" => "d"`, `"a" => ["c", "e"]`, `["c", "e"] => "d"`, or a
  ///   single name.
  public init(_ name: String, @PathBuilder _ paths: () -> [Path]) {
    self.init(name, paths())
  }

  init(_ name: String, _ paths: [Path]) {
    self.name = name
    var functions: [String] = []
    for function in paths.flatMap(\.functions) where !functions.contains(function) {
      functions.append(function)
    }
    self.functions = functions
    edges = paths.flatMap(\.edges)
  }

  /// Functions joined by `=>`.
  public struct Path: Sendable {
    var functions: [String]
    var edges: [Edge]
    /// Where the next `=>` goes on from.
    var ends: [String]
  }

  @resultBuilder
  public enum PathBuilder {
    public static func buildExpression(_ path: Path) -> Path { path }
    public static func buildExpression(_ function: String) -> Path {
      Path(functions: [function], edges: [], ends: [function])
    }
    public static func buildBlock(_ paths: Path...) -> [Path] { paths }
  }
}

precedencegroup DAGEdgePrecedence {
  associativity: left
  higherThan: AssignmentPrecedence
}

infix operator => : DAGEdgePrecedence

/// What stands at an end of `=>`: one function, or several.
public protocol DAGNodes {
  var dagFunctions: [String] { get }
}

extension String: DAGNodes {
  public var dagFunctions: [String] { [self] }
}

extension Array: DAGNodes where Element == String {
  public var dagFunctions: [String] { self }
}

/// Each function on the left feeds each on the right.
public func => (left: some DAGNodes, right: some DAGNodes) -> DAG.Path {
  let path = DAG.Path(functions: left.dagFunctions, edges: [], ends: left.dagFunctions)
  return path => right
}

/// Goes on from where a path ends.
public func => (path: DAG.Path, right: some DAGNodes) -> DAG.Path {
  let next = right.dagFunctions
  let edges = path.ends.flatMap { from in next.map { DAG.Edge(from: from, to: $0) } }
  return DAG.Path(functions: path.functions + next, edges: path.edges + edges, ends: next)
}
