/// Latencies of one run, in nanoseconds.
struct Latencies {
  private let sorted: [UInt64]

  init(_ nanoseconds: [UInt64]) {
    sorted = nanoseconds.sorted()
  }

  /// - Parameter share: 0.5 is the median; the nearest rank.
  func percentile(_ share: Double) -> UInt64 {
    precondition(!sorted.isEmpty, "a run has at least one call")
    let rank = Int((Double(sorted.count) * share).rounded(.up)) - 1
    return sorted[min(max(rank, 0), sorted.count - 1)]
  }
}

func median(_ values: [Double]) -> Double {
  precondition(!values.isEmpty, "at least one pair was measured")
  let sorted = values.sorted()
  let middle = sorted.count / 2
  return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
}

extension Double {
  /// To three places: more would be noise.
  var rounded3: Double { (self * 1000).rounded() / 1000 }
}

extension UInt64 {
  var microseconds: Double { (Double(self) / 1000 * 100).rounded() / 100 }
}
