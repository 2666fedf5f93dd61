package import ClusterModel
package import WireProtocol

/// A DAG found to be one, in an order in which its functions can run.
package struct DAGPlan: Equatable, Sendable {
  package struct Step: Equatable, Sendable {
    package var function: String
    /// Steps of this plan, all before this one, whose results follow the function's own arguments.
    package var upstream: [UInt32]
  }

  package let record: DAGRecord
  /// Topological; the sink is last.
  package let steps: [Step]

  /// Whether the functions exist is the registry's to say.
  ///
  /// - Throws: `BAD_DAG` with what is wrong and where, `NAME_INVALID`.
  package init(checking record: DAGRecord) throws(Failure) {
    if let failure = RegisteredName.failure(of: record.name, kind: "DAG") { throw failure }
    try Self.checkFunctions(of: record)
    try Self.checkEdges(of: record)
    let order = try Self.topologicalOrder(of: record)
    try Self.checkShape(of: record)
    var place = [UInt32](repeating: 0, count: order.count)
    for (index, function) in order.enumerated() { place[function] = UInt32(index) }
    self.record = record
    steps = order.map { function in
      let upstream = record.edges.filter { $0.to == UInt32(function) }.map { place[Int($0.from)] }
      return Step(function: record.functions[function], upstream: upstream)
    }
  }

  private static func bad(_ record: DAGRecord, _ message: String, hint: String = "") -> Failure {
    Failure(.badDAG, "the DAG \(record.name) \(message)", hint: hint)
  }

  private static func checkFunctions(of record: DAGRecord) throws(Failure) {
    guard !record.functions.isEmpty else {
      throw bad(record, "is empty", hint: "name at least one function")
    }
    guard record.functions.count <= Limits.dagStagesMax else {
      throw bad(
        record,
        "has \(record.functions.count) functions; at most \(Limits.dagStagesMax) are allowed")
    }
    var seen: Set<String> = []
    for function in record.functions where !seen.insert(function).inserted {
      throw bad(
        record, "names \(function) twice",
        hint: "inputs are given by function name, so each function appears once")
    }
  }

  private static func checkEdges(of record: DAGRecord) throws(Failure) {
    let count = record.functions.count
    var seen: Set<[UInt32]> = []
    for edge in record.edges {
      guard edge.from < count, edge.to < count else {
        throw bad(
          record, "has an edge from \(edge.from) to \(edge.to), but only \(count) functions")
      }
      let (from, to) = (record.functions[Int(edge.from)], record.functions[Int(edge.to)])
      guard edge.from != edge.to else { throw bad(record, "has a cycle: \(from) -> \(from)") }
      guard seen.insert([edge.from, edge.to]).inserted else {
        throw bad(record, "has the edge \(from) -> \(to) twice")
      }
    }
  }

  /// The lowest index first among those that are ready, so that equal records give equal plans.
  private static func topologicalOrder(of record: DAGRecord) throws(Failure) -> [Int] {
    let count = record.functions.count
    var missing = [Int](repeating: 0, count: count)
    for edge in record.edges { missing[Int(edge.to)] += 1 }
    var order: [Int] = []
    var isPlaced = [Bool](repeating: false, count: count)
    while let next = (0..<count).first(where: { !isPlaced[$0] && missing[$0] == 0 }) {
      isPlaced[next] = true
      order.append(next)
      for edge in record.edges where edge.from == UInt32(next) { missing[Int(edge.to)] -= 1 }
    }
    guard order.count == count else {
      let cycle = cycle(of: record, among: isPlaced)
      throw bad(record, "has a cycle: \(cycle.joined(separator: " -> "))")
    }
    return order
  }

  /// Every function that could not be placed waits for another such: going backwards must meet
  /// one again.
  private static func cycle(of record: DAGRecord, among isPlaced: [Bool]) -> [String] {
    guard var current = isPlaced.firstIndex(of: false) else { return [] }
    var path: [Int] = []
    while !path.contains(current) {
      path.append(current)
      guard
        let edge = record.edges.first(where: { $0.to == UInt32(current) && !isPlaced[Int($0.from)] }
        )
      else { break }
      current = Int(edge.from)
    }
    let loop = path.drop { $0 != current } + [current]
    return loop.reversed().map { record.functions[$0] }
  }

  private static func checkShape(of record: DAGRecord) throws(Failure) {
    var group = Array(record.functions.indices)
    for edge in record.edges {
      let (old, new) = (group[Int(edge.from)], group[Int(edge.to)])
      if old != new { group = group.map { $0 == old ? new : $0 } }
    }
    if let apart = group.firstIndex(where: { $0 != group[0] }) {
      throw bad(
        record,
        "is disconnected: no edges join \(record.functions[0]) and \(record.functions[apart])",
        hint: "register two DAGs, or join their results in one function")
    }
    let hasSuccessor = Set(record.edges.map(\.from))
    let sinks = record.functions.indices.filter { !hasSuccessor.contains(UInt32($0)) }
    guard sinks.count == 1 else {
      let names = sinks.map { record.functions[$0] }.joined(separator: ", ")
      throw bad(
        record, "has several sinks: \(names)", hint: "join their results in one last function")
    }
  }
}
