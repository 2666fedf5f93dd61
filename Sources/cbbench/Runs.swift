/// Runs of one thing that has no baseline; those during which the host took too much are repeated.
struct Runs {
  private(set) var pairs: [Report.Pair] = []
  private(set) var repeated = 0

  init(_ count: Int, _ run: () async throws -> Double) async throws {
    while pairs.count < count {
      let before = Machine.ProcessorTimes.now()
      let figure = try await run()
      let steal = Machine.ProcessorTimes.now().stealShare(since: before)
      if steal > Pairing<Double>.stealMax, repeated < Pairing<Double>.repeatsMax {
        repeated += 1
      } else {
        pairs.append(.init(ours: figure.rounded3, steal: steal.rounded3))
      }
    }
  }
}
