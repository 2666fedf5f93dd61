/// The calls that wait for an executor, by the index of their flight: first come, first served.
///
/// A list linked through two arrays, so that a call cancelled in the middle leaves at once and
/// nothing is kept of it.
struct CallQueue {
  private var next: [Int] = []
  private var previous: [Int] = []
  private(set) var first = -1
  private var last = -1
  private(set) var count = 0
  private(set) var byteCount = 0

  private static let outside = -2
  private static let none = -1

  var isEmpty: Bool { count == 0 }

  mutating func append(_ flight: Int, byteCount bytes: Int) {
    makeRoom(for: flight)
    previous[flight] = last
    next[flight] = Self.none
    if last >= 0 { next[last] = flight } else { first = flight }
    last = flight
    count += 1
    byteCount += bytes
  }

  /// For a call that was on its way already and came back.
  mutating func prepend(_ flight: Int, byteCount bytes: Int) {
    makeRoom(for: flight)
    next[flight] = first
    previous[flight] = Self.none
    if first >= 0 { previous[first] = flight } else { last = flight }
    first = flight
    count += 1
    byteCount += bytes
  }

  mutating func remove(_ flight: Int, byteCount bytes: Int) {
    precondition(contains(flight), "only a queued call leaves the queue")
    let (before, after) = (previous[flight], next[flight])
    if before >= 0 { next[before] = after } else { first = after }
    if after >= 0 { previous[after] = before } else { last = before }
    next[flight] = Self.outside
    count -= 1
    byteCount -= bytes
  }

  func contains(_ flight: Int) -> Bool { flight < next.count && next[flight] != Self.outside }

  private mutating func makeRoom(for flight: Int) {
    while next.count <= flight {
      next.append(Self.outside)
      previous.append(Self.none)
    }
    precondition(next[flight] == Self.outside, "a call waits once")
  }
}
