import ClusterModel

/// The names of functions, bundles and DAGs.
enum RegisteredName {
  /// What the plugin ABI allows: 1 to 128 of A-Z a-z 0-9 . _ -
  static let bytesMax = 128

  static func failure(of name: String, kind: String) -> Failure? {
    let isGood =
      (1...bytesMax).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
          UInt8(ascii: "-"):
          true
        default: false
        }
      }
    guard !isGood else { return nil }
    return Failure(
      .nameInvalid, "“\(name.prefix(bytesMax))” cannot be the name of a \(kind)",
      hint: "a name has 1 to \(bytesMax) of the characters A-Z a-z 0-9 . _ -")
  }
}

/// Which names somebody may have meant.
enum NearestNames {
  /// Names compared at most; the cost of a wrong name must stay small in a large registry.
  static let comparedMax = 512
  static let suggestedMax = 3

  /// - Returns: the nearest of `names`, nearest first; empty when none is near.
  static func of(_ wanted: String, among names: [String]) -> [String] {
    let wantedBytes = Array(wanted.lowercased().utf8.prefix(RegisteredName.bytesMax))
    let distanceMax = max(1, min(3, wantedBytes.count / 3))
    let near = names.sorted().lazy
      .filter { abs($0.utf8.count - wantedBytes.count) <= distanceMax }
      .prefix(comparedMax)
      .map { (name: $0, distance: distance(wantedBytes, Array($0.lowercased().utf8))) }
      .filter { $0.distance <= distanceMax }
    return near.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }
      .prefix(suggestedMax).map(\.name)
  }

  /// Insertions, deletions, replacements and swaps of neighbours that lead from one to the other.
  private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for (row, byte) in left.enumerated() {
      var current = [row + 1]
      for (column, other) in right.enumerated() {
        var best = min(last[column + 1] + 1, current[column] + 1)
        best = min(best, last[column] + (byte == other ? 0 : 1))
        if row > 0, column > 0, byte == right[column - 1], left[row - 1] == other {
          best = min(best, beforeLast[column - 1] + 1)
        }
        current.append(best)
      }
      (beforeLast, last) = (last, current)
    }
    return last[right.count]
  }
}
