import CloudburstFunctions

struct NoModel: Error {
  let path: String
}

/// A bundle whose set-up throws wherever it runs.
let bundle = FunctionBundle("unready") {
  Function("fine") { "fine" }
  Function("classify", initialize: { () throws -> [String] in throw NoModel(path: "/no/model") }) {
    (labels: [String], index: Int) in labels[index]
  }
}

@c(cloudburst_bundle) public func entry() -> UnsafePointer<cb_bundle>? { bundle.descriptor }
