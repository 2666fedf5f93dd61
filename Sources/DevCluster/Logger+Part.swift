import Glibc
import Logging

extension Logger {
  /// To standard error, at the level of `$CLOUDBURST_LOG` (default: `notice`).
  init(part label: String) {
    self.init(label: label) { StreamLogHandler.standardError(label: $0) }
    let level = getenv("CLOUDBURST_LOG").map { String(cString: $0) } ?? ""
    logLevel = Logger.Level(rawValue: level) ?? .notice
  }
}
