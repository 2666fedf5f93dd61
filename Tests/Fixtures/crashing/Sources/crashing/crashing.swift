import CloudburstFunctions

struct Refusal: Error {
  let reason: String
}

/// Functions that tests call: some that fail in the ways Swift code fails, and one for each thing
/// that a body can do. A test names the line of `numbers[index]`.
let bundle = FunctionBundle("crashing") {
  Function("pick") { (index: Int) in
    let numbers = [1, 2, 3]
    return numbers[index]
  }
  Function("refuse") { (reason: String) throws -> Int in throw Refusal(reason: reason) }
  Function("chat") { (context: Context, text: String) in
    context.log.info("chat says \(text)")
    print("printed \(text)")
  }
  Function("unwrap") { () -> Int in
    let nothing: Int? = Int("nothing")
    return nothing!
  }
  Function("descend") { (depth: Int) in descend(depth) }
  Function("gather") { () -> Int in
    var rows: [[Int]] = []
    while true { rows.append(Array(repeating: rows.count, count: 1 << 17)) }
  }
  Function("swell") { () -> [UInt8] in Array(repeating: 1, count: 257 << 20) }
  Function("brief") { (seconds: Int) in
    // What the optimiser cannot take for a loop without effect.
    var random = SystemRandomNumberGenerator()
    while random.next() != UInt64(seconds) {}
  }.limits(time: .milliseconds(300), memory: 64 << 20, attempts: 1)

  // A body sees its own writes, in order.
  Function("rewrite") { (context: Context, key: String) throws -> [Int?] in
    try context.put(key, 1)
    let first = try context.get(key, as: Int.self)
    try context.delete(key)
    let second = try context.get(key, as: Int.self)
    try context.put(key, 3)
    return [first, second, try context.get(key, as: Int.self)]
  }
  // Adds to a set this node may never have read, and reads the whole of it.
  Function("collect") { (context: Context, key: String, element: String) throws -> Int in
    try context.set(key).add(element)
    return try context.set(key).elements(as: String.self).count
  }
  Function("later") { (context: Context, key: String) async throws -> Int in
    let before = try await context.get(key, as: Int.self) ?? 0
    await Task.yield()
    try context.put(key, before + 1)
    return try await context.get(key, as: Int.self) ?? -1
  }
  // Set up once for each executor that runs it.
  Function("prepared", initialize: { [UInt64.random(in: .min ... .max)] }) { (state: [UInt64]) in
    String(state[0])
  }
  Function("about") { (context: Context) throws -> [String: String] in
    let remaining = try context.remainingTime().map { $0 > .zero && $0 <= .seconds(5) }
    return [
      "function": context.functionName, "id": "\(context.id)",
      "deadline": remaining == true ? "within 5 s" : "\(String(describing: remaining))",
    ]
  }
}

/// Has no end; what is left to do after its call keeps it from becoming a loop.
@inline(never) func descend(_ depth: Int) -> String {
  descend(depth + 1) + "."
}

@c(cloudburst_bundle) public func entry() -> UnsafePointer<cb_bundle>? { bundle.descriptor }
