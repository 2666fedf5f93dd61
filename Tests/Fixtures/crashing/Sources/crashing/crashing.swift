import CloudburstFunctions

struct Refusal: Error {
  let reason: String
}

let bundle = FunctionBundle("crashing") {
  Function("pick") { (index: Int) in [1, 2, 3][index] }
  Function("unwrap") { (text: String) in Int(text)! }
  Function("refuse") { (reason: String) throws -> Int in throw Refusal(reason: reason) }
  Function("chat") { (context: Context, text: String) in
    context.log.info("chat says \(text)")
    print("printed \(text)")
  }
}

@c(cloudburst_bundle) public func entry() -> UnsafePointer<cb_bundle>? { bundle.descriptor }
