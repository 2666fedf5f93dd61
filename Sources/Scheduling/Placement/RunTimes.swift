/// What calls of a function, or of a DAG, take: measured where they ran, averaged here.
struct RunTimes {
  /// At this many names all are forgotten: what is unknown is only given out one at a time.
  private static let namesMax = 1 << 16
  /// What a call costs its executor beside its body.
  private static let overhead: UInt64 = 5_000

  private var nanoseconds: [String: UInt64] = [:]

  /// In nanoseconds; nil before the first call has ended.
  func estimate(of name: String) -> UInt64? { nanoseconds[name] }

  /// Longer calls count at once, shorter ones little by little: a wrong guess is dear only one way.
  mutating func note(_ measured: UInt64, of name: String) {
    let time = min(measured, 3_600_000_000_000) + Self.overhead
    if nanoseconds.count >= Self.namesMax { nanoseconds.removeAll(keepingCapacity: true) }
    let known = nanoseconds[name] ?? time
    nanoseconds[name] = time > known ? (time + known) / 2 : (time + 7 * known) / 8
  }

  /// After a crash: nothing is to stand behind the next call.
  mutating func forget(_ name: String) { nanoseconds[name] = nil }
}
