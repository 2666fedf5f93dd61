import ClusterModel
import Foundation

/// One JSON line: what was measured, against what, where.
struct Report: Codable {
  /// One run of ours and, where there is a baseline, one of it.
  struct Pair: Codable {
    var ours: Double
    var floor: Double?
    var ratio: Double?
    var steal: Double
  }

  var benchmark: String
  var measure: String
  var unit: String
  /// The baseline's name; ratios are ours / floor. Empty: there is none.
  var baseline: String
  var placement: String
  var medianOurs: Double
  var medianFloor: Double?
  var medianRatio: Double?
  /// What the medians have to reach, where the project has set a bar.
  var bar: Bar?
  var barOnRatio: Bar?
  var isMet: Bool?
  var pairs: [Pair]
  /// Pairs measured again because the host took more than 5 % of the time.
  var repeatedPairs: Int
  var callsPerRun: Int
  var processors = Machine.processors
  var load = Machine.load
  var kernel = Machine.kernel
  var date = ISO8601DateFormatter().string(from: Foundation.Date.now)
  var commit: String
  var version: String? = PlatformVersion.text

  init(
    benchmark: String, measure: String, unit: String, baseline: String = "", conditions: Conditions,
    pairs: [Pair], repeated: Int = 0
  ) {
    self.benchmark = benchmark
    self.measure = measure
    self.unit = unit
    self.baseline = baseline
    placement = conditions.pin.rawValue
    medianOurs = median(pairs.map(\.ours)).rounded3
    let floors = pairs.compactMap(\.floor)
    let ratios = pairs.compactMap(\.ratio)
    medianFloor = floors.isEmpty ? nil : median(floors).rounded3
    medianRatio = ratios.isEmpty ? nil : median(ratios).rounded3
    self.pairs = pairs
    repeatedPairs = repeated
    callsPerRun = conditions.calls
    commit = conditions.commit
    judge()
  }

  private mutating func judge() {
    let bars = Bars.of(benchmark, measure, baseline: baseline)
    bar = bars.value
    barOnRatio = bars.ratio
    let verdicts = [
      bars.value.map { $0.isMet(by: medianOurs) },
      bars.ratio.flatMap { bar in medianRatio.map(bar.isMet) },
    ].compactMap { $0 }
    isMet = verdicts.isEmpty ? nil : verdicts.allSatisfy { $0 }
  }

  func line() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  var summary: String {
    var text = "\(benchmark) \(measure): \(medianOurs) \(unit)"
    if let medianFloor, let medianRatio {
      text += ", \(baseline) \(medianFloor) \(unit), ratio \(medianRatio)"
    }
    text += " (median of \(pairs.count), \(placement))"
    return text + (isMet.map { $0 ? ", bar \(barText) met" : ", bar \(barText) MISSED" } ?? "")
  }

  /// "≤ 1.3 x", "≥ 60000 calls/s and ≥ 0.4 x".
  var barText: String {
    [
      bar.map { "\($0.side == .atMost ? "≤" : "≥") \($0.limit.plain) \(unit)" },
      barOnRatio.map { "\($0.side == .atMost ? "≤" : "≥") \($0.limit.plain) x" },
    ].compactMap { $0 }.joined(separator: " and ")
  }
}

extension Double {
  /// Without a useless ".0".
  var plain: String { self == rounded() ? "\(Int(self))" : "\(self)" }
}
