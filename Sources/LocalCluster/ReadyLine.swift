import Glibc
package import Platform

/// How `cloudburstd dev` says that calls can run: the line `ready` on its standard output.
package enum ReadyLine {
  package static let text = "ready"

  package enum Outcome {
    case found
    /// The daemon has closed its output: it has ended.
    case ended
    case late
  }

  /// - Parameters:
  ///   - pipe: the reading end of the daemon's standard output.
  ///   - deadline: of `MonotonicClock`.
  package static func wait(
    on pipe: borrowing FileDescriptor, deadline: UInt64
  ) -> Outcome {
    var text = ""
    var item = pollfd(fd: pipe.raw, events: Int16(POLLIN), revents: 0)
    while true {
      let now = MonotonicClock.now
      guard now < deadline else { return .late }
      let milliseconds = Int32(clamping: (deadline - now) / 1_000_000 + 1)
      guard poll(&item, 1, milliseconds) > 0 else { continue }
      guard let bytes = read(from: pipe) else { return .ended }
      text += String(decoding: bytes, as: UTF8.self)
      if text.split(separator: "\n").contains(Substring(Self.text)) { return .found }
    }
  }

  /// Nil at the end.
  private static func read(from pipe: borrowing FileDescriptor) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let outcome = buffer.withUnsafeMutableBytes { try? pipe.read(into: $0) }
    guard case .bytes(let count)? = outcome else { return nil }
    return Array(buffer[..<count])
  }
}
