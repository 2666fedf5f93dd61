import Glibc

/// What executors inherit: our environment, with crashes set to leave a plain backtrace.
enum ExecutorEnvironment {
  static func lines() -> [String] {
    var lines: [String] = []
    var entry = environ
    while let line = entry.pointee {
      lines.append(String(cString: line))
      entry += 1
    }
    if getenv("SWIFT_BACKTRACE") == nil {
      lines.append(
        "SWIFT_BACKTRACE=enable=yes,color=no,interactive=no,threads=crashed,registers=none,"
          + "images=none,limit=32,output-to=stderr")
    }
    return lines
  }
}
