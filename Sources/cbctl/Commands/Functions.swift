import ArgumentParser
import CloudburstClient
import CloudburstValues

struct Functions: ClusterCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the registered functions.",
    discussion: """
      Examples:
        cbctl functions
        cbctl functions word -o json
      """)

  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "Only names that begin with this.") var prefix = ""

  func run(on cloud: CloudburstClient) async throws -> Output {
    let functions = try await cloud.functions(withPrefix: prefix)
    var output = Output(
      json: .array(functions.map(\.json)),
      text: table(
        [["NAME", "SIGNATURE", "BUNDLE", "VERSION"]]
          + functions.map { [$0.name, $0.signature, $0.bundle, $0.version] }))
    if functions.isEmpty {
      output.text = ""
      output.notes = ["no functions; upload a bundle: cbctl upload PATH"]
    }
    return output
  }
}

extension FunctionDescription {
  var json: AnyValue {
    .map([
      "name": .string(name), "signature": .string(signature), "bundle": .string(bundle),
      "version": .string(version), "parameters": .integer(Int64(parameterCount)),
      "async": .bool(isAsync), "uploadedAt": .integer(Int64(clamping: uploadedAt)),
    ])
  }
}
