import ClusterModel

/// About how often each key is asked for: counters that keys share by hash (a count-min sketch), so that
/// the memory is the same for any number of keys.
///
/// Never too low; too high only where a key shares both of its counters with busier ones. Counts the
/// time it lives in windows, and weighs the one before by how much of it still counts.
struct AccessRates {
  /// What a rate is told for.
  static let window = Duration.seconds(5)
  private static let windowNanoseconds = window.wholeNanoseconds
  private static let rowLength = 8192

  private var current = Self.none
  private var last = Self.none
  /// Monotonic; 0 before the first request.
  private var windowBegan: UInt64 = 0

  private static var none: ContiguousArray<UInt32> {
    ContiguousArray(repeating: 0, count: 2 * rowLength)
  }

  /// - Parameter now: monotonic.
  mutating func note(_ hash: UInt64, at now: UInt64) {
    if windowBegan == 0 || now >= windowBegan &+ Self.windowNanoseconds { roll(to: now) }
    let (first, second) = Self.places(of: hash)
    current[first] &+= 1
    current[second] &+= 1
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

  private mutating func roll(to now: UInt64) {
    let isNext = windowBegan > 0 && now < windowBegan &+ 2 * Self.windowNanoseconds
    if isNext { swap(&current, &last) } else { last = Self.none }
    for index in current.indices { current[index] = 0 }
    windowBegan = isNext ? windowBegan &+ Self.windowNanoseconds : now
  }

  /// The ring gives a shard whole stretches of the upper bits: those below are spread.
  private static func places(of hash: UInt64) -> (Int, Int) {
    let mask = UInt64(rowLength - 1)
    return (Int(hash & mask), rowLength + Int((hash >> 20) & mask))
  }
}
