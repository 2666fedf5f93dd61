package import ClusterModel
package import WireProtocol

/// This scheduler's view of the registry: functions and DAGs by name. The store has the originals.
package struct Registry: Sendable {
  private var functions: [String: FunctionRecord] = [:]
  private var dags: [String: DAGPlan] = [:]
  /// Counts the changes; a call carries the number it was accepted under.
  package private(set) var version: UInt64

  package init(version: UInt64 = 0) { self.version = version }

  package var functionCount: Int { functions.count }
  package var dagCount: Int { dags.count }

  package func function(_ name: String) -> FunctionRecord? { functions[name] }
  package func dag(_ name: String) -> DAGPlan? { dags[name] }

  /// By name.
  package func functions(prefix: String) -> [FunctionRecord] {
    functions.values.filter { $0.name.hasPrefix(prefix) }.sorted { $0.name < $1.name }
  }

  /// By name.
  package func dags(prefix: String) -> [DAGRecord] {
    dags.values.map(\.record).filter { $0.name.hasPrefix(prefix) }.sorted { $0.name < $1.name }
  }

  /// By name.
  package func functions(ofBundle name: String) -> [FunctionRecord] {
    functions.values.filter { $0.bundleName == name }.sorted { $0.name < $1.name }
  }

  /// Whether exactly this bundle's functions are what callers get under its name now.
  package func isCurrent(_ bundle: BundleRecord) -> Bool {
    let registered = functions(ofBundle: bundle.name)
    return !bundle.functions.isEmpty && registered.count == bundle.functions.count
      && registered.allSatisfy { $0.bundle == bundle.digest }
  }

  package mutating func loaded(version: UInt64) { self.version = max(self.version, version) }
  package mutating func load(_ function: FunctionRecord) { functions[function.name] = function }
  package mutating func load(_ dag: DAGPlan) { dags[dag.record.name] = dag }

  package mutating func replace(_ changed: [FunctionRecord], removing vanished: [String]) {
    for name in vanished { functions[name] = nil }
    for function in changed { functions[function.name] = function }
    version += 1
  }

  package mutating func put(_ dag: DAGPlan) {
    dags[dag.record.name] = dag
    version += 1
  }

  package mutating func removeDAG(_ name: String) {
    dags[name] = nil
    version += 1
  }

  package func functionNotFound(_ name: String, neededBy dag: String? = nil) -> Failure {
    let place = dag.map { ", which the DAG \($0) needs" } ?? ""
    var hint = suggestion(for: name, among: Array(functions.keys))
    if dag == nil, dags[name] != nil { hint = "\(name) is a DAG: cbctl dag call \(name)" }
    return Failure(
      .functionNotFound, "there is no function \(name.prefix(RegisteredName.bytesMax))\(place)",
      hint: hint.isEmpty ? "cbctl functions lists what there is" : hint)
  }

  package func dagNotFound(_ name: String) -> Failure {
    var hint = suggestion(for: name, among: Array(dags.keys))
    if functions[name] != nil { hint = "\(name) is a function: cbctl call \(name)" }
    return Failure(
      .dagNotFound, "there is no DAG \(name.prefix(RegisteredName.bytesMax))",
      hint: hint.isEmpty ? "cbctl dag ls shows what there is" : hint)
  }

  private func suggestion(for name: String, among names: [String]) -> String {
    let near = NearestNames.of(name, among: names)
    return near.isEmpty ? "" : "did you mean \(near.joined(separator: " or "))?"
  }
}
