import ClusterModel
import WireProtocol

extension Registry {
  /// The stages a call runs, with the versions there are now: they stay the call's, whatever is
  /// uploaded while it waits, runs or is repeated.
  func stages(for call: Call) throws(Failure) -> [Stage] {
    guard call.dag.isEmpty else { return try stages(ofDAG: call) }
    guard let function = function(call.function) else { throw functionNotFound(call.function) }
    try Self.checkCount(of: call.arguments, and: 0, for: function)
    return [Self.stage(function, call.arguments, upstream: [])]
  }

  /// Whether each function of a DAG exists and takes as many arguments as its edges bring.
  func check(_ plan: DAGPlan) throws(Failure) {
    for step in plan.steps {
      guard let function = function(step.function) else {
        throw functionNotFound(step.function, neededBy: plan.record.name)
      }
      guard step.upstream.count <= Int(function.parameterCount) else {
        throw Failure(
          .badDAG,
          "the DAG \(plan.record.name) gives \(step.function) \(step.upstream.count) results, "
            + "but its signature is \(function.signature)")
      }
    }
  }

  private func stages(ofDAG call: Call) throws(Failure) -> [Stage] {
    guard let plan = dag(call.dag) else { throw dagNotFound(call.dag) }
    var arguments: [String: [Argument]] = [:]
    for input in call.inputs {
      guard plan.record.functions.contains(input.function) else {
        throw Failure(
          .badArgument, "the DAG \(call.dag) has no function \(input.function)",
          hint: "its functions are \(plan.record.functions.joined(separator: ", "))")
      }
      guard arguments.updateValue(input.arguments, forKey: input.function) == nil else {
        throw Failure(.badArgument, "the inputs of \(input.function) are given twice")
      }
    }
    var stages: [Stage] = []
    for step in plan.steps {
      guard let function = function(step.function) else {
        throw functionNotFound(step.function, neededBy: call.dag)
      }
      let given = arguments[step.function] ?? []
      try Self.checkCount(of: given, and: step.upstream.count, for: function)
      stages.append(Self.stage(function, given, upstream: step.upstream))
    }
    return stages
  }

  private static func stage(
    _ function: FunctionRecord, _ arguments: [Argument], upstream: [UInt32]
  ) -> Stage {
    var stage = Stage()
    stage.function = function.name
    stage.bundle = function.bundle
    stage.arguments = arguments
    stage.upstream = upstream
    return stage
  }

  private static func checkCount(
    of given: [Argument], and upstream: Int, for function: FunctionRecord
  ) throws(Failure) {
    let count = given.count + upstream
    guard count != Int(function.parameterCount) else { return try checkReferences(of: given) }
    let plural = function.parameterCount == 1 ? "" : "s"
    let origin =
      upstream == 0 ? "" : " (\(given.count) as input, \(upstream) from the functions before it)"
    var failure = Failure(
      .badArgument,
      "\(function.name) takes \(function.parameterCount) argument\(plural), not \(count)\(origin)",
      hint: "its signature is \(function.signature)")
    failure.function = function.name
    throw failure
  }

  private static func checkReferences(of arguments: [Argument]) throws(Failure) {
    for argument in arguments where !argument.reference.isEmpty {
      guard Key(checking: argument.reference) != nil else {
        throw Failure(
          .keyInvalid,
          "an argument refers to a key that is not 1 to \(Limits.keyBytesMax) bytes "
            + "of UTF-8")
      }
    }
  }
}
