/// A deadline, where nil is never.
extension UInt64? {
  /// Keeps the earlier of the two; a loop finds its next wake-up with it, each turn, without
  /// gathering its deadlines in an array.
  package mutating func lower(to other: UInt64?) {
    guard let other else { return }
    if let known = self, known <= other { return }
    self = other
  }
}
