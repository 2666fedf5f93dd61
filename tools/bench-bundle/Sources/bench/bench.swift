import CloudburstFunctions
import Glibc

let bundle = FunctionBundle("bench") {
  Function("bench-noop") { () in }
  Function("bench-increment") { (x: Int) in x + 1 }
  Function("bench-square") { (x: Int) in x * x }
  Function("bench-count") { (context: Context, key: String) in try context.counter(key).add(1) }
  Function("bench-fill") { (context: Context, first: Int, count: Int) in
    for number in first..<first + count {
      try context.put(benchKey(number), [UInt8](repeating: 7, count: 64))
    }
  }
  Function("bench-get-each") { (context: Context, first: Int, count: Int) in
    try timed((first..<first + count).map(benchKey), count, context)
  }
  Function("bench-get-random") { (context: Context, keys: Int, reads: Int) in
    var random = SystemRandomNumberGenerator()
    // Made before the clock runs: what is measured is the read.
    let names = (0..<reads).map { _ in benchKey(Int.random(in: 0..<keys, using: &random)) }
    return try timed(names, reads, context)
  }
  Function("bench-get-same") { (context: Context, reads: Int) in
    try timed([benchKey(0)], reads, context)
  }
  Function("bench-in-place") { (context: Context, key: String) in
    try seenInPlace(key, context)
  }
}

@c(cloudburst_bundle) public func entry() -> UnsafePointer<cb_bundle>? { bundle.descriptor }

private func benchKey(_ number: Int) -> String { "bench/key/\(number)" }

/// Nanoseconds of one read of 64 bytes, on average: by the wall's clock, and of the processor.
struct ReadTimes: Codable, Value {
  var elapsed: Double
  var ran: Double
}

private func timed(_ keys: [String], _ reads: Int, _ context: Context) throws -> ReadTimes {
  var bytes = 0
  let start = (clock(CLOCK_MONOTONIC), clock(CLOCK_THREAD_CPUTIME_ID))
  for number in 0..<reads {
    bytes += try context.get(keys[number % keys.count], as: [UInt8].self)?.count ?? 0
  }
  let elapsed = clock(CLOCK_MONOTONIC) - start.0
  let ran = clock(CLOCK_THREAD_CPUTIME_ID) - start.1
  guard bytes == 64 * reads else { throw Missing(bytes: bytes) }
  return ReadTimes(elapsed: elapsed / Double(reads), ran: ran / Double(reads))
}

private struct Missing: Error { let bytes: Int }

/// In nanoseconds.
func clock(_ id: clockid_t) -> Double {
  var time = timespec()
  clock_gettime(id, &time)
  return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}
