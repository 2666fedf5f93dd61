/// What an executor says of its own fatal signal, in one line on standard error: `cb_report_crashes`.
struct CrashNote: Equatable {
  var signal: Int32 = 0
  var isStackOverflow = false
  /// Private memory in use, and its limit, at the moment of the signal.
  var dataBytes: UInt64 = 0
  var dataBytesMax: UInt64 = 0
  /// `errno` then; a call starts with zero.
  var error: Int32 = 0

  static let lineStart = "cloudburst-executor: fatal "
  private static let outOfMemory: Int32 = 12  // ENOMEM

  init?(line: some StringProtocol) {
    guard line.hasPrefix(Self.lineStart) else { return nil }
    for word in line.dropFirst(Self.lineStart.count).split(separator: " ") {
      let parts = word.split(separator: "=")
      guard parts.count == 2, let number = UInt64(parts[1]) else { return nil }
      switch parts[0] {
      case "signal": signal = Int32(clamping: number)
      case "overflow": isStackOverflow = number != 0
      case "data": dataBytes = number
      case "limit": dataBytesMax = number
      case "errno": error = Int32(clamping: number)
      default: continue
      }
    }
  }

  /// Whether memory was what it died of: an allocation had failed, or as good as nothing was left.
  var isOutOfMemory: Bool {
    guard !isStackOverflow else { return false }
    return error == Self.outOfMemory || dataBytes >= dataBytesMax / 16 * 15
  }
}
