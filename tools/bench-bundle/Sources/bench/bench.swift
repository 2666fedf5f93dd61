import CloudburstFunctions

let bundle = FunctionBundle("bench") {
  Function("bench-noop") { () in }
  Function("bench-increment") { (x: Int) in x + 1 }
  Function("bench-square") { (x: Int) in x * x }
}

@c(cloudburst_bundle) public func entry() -> UnsafePointer<cb_bundle>? { bundle.descriptor }
