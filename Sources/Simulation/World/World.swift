import ClusterModel

/// Virtual time, chance, and everything that is told about a run. One thread; the same seed gives the
/// same history, event by event.
final class World {
  /// Milliseconds since the epoch when virtual time is zero.
  static let epochMilliseconds: UInt64 = 1_700_000_000_000
  /// A node that asks to be woken so often without time going on polls busily.
  static let wakesPerInstantMax = 2000

  /// Nanoseconds since the world began.
  private(set) var now: UInt64 = 1_000_000_000
  let profile: Profile
  let planted: PlantedBug?
  /// Chance has one stream for each purpose, so that a planted bug that draws less or more leaves
  /// the workload and the faults as they were.
  var networkChance: SplitMix64
  var nodeChance: SplitMix64
  var faultChance: SplitMix64
  var trace: Trace
  private(set) var violations: [Violation] = []
  private(set) var eventCount: UInt64 = 0
  /// The storm is over: no more faults, so that everything can come to its end.
  var isHealed = false
  private var heap = EventHeap()

  init(_ options: SimulationOptions) {
    var seeds = SplitMix64(seed: options.seed)
    profile = Profile(using: &seeds, options: options)
    planted = options.planted
    networkChance = SplitMix64(seed: seeds.next())
    nodeChance = SplitMix64(seed: seeds.next())
    faultChance = SplitMix64(seed: seeds.next())
    trace = Trace(keepsLines: options.keepsTrace)
  }

  func after(_ delay: UInt64, _ action: @escaping () -> Void) {
    heap.insert(at: now + delay, action)
  }

  /// Runs until that time, or until the first violation.
  func run(until end: UInt64) {
    while violations.isEmpty, let event = heap.takeFirst(upTo: end) {
      now = event.time
      eventCount += 1
      event.action()
    }
    now = max(now, end)
  }

  func violate(_ oracle: Violation.Oracle, _ text: String) {
    // One cause breaks many promises: the first ones tell the story.
    guard violations.count < 16 else { return }
    violations.append(Violation(oracle: oracle, time: now, text: text))
    note("VIOLATION \(oracle.rawValue): \(text)")
  }

  func note(_ words: @autoclosure () -> String, bytes: [UInt8] = []) {
    trace.note(at: now, words(), bytes: bytes)
  }
}

extension RandomNumberGenerator {
  /// True once in `count` times.
  mutating func oneIn(_ count: UInt64) -> Bool { count > 0 && next(upperBound: count) == 0 }

  /// True in so many of a thousand cases.
  mutating func permille(_ share: UInt64) -> Bool { next(upperBound: UInt64(1000)) < share }

  mutating func draw(_ range: ClosedRange<UInt64>) -> UInt64 {
    UInt64.random(in: range, using: &self)
  }
}

extension UInt64 {
  static func microseconds(_ count: UInt64) -> UInt64 { count * 1000 }
  static func milliseconds(_ count: UInt64) -> UInt64 { count * 1_000_000 }
  static func seconds(_ count: UInt64) -> UInt64 { count * 1_000_000_000 }
}
