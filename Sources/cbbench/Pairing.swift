/// Runs of both sides in turn; pairs during which the host took too much time are run again.
struct Pairing<Run> {
  /// A pair during which the host took more than this share is measured again.
  static var stealMax: Double { 0.05 }
  /// Repeats in all; beyond them pairs count as they are, and their steal says so.
  static var repeatsMax: Int { 20 }

  private var kept: [(ours: Run, floor: Run, steal: Double)] = []
  private(set) var repeated = 0

  /// - Parameter count: the pairs wanted.
  init(
    _ count: Int, ours: () async throws -> Run, floor: () async throws -> Run
  ) async throws {
    while kept.count < count {
      let before = Machine.ProcessorTimes.now()
      // Alternating which side goes first takes out what drifts within a pair.
      let (mine, base): (Run, Run)
      if kept.count.isMultiple(of: 2) {
        mine = try await ours()
        base = try await floor()
      } else {
        base = try await floor()
        mine = try await ours()
      }
      let steal = Machine.ProcessorTimes.now().stealShare(since: before)
      if steal > Self.stealMax, repeated < Self.repeatsMax {
        repeated += 1
      } else {
        kept.append((mine, base, steal))
      }
    }
  }

  /// One figure of every kept pair.
  func pairs(_ figure: (Run) -> Double) -> [Report.Pair] {
    kept.map { pair in
      let (mine, base) = (figure(pair.ours), figure(pair.floor))
      return Report.Pair(
        ours: mine.rounded3, floor: base.rounded3, ratio: (mine / base).rounded3,
        steal: pair.steal.rounded3)
    }
  }
}
