import ClusterModel

/// The executors this scheduler knows, and which of them have a credit to give.
///
/// Work waits where it can be recalled (design, section 8): an executor with nothing to do takes any
/// call; one that has calls takes a short one only while what it has is measured to take less than
/// `queuedWorkMax`, and at most `creditsPerExecutor` at a time.
struct ExecutorTable {
  enum State: Equatable {
    /// Takes calls while it has credits.
    case attached
    /// Refused a call; takes none until then. Goes to `attached`, or is lost.
    case paused(until: UInt64)
    /// The connection is gone; its supervisor will say why. Goes to `attached`, or is lost.
    case unreachable
    /// Its kill is asked for, and again at this time. Is lost next.
    case condemned(InvocationID, askAgainAt: UInt64)
  }

  struct Entry {
    var state = State.attached
    var processID: UInt32
    /// Flights whose current attempt it has, in the order it was given them, which is the order it
    /// runs them in.
    var outstanding: [Given] = []
    /// What they are estimated to take together, in nanoseconds.
    var work: UInt64 = 0
    /// The number of the last dispatch.
    var lastNumber: UInt64 = 0
    /// When to ask for the calls behind the running one, unless that one ends first.
    var recallDue: UInt64?
    /// Its running call is long: it gets no further one until that has ended.
    var isStalled = false
    var callsDone: UInt64 = 0
    var isLive = true
  }

  struct Given: Equatable {
    let flight: Int
    let work: UInt64
  }

  /// Lost executors remembered at most, so that a hello that was on its way when its sender died
  /// is not believed; the oldest are forgotten first.
  private static let lostMax = 256

  private(set) var entries: [Entry] = []
  private var loads: [ClusterView.Load] = []
  private var idle = PlaceSet()
  private var ready = PlaceSet()
  /// When to look at which executor: a pause is over, a kill or a recall is due.
  private var wakes = WakeHeap()
  private var vacant: [Int] = []
  private var indices: [ExecutorID: Int] = [:]
  private var lost: [ExecutorID] = []
  private(set) var lostCount: UInt64 = 0
  private let credits: Int
  private let workMax: UInt64

  /// - Parameter workMax: in nanoseconds.
  init(credits: Int, workMax: UInt64) {
    self.credits = credits
    self.workMax = workMax
  }

  /// - Parameter work: what the call is estimated to take; nil where nothing is known.
  func view(for work: UInt64?) -> ClusterView {
    let places = idle.isEmpty && work.map { $0 < workMax } == true ? ready.places : idle.places
    return ClusterView(places: loads, ready: places, attached: indices.count)
  }

  var count: Int { indices.count }
  var hasCredit: Bool { !ready.isEmpty }
  var earliestWake: UInt64? { wakes.earliest }

  /// An executor whose time has come; the caller changes its state, and so its next time.
  func due(at now: UInt64) -> Int? { wakes.due(at: now) }

  func index(of id: ExecutorID) -> Int? { indices[id] }
  func id(at index: Int) -> ExecutorID { loads[index].executor }

  /// Indices of all live executors, ascending.
  var live: [Int] { entries.indices.filter { entries[$0].isLive } }

  /// - Returns: nil for a process that is known to be over, whose hello came late.
  mutating func attach(_ id: ExecutorID, processID: UInt32) -> Int? {
    if let known = indices[id] {
      if entries[known].state == .unreachable { entries[known].state = .attached }
      updateReadiness(of: known)
      return known
    }
    guard !lost.contains(id) else { return nil }
    let index = vacant.popLast() ?? entries.count
    let load = ClusterView.Load(executor: id, outstanding: 0, isReady: false)
    if index == entries.count {
      entries.append(Entry(processID: processID))
      loads.append(load)
    } else {
      entries[index] = Entry(processID: processID)
      loads[index] = load
    }
    indices[id] = index
    updateReadiness(of: index)
    return index
  }

