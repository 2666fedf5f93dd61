import CloudburstFunctions

/// A counter is a lattice: visits counted at the same time on several machines all count, and no
/// call ever waits for another.
let bundle = FunctionBundle("visits") {
  Function("visit") { (context: Context, page: String) throws -> Int in
    let counter = context.counter("visits/\(page)")
    try counter.add(1)
    return try counter.value()
  }
  Function("visits") { (context: Context, page: String) throws -> Int in
    try context.counter("visits/\(page)").value()
  }
}

@c(cloudburst_bundle) public func entry() -> UnsafePointer<cb_bundle>? { bundle.descriptor }
