public import CloudburstValues
import ClusterModel
import ControlProtocol
import WireProtocol

/// A DAG that the cluster knows.
public struct RegisteredDAG: Hashable, Sendable {
  public let name: String

  /// One that was registered earlier, by anybody.
  public init(named name: String) { self.name = name }
}

extension CloudburstClient {
  /// Registers a DAG, in place of an earlier one of its name.
  ///
  /// - Throws: `badDAG` for a graph with a circle or without one last function; `functionNotFound`.
  public func register(_ dag: DAG) async throws -> RegisteredDAG {
    try dag.check()
    _ = try await control { $0.putDag.dag = Cloudburst_DAGRecord(dag) }
    return RegisteredDAG(named: dag.name)
  }

  /// - Throws: `dagNotFound`.
  public func deleteDAG(_ name: String) async throws {
    _ = try await control(isIdempotent: false) { $0.deleteDag.name = name }
  }

  /// The registered DAGs whose names begin with `prefix`, by name.
  public func dags(withPrefix prefix: String = "") async throws -> [DAG] {
    let answer = try await control { $0.listDags.prefix = prefix }
    return answer.dags.dags.map(DAG.init).sorted { $0.name < $1.name }
  }

  /// Runs a DAG and waits for its last function's result.
  ///
  /// - Parameter inputs: arguments by function: `["increment": [4]]`; `.value(x)` for a variable.
  ///   A function's arguments come before the results of the functions that feed it.
  public func call<Output: Value>(
    _ dag: RegisteredDAG, _ inputs: [String: [CallArgument]] = [:],
    options: CallOptions = CallOptions()
  ) async throws -> Output {
    let callee = Callee.dag(dag.name, try Self.encode(inputs))
    return try await value(of: try await call(callee, options), from: "DAG \(dag.name)")
  }

  /// As `call`, for a DAG whose types are not known here.
  public func callEncoded(
    _ dag: RegisteredDAG, _ inputs: [String: [CallArgument]],
    accepting encoding: ValueEncoding? = nil, options: CallOptions = CallOptions()
  ) async throws -> EncodedValue {
    let callee = Callee.dag(dag.name, try Self.encode(inputs))
    let result = try await call(callee, options, accepting: encoding)
    return try await encodedValue(of: result, from: "DAG \(dag.name)", in: encoding)
  }

  /// Starts a DAG and returns as soon as the cluster has stored that it will run it.
  public func submit<Output: Value>(
    _ dag: RegisteredDAG, _ inputs: [String: [CallArgument]] = [:],
    storingResultAs key: String? = nil, options: CallOptions = CallOptions(),
    returning: Output.Type = Output.self
  ) async throws -> Future<Output> {
    let callee = Callee.dag(dag.name, try Self.encode(inputs))
    return Future(client: self, invocation: try await submit(callee, key, options))
  }

  private static func encode(_ inputs: [String: [CallArgument]]) throws -> [DAGInput] {
    try inputs.sorted { $0.key < $1.key }.map { function, arguments in
      do {
        return DAGInput(function: function, arguments: try encode(arguments))
      } catch let error as CloudburstError {
        var failure = error.failure
        failure.message = "\(function): \(failure.message)"
        throw CloudburstError(failure)
      }
    }
  }
}

extension Cloudburst_DAGRecord {
  init(_ dag: DAG) {
    self.init()
    name = dag.name
    functions = dag.functions
    edges = dag.edges.map { edge in
      var record = Edge()
      record.from = UInt32(dag.functions.firstIndex(of: edge.from) ?? 0)
      record.to = UInt32(dag.functions.firstIndex(of: edge.to) ?? 0)
      return record
    }
  }
}

extension DAG {
  /// Edges that name no function of the record are left out: a peer's mistake.
  init(_ record: Cloudburst_DAGRecord) {
    let functions = record.functions
    let edges = record.edges.compactMap { edge -> Edge? in
      let (from, to) = (Int(edge.from), Int(edge.to))
      guard functions.indices.contains(from), functions.indices.contains(to) else { return nil }
      return Edge(from: functions[from], to: functions[to])
    }
    self.init(record.name, [Path(functions: functions, edges: edges, ends: [])])
  }
}
