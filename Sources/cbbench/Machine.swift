import Foundation
import Platform

/// What the machine did besides us, and what was measured on.
struct Machine {
  /// Jiffies of all processors since boot.
  struct ProcessorTimes {
    var steal: UInt64 = 0
    var total: UInt64 = 0

    static func now() -> ProcessorTimes {
      let line =
        (try? String(contentsOfFile: "/proc/stat", encoding: .utf8))?
        .split(separator: "\n").first ?? ""
      let numbers = line.split(separator: " ").dropFirst().compactMap { UInt64($0) }
      guard numbers.count >= 8 else { return ProcessorTimes() }
      return ProcessorTimes(steal: numbers[7], total: numbers.prefix(8).reduce(0, +))
    }

    /// The share of the time since `earlier` that the host took away, 0 to 1.
    func stealShare(since earlier: ProcessorTimes) -> Double {
      total > earlier.total
        ? Double(steal - earlier.steal) / Double(total - earlier.total) : 0
    }
  }

  static var load: Double {
    let text = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? "0"
    return Double(text.split(separator: " ").first ?? "0") ?? 0
  }

  static var processors: Int { (try? Processors.allowed().count) ?? 0 }

  static var kernel: String {
    (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8))?
      .split(separator: "\n").first.map(String.init) ?? ""
  }

  /// The folder of this very program: its siblings are the build that is measured.
  static var programFolder: String {
    let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(filePath: path).deletingLastPathComponent().path
  }

  static var freePort: Int {
    // The cluster binds the port itself; one from the dynamic range is very likely free.
    49_152 + Int(WallClock.milliseconds % 16_000)
  }
}
