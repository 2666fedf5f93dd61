/// The versions of a value that nobody has superseded: one after a write that had seen all others,
/// several after writes that had not seen each other.
///
/// A version is a vector clock with the values written at it and, for the multi-key form, the versions
/// of other keys that they depend on. A version goes when another one's clock is above its own.
///
/// The original keeps one clock, the join of all it merged, for all values. That is no lattice: with
/// a at {x:1}, b at {y:1} and c at {x:2}, joining a and b first keeps a, joining b and c first drops
/// it. Each version therefore keeps the clock it was written with.
public struct CausalValue: Lattice, Hashable {
  /// A version of another key that must be visible where this value is.
  public struct Dependency: Hashable, Sendable {
    /// UTF-8.
    public let key: ArraySlice<UInt8>
    public internal(set) var clock: VectorClock

    public init(key: String, clock: VectorClock) {
      self.init(key: ArraySlice(key.utf8), clock: clock)
    }

    init(key: ArraySlice<UInt8>, clock: VectorClock) {
      self.key = key
      self.clock = clock
    }
  }

  public struct Version: Hashable, Sendable {
    public internal(set) var clock: VectorClock
    /// Ascending by key, one a key. Empty in the single-key form.
    public internal(set) var dependencies: [Dependency]
    /// Several where one writer put several, or two writers used one clock.
    public internal(set) var values: GrowSet

    public init(clock: VectorClock, dependencies: [Dependency] = [], values: GrowSet) {
      self.clock = clock
      self.dependencies = Self.normalised(dependencies)
      self.values = values
    }

    /// Says nothing that no version at all does not say, so it is never kept.
    var isEmpty: Bool { clock.isEmpty && dependencies.isEmpty && values.isEmpty }
  }

  /// None of them above another; in one order on every replica.
  public internal(set) var versions: [Version]

  /// Beyond these a payload is refused (`LatticeError.Code.tooLarge`) and two values do not merge: a
  /// write that supersedes the versions has to come first.
  public static let versionsMax = 256
  /// Entries of all clocks of a value together, dependencies included.
  public static let clockEntriesMax = 65_536

  public init() { versions = [] }

  public init(_ versions: some Sequence<Version>) {
    self.versions = []
    for version in versions { absorb(version) }
  }

  /// What a writer has seen who has seen all of it: `clock.incremented(by:)` supersedes everything.
  public var clock: VectorClock {
    versions.reduce(into: VectorClock()) { $0.merge($1.clock) }
  }

  /// Of all versions together.
  public var values: GrowSet { versions.reduce(into: GrowSet()) { $0.merge($1.values) } }

  /// Of all versions together.
  public var dependencies: [Dependency] { Version.normalised(versions.flatMap(\.dependencies)) }

  public var isWithinLimits: Bool {
    versions.count <= Self.versionsMax
      && versions.reduce(0) { $0 + $1.clockEntryCount } <= Self.clockEntriesMax
  }

  @discardableResult
  public mutating func merge(_ other: CausalValue) -> Bool {
    var changed = false
    for version in other.versions { changed = absorb(version) || changed }
    return changed
  }

  @discardableResult
  private mutating func absorb(_ version: Version) -> Bool {
    if version.isEmpty { return false }
    for index in versions.indices {
      switch versions[index].clock.order(to: version.clock) {
      case .equal: return versions[index].join(version)
      case .after: return false
      case .before, .concurrent: continue
      }
    }
    versions.removeAll { $0.clock.order(to: version.clock) == .before }
    let place = versions.firstIndex { version.clock.precedes($0.clock) }
    versions.insert(version, at: place ?? versions.endIndex)
    return true
  }
}

extension CausalValue.Version {
  var clockEntryCount: Int {
    dependencies.reduce(clock.entries.count) { $0 + 1 + $1.clock.entries.count }
  }

  /// Of a version with the same clock.
  fileprivate mutating func join(_ other: Self) -> Bool {
    let before = self
    values.merge(other.values)
    dependencies = Self.normalised(dependencies + other.dependencies)
    return self != before
  }

  static func normalised(_ dependencies: [CausalValue.Dependency]) -> [CausalValue.Dependency] {
    var joined: [CausalValue.Dependency] = []
    for dependency in dependencies.sorted(by: { compareBytes($0.key, $1.key) < 0 }) {
      if let last = joined.last, compareBytes(last.key, dependency.key) == 0 {
        joined[joined.count - 1].clock.merge(dependency.clock)
      } else {
        joined.append(dependency)
      }
    }
    return joined
  }
}
