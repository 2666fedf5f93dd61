import Glibc
import Platform

/// Facts of a process by its id, from `/proc`.
package enum RunningProcess {
  package static var own: Int32 { getpid() }

  /// Clock ticks from boot to its start; nil where no such process runs (a zombie does not run).
  package static func startTicks(of processID: Int32) -> UInt64? {
    guard let bytes = try? Files.contents(of: "/proc/\(processID)/stat", bytesMax: 4096) else {
      return nil
    }
    // The second field, the program's name in parentheses, may itself hold blanks and parentheses.
    let text = String(decoding: bytes, as: UTF8.self)
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 19, fields[0] != "Z" else { return nil }
    return UInt64(fields[19])
  }
}
