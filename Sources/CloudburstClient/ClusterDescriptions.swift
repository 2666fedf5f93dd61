import ClusterModel
import ControlProtocol
import FoundationEssentials

/// A registered function.
public struct FunctionDescription: Hashable, Sendable {
  public let name: String
  /// The first 12 hexadecimal digits of the SHA-256 of its bundle.
  public let version: String
  public let bundle: String
  /// As in `(Int, [Double]) -> String`.
  public let signature: String
  public let parameterCount: Int
  public let isAsync: Bool
  /// Milliseconds since 1970.
  public let uploadedAt: UInt64

  init(_ record: Cloudburst_FunctionRecord) {
    name = record.name
    version = ContentDigest(Bytes(record.bundle))?.short ?? ""
    bundle = record.bundleName
    signature = record.signature
    parameterCount = Int(record.parameterCount)
    isAsync = record.isAsync
    uploadedAt = record.uploadedAt
  }
}

/// What a cluster is doing, as one moment saw it.
public struct ClusterStatus: Hashable, Sendable {
  public struct Executor: Hashable, Sendable {
    /// `node/number#incarnation`.
    public let id: String
    /// "starting", "idle" or "busy".
    public let state: String
    /// What it runs now; nil when it is not busy.
    public let function: String?
    /// How many calls it has run.
    public let calls: UInt64
    public let processID: Int
  }

  public struct Process: Hashable, Sendable {
    /// "storage", "scheduler", "node" or "executor".
    public let role: String
    public let name: String
    public let processID: Int
    /// Where it listens; nil for none.
    public let endpoint: String?
  }

  /// The cluster's identity, in hexadecimal digits.
  public let cluster: String
  public let software: String
  /// Whether calls can run.
  public let isAvailable: Bool
  public let writeLevel: String
  /// Nil when everything is in memory only.
  public let dataFolder: String?
  public let uptime: Duration
  public let executors: [Executor]
  public let processes: [Process]
  public let functions: Int
  public let dags: Int
  public let callsRunning: UInt64
  public let callsQueued: UInt64
  public let callsDone: UInt64
  public let callsFailed: UInt64
  public let executorRestarts: UInt64
  public let keys: UInt64
  public let storedBytes: UInt64
  public let cachedKeys: UInt64
  public let cachedBytes: UInt64

  init(_ status: Cloudburst_Control_Status) {
    cluster = String(status.cluster, radix: 16)
    software = status.software
    isAvailable = status.available
    writeLevel = status.writeLevel
    dataFolder = status.dataFolder.nilIfEmpty
    uptime = .milliseconds(Int64(clamping: status.uptimeMilliseconds))
    executors = status.executors.map(Executor.init)
    processes = status.processes.map(Process.init)
    functions = Int(status.functions)
    dags = Int(status.dags)
    callsRunning = status.callsRunning
    callsQueued = status.callsQueued
    callsDone = status.callsDone
    callsFailed = status.callsFailed
    executorRestarts = status.executorRestarts
    keys = status.keys
    storedBytes = status.storedBytes
    cachedKeys = status.cachedKeys
    cachedBytes = status.cachedBytes
  }
}

extension ClusterStatus.Executor {
  init(_ status: Cloudburst_Control_ExecutorStatus) {
    self.init(
      id: status.id, state: status.state, function: status.function.nilIfEmpty,
      calls: status.calls, processID: Int(status.processID))
  }
}

extension ClusterStatus.Process {
  init(_ status: Cloudburst_Control_ProcessStatus) {
    self.init(
      role: status.role, name: status.name, processID: Int(status.processID),
      endpoint: status.endpoint.nilIfEmpty)
  }
}

/// A line of a function's log.
public struct LogLine: Hashable, Sendable {
  public enum Level: Int, Sendable { case trace, debug, info, warning, error }

  public let level: Level
  public let text: String
  /// The request it was written for; nil for an executor's own lines.
  public let requestID: String?
  public let function: String?
  /// Milliseconds since 1970.
  public let time: UInt64
  /// The node and executor.
  public let source: String

  init(_ line: Cloudburst_LogLines.Line) {
    level = Level(rawValue: Int(line.level)) ?? .info
    text = line.text
    let id = InvocationID(wireData: line.invocation)
    requestID = id == InvocationID.none ? nil : id?.description
    function = line.function.nilIfEmpty
    time = line.time
    source = line.source
  }
}

/// Some lines of the log, and where to go on.
public struct LogPage: Hashable, Sendable {
  public let lines: [LogLine]
  /// Pass it to `logs(after:)` for what comes later.
  public let position: UInt64
}