  /// Earlier lives of the same executor still in the table: over, now that `id` says hello.
  func predecessors(of id: ExecutorID) -> [ExecutorID] {
    indices.keys.filter {
      $0.node == id.node && $0.number == id.number && $0.incarnation != id.incarnation
    }.sorted()
  }

  /// - Returns: the flights it had, in the order it was given them; nil when it is not in the table.
  mutating func remove(_ id: ExecutorID) -> [Int]? {
    if !lost.contains(id) { lost.append(id) }
    if lost.count > Self.lostMax { lost.removeFirst() }
    guard let index = indices.removeValue(forKey: id) else { return nil }
    lostCount += 1
    let flights = entries[index].outstanding.map(\.flight)
    entries[index].isLive = false
    entries[index].outstanding = []
    entries[index].recallDue = nil
    loads[index].outstanding = 0
    updateReadiness(of: index)
    vacant.append(index)
    return flights
  }

  mutating func setState(_ state: State, of index: Int) {
    entries[index].state = state
    updateReadiness(of: index)
  }

  mutating func give(
    _ flight: Int, work: UInt64?, number: UInt64, to index: Int, recallDue: UInt64
  ) {
    let given = Given(flight: flight, work: min(work ?? workMax, workMax))
    entries[index].outstanding.append(given)
    entries[index].work += given.work
    entries[index].lastNumber = number
    loads[index].outstanding += 1
    if entries[index].outstanding.count == 2 { entries[index].recallDue = recallDue }
    updateReadiness(of: index)
  }

  /// - Parameter recallDue: given where the executor ended the call, and so goes on to the next.
  mutating func take(_ flight: Int, from index: Int, recallDue: UInt64? = nil) {
    guard let position = entries[index].outstanding.firstIndex(where: { $0.flight == flight })
    else { return }
    entries[index].work -= entries[index].outstanding[position].work
    entries[index].outstanding.remove(at: position)
    loads[index].outstanding -= 1
    if let recallDue {
      entries[index].callsDone += 1
      entries[index].isStalled = false
      entries[index].recallDue = recallDue
    }
    if entries[index].outstanding.count < 2 { entries[index].recallDue = nil }
    updateReadiness(of: index)
  }

  /// - Parameter askAgainAt: in case the answer does not come.
  mutating func recall(at index: Int, askAgainAt: UInt64) {
    entries[index].isStalled = true
    entries[index].recallDue = askAgainAt
    updateReadiness(of: index)
  }

  private mutating func updateReadiness(of index: Int) {
    let entry = entries[index]
    let takesCalls = entry.isLive && entry.state == .attached
    let isIdle = takesCalls && entry.outstanding.isEmpty
    idle.set(index, isIdle)
    let isReady =
      isIdle
      || takesCalls && !entry.isStalled && entry.outstanding.count < credits
        && entry.work < workMax
    ready.set(index, isReady)
    loads[index].isReady = isReady
    if let time = entry.wakeTime { wakes.set(index, to: time) } else { wakes.remove(index) }
  }
}

extension ExecutorTable.Entry {
  fileprivate var wakeTime: UInt64? {
    guard isLive else { return nil }
    switch state {
    case .attached: return recallDue
    case .paused(let time): return min(time, recallDue ?? time)
    case .condemned(_, let time): return time
    case .unreachable: return nil
    }
  }
}

/// Some of the table's places, in no particular order but always the same one.
private struct PlaceSet {
  private(set) var places: [Int] = []
  /// Index into `places`, or -1.
  private var positions: [Int] = []

  var isEmpty: Bool { places.isEmpty }

  mutating func set(_ place: Int, _ isMember: Bool) {
    while positions.count <= place { positions.append(-1) }
    let position = positions[place]
    if isMember && position < 0 {
      positions[place] = places.count
      places.append(place)
    } else if !isMember && position >= 0 {
      let moved = places.removeLast()
      if moved != place {
        places[position] = moved
        positions[moved] = position
      }
      positions[place] = -1
    }
  }
}
