import ClusterModel
import Connections
import ControlProtocol
import Platform
import Scheduling

extension SchedulerLoop {
  /// What the scheduler knows by itself.
  func ownStatus() -> Cloudburst_Control_Status {
    var status = Cloudburst_Control_Status()
    status.cluster = configuration.cluster.number
    status.software = configuration.software
    status.available = core.isServing
    status.writeLevel = "\(writeLevel)"
    status.uptimeMilliseconds = (MonotonicClock.now - startedAt) / 1_000_000
    status.functions = UInt32(clamping: core.registry.functionCount)
    status.dags = UInt32(clamping: core.registry.dagCount)
    status.callsRunning = UInt64(core.runningCount)
    status.callsQueued = UInt64(core.queuedCount)
    status.callsDone = core.counts.done
    status.callsFailed = core.counts.failed
    status.executors = core.executorStatus.map { executor in
      var message = Cloudburst_Control_ExecutorStatus()
      message.id = executor.executor.description
      message.state = executor.isBusy ? "busy" : "idle"
      message.function = executor.function
      message.calls = executor.callsDone
      message.processID = executor.processID
      return message
    }
    status.processes = [ownProcess]
    return status
  }

  private var ownProcess: Cloudburst_Control_ProcessStatus {
    var process = Cloudburst_Control_ProcessStatus()
    process.role = "scheduler"
    process.name = configuration.incarnation.description
    process.processID = UInt32(currentProcessID())
    process.endpoint = front.endpoints[0]
    return process
  }
}

extension Cloudburst_Control_Status {
  /// Takes over what another part of the cluster knows. What it does not know is zero or empty
  /// there, so numbers add up and the first text stays.
  mutating func add(_ part: Cloudburst_Control_Status) {
    keys += part.keys
    storedBytes += part.storedBytes
    cachedKeys += part.cachedKeys
    cachedBytes += part.cachedBytes
    executorRestarts += part.executorRestarts
    if dataFolder.isEmpty { dataFolder = part.dataFolder }
    processes += part.processes
    let known = Set(executors.map(\.id))
    // A supervisor also knows the executors that have not said hello yet.
    executors = (executors + part.executors.filter { !known.contains($0.id) })
      .sorted { $0.id < $1.id }
  }
}

extension Cloudburst_Control_Logs {
  /// In the order of their times; a node's lines keep their own order.
  mutating func add(_ part: Cloudburst_Control_Logs) {
    last = max(last, part.last)
    lines = (lines + part.lines).enumerated()
      .sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
      .map(\.element)
  }
}
