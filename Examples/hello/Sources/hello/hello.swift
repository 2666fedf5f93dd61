import CloudburstFunctions

let bundle = FunctionBundle("hello") {
  Function("hello") { (name: String) in "Hello, \(name)!" }
}

@c(cloudburst_bundle) public func entry() -> UnsafePointer<cb_bundle>? { bundle.descriptor }
