import ClusterModel
import WireProtocol

/// The membership's clock is the referee (decision 29): a shard whose machine's clock differs from it by
/// more than ``Limits/clockDriftMax`` stamps nothing, and goes by the membership's time in all else: what
/// expires, and when a tombstone may be forgotten, is the same everywhere.
extension StorageShard {
  mutating func judge(_ lead: Int64) {
    let most = UInt64(Limits.clockDriftMax.wholeNanoseconds / 1_000_000)
    clockLead = lead.magnitude > most ? lead : 0
  }

  /// A reading of this machine's clock as the membership would have it.
  func refereed(_ now: Now) -> Now {
    guard clockLead != 0 else { return now }
    let wall = Int64(clamping: now.wall).subtractingReportingOverflow(clockLead)
    return Now(wall: UInt64(max(wall.partialValue, 0)), monotonic: now.monotonic)
  }

  /// Why nothing is written here.
  var clockRefusal: Failure? {
    guard clockLead != 0 else { return nil }
    let side = clockLead > 0 ? "ahead of" : "behind"
    return Failure(
      .clockSkew,
      "the clock of \(configuration.me) is \(clockLead.magnitude) ms \(side) the membership's: it takes no writes",
      hint: "set the clock of its machine (NTP); it goes on by itself")
  }
}
