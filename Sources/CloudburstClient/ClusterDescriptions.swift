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
    /// How long that has been there.
    public let runningFor: Duration?
    /// How many calls it has run.
    public let calls: UInt64
    public let processID: Int
    public let node: String
    /// Processes in a row that ended before they could take calls.
    public let failedStarts: Int
  }

  /// A compute node: executors and the cache they share.
  public struct Node: Hashable, Sendable {
    public let name: String
    public let processID: Int
    public let executorsWanted: Int
    public let executorRestarts: UInt64
    public let cachedKeys: UInt64
    public let cachedBytes: UInt64
    /// What the cache may hold of small values; large ones are files beside them.
    public let cacheBytesMax: UInt64
    /// Written here, and not yet with the keys' owners.
    public let dirtyBytes: UInt64
    public let sharedMemoryFolder: String?
  }

  /// Something that is not as it should be.
  public struct Trouble: Hashable, Sendable {
    public let isError: Bool
    /// The node, executor or process.
    public let place: String
    public let message: String
    public let hint: String?
  }

  public struct Process: Hashable, Sendable {
    /// "storage", "scheduler", "node" or "executor".
    public let role: String
    public let name: String
    public let processID: Int
    /// Where it listens; nil for none.
    public let endpoint: String?
  }

  /// A process that the router knows.
  public struct Member: Hashable, Sendable {
    /// "storage", "scheduler" or "node".
    public let role: String
    public let name: String
    /// Which life of that name this is.
    public let incarnation: String
    /// Since it last reported; after the lease of 2 s, and a margin, it is given up.
    public let leaseAge: Duration
    public let processID: Int
    /// Where it listens; of a storage node, one for each shard.
    public let endpoints: [String]
    /// Of a storage node: "placed", "joining", "leaving" or "left"; else nil.
    public let place: String?
    /// By how much its clock is ahead of the router's.
    public let clockLead: Duration
  }

  /// The storage nodes of a cluster with a router.
  public struct Tier: Hashable, Sendable {
    /// Higher with each change of who holds which keys.
    public let ringEpoch: UInt64
    /// False while keys are on their way to where they belong.
    public let isSettled: Bool
    /// Of each key, on different nodes: wanted, and as many as there are now.
    public let copiesConfigured: Int
    public let copiesEffective: Int
    public let storageNodes: Int
    public let shards: Int
    /// Storage nodes that may fail at once without a key being out of reach.
    public let failuresSurvived: Int
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
  /// The worst first.
  public let troubles: [Trouble]
  public let nodes: [Node]
  public let executors: [Executor]
  public let processes: [Process]
  /// By role and name; empty where there is no router.
  public let members: [Member]
  /// Nil where the store is one shard, without a router.
  public let tier: Tier?
  public let functions: Int
  public let dags: Int
  public let callsRunning: UInt64
  public let callsQueued: UInt64
  public let callsDone: UInt64
  public let callsFailed: UInt64
  /// Attempts that were lost with their executor and made again.
  public let callsRetried: UInt64
  /// Refused because a queue was full.
  public let callsOverloaded: UInt64
  /// Calls that ended, failed ones included, over the last ten seconds.
  public let callsPerSecond: Double
  public let failuresPerSecond: Double
  public let executorRestarts: UInt64
  public let keys: UInt64
  public let storedBytes: UInt64
  /// Of `storedBytes`: in memory, the rest is on the disk only.
  public let memoryBytes: UInt64
  /// Keys whose records are on the disk only, at all copies.
  public let coldKeys: UInt64
  public let cachedKeys: UInt64
  public let cachedBytes: UInt64
  /// Writes of calls at level `cached` that the store does not have yet: what would be lost with its
  /// node; and all there have been since the nodes' starts.
  public let earlyWrites: UInt64
  public let earlyWritesEver: UInt64
  /// Cached keys that may be behind the store, because it is silent or was; they are served.
  public let unverifiedKeys: UInt64

  init(_ status: Cloudburst_Control_Status) {
    cluster = String(status.cluster, radix: 16)
    software = status.software
    isAvailable = status.available
    writeLevel = status.writeLevel
    dataFolder = status.dataFolder.nilIfEmpty
    uptime = .milliseconds(Int64(clamping: status.uptimeMilliseconds))
    troubles = status.troubles.map(Trouble.init)
    nodes = status.nodes.map(Node.init)
    executors = status.executors.map(Executor.init)
    processes = status.processes.map(Process.init)
    members = status.members.map(Member.init)
    tier = status.hasTier ? Tier(status.tier) : nil
    functions = Int(status.functions)
    dags = Int(status.dags)
    callsRunning = status.callsRunning
    callsQueued = status.callsQueued
    callsDone = status.callsDone
    callsFailed = status.callsFailed
    callsRetried = status.callsRetried
    callsOverloaded = status.callsOverloaded
    callsPerSecond = status.callsPerSecond
    failuresPerSecond = status.failuresPerSecond
    executorRestarts = status.executorRestarts
    keys = status.keys
    storedBytes = status.storedBytes
    memoryBytes = status.memoryBytes
    coldKeys = status.coldKeys
    cachedKeys = status.cachedKeys
    cachedBytes = status.cachedBytes
    earlyWrites = status.earlyWrites
    earlyWritesEver = status.earlyWritesEver
    unverifiedKeys = status.unverifiedKeys
  }
}

extension ClusterStatus.Executor {
  init(_ status: Cloudburst_Control_ExecutorStatus) {
    self.init(
      id: status.id, state: status.state, function: status.function.nilIfEmpty,
      runningFor: status.function.isEmpty
        ? nil : .milliseconds(Int64(clamping: status.runningMilliseconds)),
      calls: status.calls, processID: Int(status.processID), node: status.node,
      failedStarts: Int(status.failedStarts))
  }
}

extension ClusterStatus.Node {
  init(_ status: Cloudburst_Control_NodeStatus) {
    self.init(
      name: status.name, processID: Int(status.processID),
      executorsWanted: Int(status.executorsWanted), executorRestarts: status.executorRestarts,
      cachedKeys: status.cachedKeys, cachedBytes: status.cachedBytes,
      cacheBytesMax: status.cacheBytesMax, dirtyBytes: status.dirtyBytes,
      sharedMemoryFolder: status.sharedFolder.nilIfEmpty)
  }
}

extension ClusterStatus.Trouble {
  init(_ trouble: Cloudburst_Control_Trouble) {
    self.init(
      isError: trouble.severity >= 4, place: trouble.place, message: trouble.message,
      hint: trouble.hint.nilIfEmpty)
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
  public enum Level: Int, Sendable, CaseIterable { case trace, debug, info, warning, error }

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

extension ClusterStatus.Member {
  init(_ status: Cloudburst_Control_MemberStatus) {
    self.init(
      role: status.role, name: status.name, incarnation: status.incarnation,
      leaseAge: .milliseconds(Int64(clamping: status.leaseAgeMilliseconds)),
      processID: Int(status.processID), endpoints: status.endpoints,
      place: status.place.nilIfEmpty,
      clockLead: .milliseconds(status.clockLeadMilliseconds))
  }
}

extension ClusterStatus.Tier {
  init(_ status: Cloudburst_Control_TierStatus) {
    self.init(
      ringEpoch: status.ringEpoch, isSettled: status.settled,
      copiesConfigured: Int(status.copiesConfigured),
      copiesEffective: Int(status.copiesEffective), storageNodes: Int(status.storageNodes),
      shards: Int(status.shards), failuresSurvived: Int(status.failuresSurvived))
  }
}
