import Foundation
import Platform

/// What /proc tells of a process.
enum ProcessFacts {
  /// The process and its descendants.
  static func tree(of process: Int32) -> [Int32] {
    let threads = (try? Files.names(in: "/proc/\(process)/task")) ?? []
    let children = threads.flatMap { thread in
      (text("/proc/\(process)/task/\(thread)/children")).split(separator: " ")
        .compactMap { Int32($0) }
    }
    return [process] + children.sorted().flatMap(tree)
  }

  static func program(_ process: Int32) -> String {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/exe")) ?? ""
  }

  /// Nanoseconds that each of its threads ran, by thread.
  static func processorTimes(_ process: Int32) -> [String: UInt64] {
    let threads = (try? Files.names(in: "/proc/\(process)/task")) ?? []
    let times = threads.map { thread in
      let facts = text("/proc/\(process)/task/\(thread)/schedstat").split(separator: " ")
      return (thread, facts.first.flatMap { UInt64($0) } ?? 0)
    }
    return Dictionary(times, uniquingKeysWith: max)
  }

  /// Its share of the memory it has mapped, in MiB.
  static func proportionalMemory(_ process: Int32) -> Double {
    let line = text("/proc/\(process)/smaps_rollup").split(separator: "\n")
      .first { $0.hasPrefix("Pss:") }
    let kibibytes = line?.split(separator: " ").compactMap { Double($0) }.first
    return ((kibibytes ?? 0) / 1024).rounded3
  }

  /// Neither running nor waiting to be reaped.
  static func isGone(_ process: Int32) -> Bool { kill(process, 0) != 0 && errno == ESRCH }

  private static func text(_ path: String) -> String {
    (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  }
}
