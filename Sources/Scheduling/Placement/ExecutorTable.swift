import ClusterModel

/// The executors this scheduler knows, and which of them have a credit to give.
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
    /// Flights whose current attempt it has.
    var outstanding: [Int] = []
    var callsDone: UInt64 = 0
    var isLive = true
  }

  /// Lost executors remembered at most, so that a hello that was on its way when its sender died
  /// is not believed; the oldest are forgotten first.
  private static let lostMax = 256

  private(set) var entries: [Entry] = []
  private var loads: [ClusterView.Load] = []
  private var ready: [Int] = []
  /// Index into `ready`, or -1.
  private var readyPosition: [Int] = []
  private var vacant: [Int] = []
  private var indices: [ExecutorID: Int] = [:]
  private var lost: [ExecutorID] = []
  private(set) var lostCount: UInt64 = 0
  private let credits: Int

  init(credits: Int) { self.credits = credits }

  var view: ClusterView { ClusterView(places: loads, ready: ready, attached: indices.count) }
  var count: Int { indices.count }
  var hasCredit: Bool { !ready.isEmpty }

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
    let load = ClusterView.Load(executor: id, outstanding: 0)
    if index == entries.count {
      entries.append(Entry(processID: processID))
      loads.append(load)
      readyPosition.append(-1)
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

  /// - Returns: the flights it had; nil when it is not in the table.
  mutating func remove(_ id: ExecutorID) -> [Int]? {
    if !lost.contains(id) { lost.append(id) }
    if lost.count > Self.lostMax { lost.removeFirst() }
    guard let index = indices.removeValue(forKey: id) else { return nil }
    lostCount += 1
    let flights = entries[index].outstanding
    entries[index].isLive = false
    entries[index].outstanding = []
    loads[index].outstanding = 0
    updateReadiness(of: index)
    vacant.append(index)
    return flights
  }

  mutating func setState(_ state: State, of index: Int) {
    entries[index].state = state
    updateReadiness(of: index)
  }

  mutating func give(_ flight: Int, to index: Int) {
    entries[index].outstanding.append(flight)
    loads[index].outstanding += 1
    updateReadiness(of: index)
  }

  mutating func take(_ flight: Int, from index: Int, done: Bool) {
    guard let position = entries[index].outstanding.firstIndex(of: flight) else { return }
    entries[index].outstanding.remove(at: position)
    loads[index].outstanding -= 1
    if done { entries[index].callsDone += 1 }
    updateReadiness(of: index)
  }

  private mutating func updateReadiness(of index: Int) {
    let entry = entries[index]
    let isReady =
      entry.isLive && entry.state == .attached && entry.outstanding.count < credits
    let position = readyPosition[index]
    if isReady && position < 0 {
      readyPosition[index] = ready.count
      ready.append(index)
    } else if !isReady && position >= 0 {
      let moved = ready.removeLast()
      if moved != index {
        ready[position] = moved
        readyPosition[moved] = position
      }
      readyPosition[index] = -1
    }
  }
}
