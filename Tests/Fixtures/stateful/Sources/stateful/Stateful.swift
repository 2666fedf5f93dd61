import CloudburstFunctions
import Glibc

/// Nanoseconds of the machine's monotonic clock, the same in every process.
func monotonic() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Int(time.tv_sec) * 1_000_000_000 + Int(time.tv_nsec)
}

/// Adds a line to a file, as one write: several calls may share one.
func append(_ line: String, to path: String) {
  let file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0o600)
  defer { close(file) }
  let bytes = Array("\(line)\n".utf8)
  _ = write(file, bytes, bytes.count)
}

/// Functions by which tests look at shared state from several nodes at once. An executor's parent is
/// its node's agent: its process id says on which node a call ran.
let bundle = FunctionBundle("stateful") {
  Function("where") { () in Int(getppid()) }
  Function("put") { (context: Context, key: String, value: Int) throws in
    try context.put(key, value)
    return monotonic()
  }
  // The value, and the node that read it.
  Function("get") { (context: Context, key: String) throws -> [Int] in
    [try context.get(key, as: Int.self) ?? 0, Int(getppid())]
  }
  // Reads until the value is there, and says when and where that was.
  Function("await-value") { (context: Context, key: String, value: Int) throws -> [Int] in
    append("\(getppid())", to: try context.get("\(key)/file", as: String.self) ?? "/dev/null")
    while try context.get(key, as: Int.self) != value { sched_yield() }
    return [monotonic(), Int(getppid())]
  }
  // Says in the file what it is about to return, when the result can still be held back.
  Function("tell-put") { (context: Context, key: String, value: Int, file: String) throws -> Int in
    try context.put(key, value)
    append("put \(value) \(getppid())", to: file)
    return value
  }
  Function("tell-get") { (context: Context, key: String, file: String) throws -> Int in
    let value = try context.get(key, as: Int.self) ?? 0
    append("get \(value) \(getppid())", to: file)
    return value
  }
  Function("put-and-get") { (context: Context, key: String, value: Int) throws -> [Int?] in
    try context.put(key, value)
    return [try context.get(key, as: Int.self), Int(getppid())]
  }
  // Adds to a set that this node may never have read, and reads the whole of it.
  Function("collect") { (context: Context, key: String, element: Int) throws -> [Int] in
    try context.set(key).add(element)
    return [try context.set(key).elements(as: Int.self).count, Int(getppid())]
  }
  Function("overwrite") { (context: Context, key: String, count: Int) throws in
    for number in 0..<count { try context.put(key, number) }
    return monotonic()
  }
  // A large value again and again, in a call each.
  Function("replace") { (context: Context, key: String, byte: Int, count: Int) throws in
    try context.put(key, [UInt8](repeating: UInt8(truncatingIfNeeded: byte), count: count))
    return Int(getppid())
  }
  // Puts and deletes by turns: no two of them share a request to the store, and of those few are under
  // way at a time. What the node writes next stays with it while they have no answer.
  Function("clog") { (context: Context) throws in
    for number in 0..<200 {
      try context.put("clog/put/\(number)", number)
      try context.delete("clog/delete/\(number)")
    }
    return Int(getppid())
  }
  Function("count") { (bytes: [UInt8]) in bytes.count }
}

@c(cloudburst_bundle) public func entry() -> UnsafePointer<cb_bundle>? { bundle.descriptor }
