import ClusterModel

/// About how often each key is asked for: counters that keys share by hash (a count-min sketch), so that
/// the memory is the same for any number of keys.
///
/// Never too low; too high only where a key shares both of its counters with busier ones. Counts the
/// time it lives in windows, and weighs the one before by how much of it still counts.
struct AccessRates {
  /// What a rate is told for.
  static let window = Duration.seconds(2)
  private static let windowNanoseconds = window.wholeNanoseconds
  private static let rowLength = 8192
  /// Keys noticed in one window.
  private static let noticedMax = 32

  private var current = Self.none
  private var last = Self.none
  /// Monotonic; 0 before the first request.
  private var windowBegan: UInt64 = 0
  /// Requests in a window from which on a key is noticed.
  var noticeFrom = UInt32.max
  /// Hashes of the keys that were noticed and not taken yet.
  private(set) var noticed: [UInt64] = []
  private var known: [UInt64] = []

  private static var none: ContiguousArray<UInt32> {
    ContiguousArray(repeating: 0, count: 2 * rowLength)
  }

  /// - Parameter now: monotonic.
  mutating func note(_ hash: UInt64, at now: UInt64) {
    if windowBegan == 0 || now >= windowBegan &+ Self.windowNanoseconds { roll(to: now) }
    let (first, second) = Self.places(of: hash)
    current[first] &+= 1
    current[second] &+= 1
    if current[first] >= noticeFrom, current[second] >= noticeFrom { notice(hash) }
  }

  private mutating func notice(_ hash: UInt64) {
    guard known.count < Self.noticedMax, !known.contains(hash) else { return }
    known.append(hash)
    noticed.append(hash)
  }

  /// Each key at most once a window.
  mutating func takeNoticed() -> [UInt64] {
    defer { noticed = [] }
    return noticed
  }

  /// Requests in the last ``window``, about.
  func count(of hash: UInt64, at now: UInt64) -> UInt64 {
    let age = now - min(now, windowBegan)
    guard age < 2 * Self.windowNanoseconds else { return 0 }
    let (first, second) = Self.places(of: hash)
    let this = UInt64(min(current[first], current[second]))
    // Nobody has rolled on yet: this window is the one before.
    guard age < Self.windowNanoseconds else {
      return this * (2 * Self.windowNanoseconds - age) / Self.windowNanoseconds
    }
    let before = UInt64(min(last[first], last[second]))
    return this + before * (Self.windowNanoseconds - age) / Self.windowNanoseconds
  }

  /// Whether in this window a key takes more than a fifth of all requests, or is asked for more often
  /// than the mean and three standard deviations: of the keys, where they are few, and of the groups
  /// that share a counter where they are many.
  func isFarAboveMean(_ hash: UInt64) -> Bool {
    var (used, sum, squares) = (0.0, 0.0, 0.0)
    for count in current[..<Self.rowLength] where count > 0 {
      used += 1
      sum += Double(count)
      squares += Double(count) * Double(count)
    }
    guard used > 0 else { return false }
    let (first, second) = Self.places(of: hash)
    let count = Double(min(current[first], current[second]))
    let mean = sum / used
    let deviation = max(0, squares / used - mean * mean).squareRoot()
    return count > sum / 5 || count > mean + 3 * deviation
  }

  private mutating func roll(to now: UInt64) {
    let isNext = windowBegan > 0 && now < windowBegan &+ 2 * Self.windowNanoseconds
    if isNext { swap(&current, &last) } else { last = Self.none }
    for index in current.indices { current[index] = 0 }
    windowBegan = isNext ? windowBegan &+ Self.windowNanoseconds : now
    known = []
  }

  /// The ring gives a shard whole stretches of the upper bits: those below are spread.
  private static func places(of hash: UInt64) -> (Int, Int) {
    let mask = UInt64(rowLength - 1)
    return (Int(hash & mask), rowLength + Int((hash >> 20) & mask))
  }
}
