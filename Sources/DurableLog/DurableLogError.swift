package import ClusterModel

/// What the log, or the disk below it, refused.
package struct DurableLogError: Error, Equatable, Sendable, CustomStringConvertible {
  /// `dataLocked`, `dataFormat` or `storageFailed`.
  package let code: ErrorCode
  /// What was being done, as a phrase after "while".
  package let doing: String
  package let reason: String

  package var description: String { "\(reason) while \(doing)" }

  package var failure: Failure {
    switch code {
    case .dataLocked:
      Failure(code, description, hint: "stop the other cluster, or name another data folder")
    case .dataFormat:
      Failure(code, description, hint: "use a version at least as new, or another data folder")
    default:
      Failure(code, description, hint: hint)
    }
  }

  /// RocksDB's word for bytes whose checksum is not theirs, or ours for a record that is none.
  package var isDamage: Bool { reason.contains("Corruption") || reason.contains("is no record") }

  private var hint: String {
    if reason.contains("No space left") {
      return "make room on its disk and start again: nothing acknowledged is lost"
    }
    if isDamage {
      return "its files are damaged and nothing of them is served: restore the folder from a copy, "
        + "or start with another one (cbctl dev --data FOLDER)"
    }
    return ""
  }
}
