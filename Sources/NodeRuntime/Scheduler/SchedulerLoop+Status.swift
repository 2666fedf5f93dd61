import ClusterModel
import Connections
import ControlProtocol
import Platform
import Scheduling

extension SchedulerLoop {
  /// What the scheduler knows by itself.
  func ownStatus() -> Cloudburst_Control_Status {
    let now = MonotonicClock.now
    var status = Cloudburst_Control_Status()
    status.cluster = configuration.cluster.number
    status.software = configuration.software
    status.available = core.isServing && core.executorStatus.contains { $0.processID > 0 }
    status.writeLevel = "\(writeLevel)"
    status.uptimeMilliseconds = (now - startedAt) / 1_000_000
    status.functions = UInt32(clamping: core.registry.functionCount)
    status.dags = UInt32(clamping: core.registry.dagCount)
    addCalls(to: &status, now: now)
    status.executors = core.executorStatus.map { executor in
      var message = Cloudburst_Control_ExecutorStatus()
      message.id = executor.executor.description
      message.node = executor.executor.node.name
      message.state = executor.isBusy ? "busy" : "idle"
      message.function = executor.function
      message.calls = executor.callsDone
      message.processID = executor.processID
      message.runningMilliseconds = executor.since.map { (now - min(now, $0)) / 1_000_000 } ?? 0
      return message
    }
    status.processes = [
      .own(
        role: "scheduler", name: configuration.incarnation.description,
        endpoint: front.endpoints[0])
    ]
    if let at = front.turnedAwayAt, now - min(now, at) < 30_000_000_000 {
      status.troubles.append(
        .init(
          .warning, at: "scheduler", "new connections are turned away: descriptors are running out",
          hint: "raise the limit (ulimit -n), or close connections"))
    }
    return status
  }

  private func addCalls(to status: inout Cloudburst_Control_Status, now: UInt64) {
    status.callsRunning = UInt64(core.runningCount)
    status.callsQueued = UInt64(core.queuedCount)
    status.callsDone = core.counts.done
    status.callsFailed = core.counts.failed
    status.callsRetried = core.counts.retried
    status.callsOverloaded = core.counts.overloaded
    let rates = rates.perSecond(
      now: now, ended: core.counts.ended, failed: core.counts.failed)
    status.callsPerSecond = rates.ended
    status.failuresPerSecond = rates.failed
  }
}

extension Cloudburst_Control_ProcessStatus {
  static func own(role: String, name: String, endpoint: String) -> Self {
    var process = Self()
    process.role = role
    process.name = name
    process.processID = UInt32(currentProcessID())
    process.endpoint = endpoint
    return process
  }
}

extension Cloudburst_Control_Trouble {
  /// How bad it is, as a log line's level.
  enum Severity: UInt32 {
    case warning = 3
    case error = 4
  }

  init(_ severity: Severity, at place: String, _ message: String, hint: String = "") {
    self.init()
    self.severity = severity.rawValue
    self.place = place
    self.message = message
    self.hint = hint
  }
}

extension Cloudburst_Control_Status {
  /// Takes over what another part of the cluster knows. What it does not know is zero or empty
  /// there, so numbers add up and the first text stays.
  mutating func add(_ part: Cloudburst_Control_Status) {
    keys += part.keys
    storedBytes += part.storedBytes
    memoryBytes += part.memoryBytes
    coldKeys += part.coldKeys
    cachedKeys += part.cachedKeys
    cachedBytes += part.cachedBytes
    earlyWrites += part.earlyWrites
    earlyWritesEver += part.earlyWritesEver
    unverifiedKeys += part.unverifiedKeys
    executorRestarts += part.executorRestarts
    if dataFolder.isEmpty { dataFolder = part.dataFolder }
    processes += part.processes
    for node in part.nodes { add(node) }
    if part.hasTier { (tier, members) = (part.tier, part.members) }
    troubles = (troubles + part.troubles).sorted {
      ($1.severity, $0.place) < ($0.severity, $1.place)
    }
    // A supervisor also knows the executors that have not said hello yet.
    var known: [String: Int] = [:]
    for (index, executor) in executors.enumerated() { known[executor.id] = index }
    for executor in part.executors where known[executor.id] == nil { executors.append(executor) }
    executors.sort { $0.id < $1.id }
  }

  /// A node's cache and supervisor each know a part of it.
  private mutating func add(_ part: Cloudburst_Control_NodeStatus) {
    guard let index = nodes.firstIndex(where: { $0.name == part.name }) else {
      nodes.append(part)
      return nodes.sort { $0.name < $1.name }
    }
    nodes[index].processID = max(nodes[index].processID, part.processID)
    nodes[index].executorsWanted += part.executorsWanted
    nodes[index].executorRestarts += part.executorRestarts
    nodes[index].cachedKeys += part.cachedKeys
    nodes[index].cachedBytes += part.cachedBytes
    nodes[index].cacheBytesMax += part.cacheBytesMax
    nodes[index].dirtyBytes += part.dirtyBytes
    if !part.sharedFolder.isEmpty { nodes[index].sharedFolder = part.sharedFolder }
  }
}

extension Cloudburst_Control_Logs {
  /// In the order of their times; a node's lines keep their own order.
  mutating func add(_ part: Cloudburst_Control_Logs) {
    positions += part.positions
    linesLost += part.linesLost
    lines = (lines + part.lines).enumerated()
      .sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
      .map(\.element)
  }
}
