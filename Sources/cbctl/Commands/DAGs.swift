import ArgumentParser
import CloudburstClient
import CloudburstValues
import ClusterModel

struct DAGs: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dag",
    abstract: "Compose functions: each result goes to the functions behind it.",
    discussion: """
      Examples:
        cbctl dag put sqinc 'increment -> square'
        cbctl dag call sqinc increment=4
      """,
    subcommands: [DAGPut.self, DAGCall.self, DAGList.self, DAGDelete.self])
}

struct DAGPut: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "put",
    abstract: "Register a DAG under a name.",
    discussion: """
      Edges are written A -> B; chains may be longer, and several are separated by commas or
      semicolons. There is one last function, whose result is the DAG's.

      Examples:
        cbctl dag put sqinc 'increment -> square'
        cbctl dag put diamond 'split -> left -> join; split -> right -> join'
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "The DAG's name.") var name: String
  @Argument(help: "The edges, such as 'a -> b; a -> c'.") var edges: String

  func check() throws { _ = try DAG(name, text: edges) }

  func run(on cloud: CloudburstClient) async throws -> Output {
    let dag = try DAG(name, text: edges)
    _ = try await cloud.register(dag)
    return Output(json: dag.json, text: "registered \(name): \(dag.text)")
  }
}

struct DAGCall: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "call",
    abstract: "Run a DAG and print the result of its last function.",
    discussion: """
      Arguments are given to its functions by name, FUNCTION=VALUE, a word each; VALUE is JSON,
      ref:KEY, @FILE or -. Repeat FUNCTION= for its further parameters.

      Examples:
        cbctl dag call sqinc increment=4
        cbctl dag call pipeline load=ref:model load='"cat.png"'
      """)

  @OptionGroup var cluster: ClusterOptions
  @OptionGroup var policy: PolicyOptions
  @Argument(help: "The DAG's name.") var name: String
  @Argument(help: "FUNCTION=VALUE for each argument.") var inputs: [String] = []

  func run(on cloud: CloudburstClient) async throws -> Output {
    var arguments: [String: [CallArgument]] = [:]
    for word in inputs {
      guard let equals = word.firstIndex(of: "=") else {
        throw Failure(
          .badArgument, "\(word) is not FUNCTION=VALUE", hint: "cbctl dag call \(name) f=1")
      }
      let value = try InputWord(String(word[word.index(after: equals)...]))
      try await InputWord.learnVersions(of: [value], with: cloud)
      arguments[String(word[..<equals]), default: []].append(value.argument)
    }
    let options = policy.options(within: cluster.timeout?.duration)
    let result = try await cloud.callEncoded(
      RegisteredDAG(named: name), arguments, options: options)
    return try Output(result: result)
  }
}

struct DAGList: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls",
    abstract: "List the registered DAGs.",
    discussion: """
      Example:
        cbctl dag ls
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "Only names that begin with this.") var prefix = ""

  func run(on cloud: CloudburstClient) async throws -> Output {
    let dags = try await cloud.dags(withPrefix: prefix)
    return Output(
      json: .array(dags.map(\.json)), text: table(dags.map { [$0.name, $0.text] }))
  }
}

struct DAGDelete: ClusterCommand {
  static let configuration = CommandConfiguration(
    commandName: "del",
    abstract: "Remove a DAG; its functions stay.",
    discussion: """
      Example:
        cbctl dag del sqinc
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "The DAG's name.") var name: String

  func run(on cloud: CloudburstClient) async throws -> Output {
    try await cloud.deleteDAG(name)
    return Output(json: .map(["deleted": .string(name)]), text: "deleted \(name)")
  }
}

extension DAG {
  var json: AnyValue {
    .map([
      "name": .string(name), "functions": .array(functions.map(AnyValue.string)),
      "edges": .array(edges.map { .array([.string($0.from), .string($0.to)]) }),
    ])
  }
}
