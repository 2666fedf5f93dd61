import ClusterModel
import Connections
import ExecutorSlots
import Platform
import Supervision
import WireProtocol
import ZeroMQ

extension SupervisorLoop {
  mutating func spawn(_ id: ExecutorID) throws {
    var command = ChildProcess.Command(
      configuration.executorProgram,
      [
        "--node", id.node.name, "--number", "\(id.number)", "--incarnation", "\(id.incarnation)",
        "--agent", "\(configuration.incarnation)",
        "--cluster", "\(configuration.cluster)", "--scheduler", configuration.schedulerEndpoint,
        "--cache", configuration.cacheEndpoint, "--supervisor", listener.endpoints[0],
        "--slots", configuration.slotsPath,
      ], environment: configuration.environment)
    command.dataBytesMax = configuration.executorDataBytesMax
    command.leadsProcessGroup = true
    slots[Int(id.number)].reset(for: id.incarnation)
    do {
      let child = try Child(command, watchedBy: &poller)
      children[id] = child
      try step(.spawned(id, processID: UInt32(child.process.id)))
    } catch let error as PlatformError {
      try step(.notSpawned(id, reason: "\(error)"))
    }
  }

  mutating func takeFromChildren() throws {
    for id in children.keys.sorted() {
      guard let child = children[id] else { continue }
      if poller.isReadable(child.output.slot) || poller.isReadable(child.errors.slot) {
        try takeOutput(of: child, id)
        child.stopWatchingClosedStreams(in: &poller)
      }
      if poller.isReadable(child.endSlot), let ending = try end(of: child) {
        // What it wrote before its end is in the pipes: its last words come first.
        try takeOutput(of: child, id, isEnd: true)
        child.stopWatching(in: &poller)
        children[id] = nil
        events.onReaped(id, UInt32(child.process.id))
        try step(.ended(id, ending, lastStarted: slots[Int(id.number)].started))
      }
    }
  }

  private mutating func takeOutput(
    of child: Child, _ id: ExecutorID, isEnd: Bool = false
  ) throws {
    let (now, wall) = (MonotonicClock.now, WallClock.milliseconds)
    // At its end all that is in the pipes; bounded, for a process it left behind may go on writing.
    for _ in 0..<(isEnd ? OutputStream.turnsAtEnd : 1) {
      for line in child.output.readLines(within: &child.budget, now: now, into: readBuffer) {
        try step(.wrote(id, line: line, isError: false, wallMilliseconds: wall))
      }
      for line in child.errors.readLines(within: &child.budget, now: now, into: readBuffer) {
        try step(.wrote(id, line: line, isError: true, wallMilliseconds: wall))
      }
    }
    try noteDropped(of: child, id, now: now, isEnd: isEnd)
  }

  /// The end of dropped output, and how much was dropped.
  mutating func noteDropped(
    of child: Child, _ id: ExecutorID, now: UInt64, isEnd: Bool
  ) throws {
    let wall = WallClock.milliseconds
    if isEnd {
      for line in child.errors.takeLastDropped() {
        try step(.wrote(id, line: line, isError: true, wallMilliseconds: wall))
      }
    }
    guard let count = child.budget.takeNote(now: now, isEnd: isEnd) else { return }
    let line = LineBudget.note(count, of: "output")
    try step(.wrote(id, line: line, isError: false, wallMilliseconds: wall))
  }

  /// Reaps a child that has ended; whatever it started and left in its process group goes with it.
  func end(of child: Child) throws -> Ending? {
    child.process.killGroup()
    return switch try child.process.reap() {
    case .exited(let code): .exited(code)
    case .signalled(let number): .signalled(number)
    case nil: nil
    }
  }
}
