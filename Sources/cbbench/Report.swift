import Foundation

/// One JSON line: what was measured, against what, where.
struct Report: Encodable {
  struct Pair: Encodable {
    var ours: Double
    var floor: Double
    var ratio: Double
    var steal: Double
  }

  var benchmark: String
  var measure: String
  var unit: String
  /// The baseline's name; ratios are ours / floor.
  var baseline: String
  var placement: String
  var medianOurs: Double
  var medianFloor: Double
  var medianRatio: Double
  var pairs: [Pair]
  /// Pairs measured again because the host took more than 5 % of the time.
  var repeatedPairs: Int
  var callsPerRun: Int
  var processors = Machine.processors
  var load = Machine.load
  var kernel = Machine.kernel
  var date = ISO8601DateFormatter().string(from: Foundation.Date.now)
  var commit: String

  init(
    benchmark: String, measure: String, unit: String, baseline: String, conditions: Conditions,
    pairs: [Pair], repeated: Int
  ) {
    self.benchmark = benchmark
    self.measure = measure
    self.unit = unit
    self.baseline = baseline
    placement = conditions.pin.rawValue
    medianOurs = median(pairs.map(\.ours)).rounded3
    medianFloor = median(pairs.map(\.floor)).rounded3
    medianRatio = median(pairs.map(\.ratio)).rounded3
    self.pairs = pairs
    repeatedPairs = repeated
    callsPerRun = conditions.calls
    commit = conditions.commit
  }

  func line() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  var summary: String {
    "\(benchmark) \(measure): \(medianOurs) \(unit), \(baseline) \(medianFloor) \(unit), "
      + "ratio \(medianRatio) (median of \(pairs.count) pairs, \(placement))"
  }
}
