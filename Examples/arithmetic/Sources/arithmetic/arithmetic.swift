import CloudburstFunctions

/// A result that `Int` cannot hold. Swift would trap; throwing spares the executor.
struct Overflow: Error {
  var operation: String
}

let bundle = FunctionBundle("arithmetic") {
  Function("increment") { (x: Int) throws -> Int in
    let (sum, isTooLarge) = x.addingReportingOverflow(1)
    guard !isTooLarge else { throw Overflow(operation: "\(x) + 1") }
    return sum
  }
  Function("square") { (x: Int) throws -> Int in
    let (product, isTooLarge) = x.multipliedReportingOverflow(by: x)
    guard !isTooLarge else { throw Overflow(operation: "\(x) * \(x)") }
    return product
  }
}

@c(cloudburst_bundle) public func entry() -> UnsafePointer<cb_bundle>? { bundle.descriptor }
