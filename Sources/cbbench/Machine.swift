import ClusterModel
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

  /// One that nobody has now, of those that the system hands out.
  static func freePort() throws -> Int {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard socket >= 0 else { throw Failure(.unavailable, "no socket to look for a port with") }
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, size) == 0 ? getsockname(socket, $0, &size) : -1
      }
    }
    guard code == 0 else { throw Failure(.unavailable, "no free port: errno \(errno)") }
    return Int(UInt16(bigEndian: address.sin_port))
  }
}
