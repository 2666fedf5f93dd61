package import ClusterModel
package import WireProtocol

/// Keeps a node's executors running and brings bundles to it. `SupervisorLoop` runs it.
///
/// An executor slot is `starting`, then `running` once its process has said hello, then empty again
/// when it has ended; an empty slot is filled at once, or after a growing delay while processes end
/// before they say hello.
package struct Supervisor {
  package struct Configuration: Sendable {
    package var node: NodeID
    package var executors: Int
    /// The first delay before a slot whose process died before its hello is tried again; doubles.
    package var restartDelayMin = Duration.milliseconds(50)
    package var restartDelayMax = Duration.seconds(5)
    /// A bundle that takes longer to load in the spare executor is refused.
    package var probeTimeLimit = Duration.seconds(20)
    package var logLinesMax = 10_000
    /// More bundles wanted at once are answered `OVERLOADED`.
    package var bundlesWantedMax = 256

    package init(node: NodeID, executors: Int) {
      precondition(executors > 0, "a node has at least one executor")
      self.node = node
      self.executors = executors
    }
  }

  /// Who waits for a bundle.
  package enum Asker: Equatable, Sendable {
    case executor(PeerID, number: UInt64)
    case probe(number: UInt64)
  }

  package enum Input: Sendable {
    case begin
    case spawned(ExecutorID, processID: UInt32)
    case notSpawned(ExecutorID, reason: String)
    case saidHello(ExecutorID)
    case wrote(ExecutorID, line: String, isError: Bool, wallMilliseconds: UInt64)
    case logged(ExecutorID, [LogLines.Line])
    /// `lastStarted`: the number of the last dispatch it began; zero for none.
    case ended(ExecutorID, Ending, lastStarted: UInt64 = 0)
    case kill(KillExecutor)
    /// It and what it started have taken so many bytes of memory, more than their limit.
    case overMemory(ExecutorID, used: UInt64, limit: UInt64)
    /// The call it runs is beyond its deadline, as the slot table shows.
    case overdue(ExecutorID)
    case bundleWanted(ContentDigest, by: Asker)
    /// The answer to `fetchBundle`: its record, nil when the store has none.
    case bundleRecord(ContentDigest, BundleRecord?)
    case bundleChunk(ContentDigest, number: Int, Bytes?)
    /// The answer to `install`.
    case installed(ContentDigest, path: String)
    case notInstalled(ContentDigest, Failure)
    /// The spare executor is over; `output` is what it said of the bundle, up to its end.
    case probeEnded(ContentDigest, Ending, output: Bytes, lastWords: LastWords, timedOut: Bool)
    case storeLost
    case timer
    case stop
  }

  package enum Effect: Equatable, Sendable {
    case spawn(ExecutorID)
    /// Ends the process, and those it started, with SIGKILL.
    case kill(ExecutorID)
    case reportLoss(ExecutorLost)
    /// Asks the store for a bundle's record, or a chunk of it.
    case fetchRecord(ContentDigest)
    case fetchChunk(ContentDigest, number: Int)
    /// Check the digest of these bytes, write them to a file named by it.
    case install(ContentDigest, [Bytes])
    case spawnProbe(ContentDigest, path: String, timeLimit: Duration)
    case answerBundle(PeerID, number: UInt64, BundleReady)
    case answerProbe(number: UInt64, BundleRecord)
    case wakeUp(after: Duration)
  }

  struct Slot {
    enum State { case empty, starting, running, ending }
    var id: ExecutorID
    var state = State.empty
    var processID: UInt32 = 0
    var lastWords = LastWords()
    /// Of what functions log; their output has a budget of its own.
    var logBudget = LineBudget()
    /// Why we killed it, where we did.
    var killedFor: Failure?
    /// In a row, before a hello.
    var earlyDeaths = 0
    /// When to fill an empty slot, in `now`'s nanoseconds.
    var restartAt: UInt64?
  }

  let configuration: Configuration
  var slots: [Slot] = []
  var deliveries: [ContentDigest: Delivery] = [:]
  var installedPaths: [ContentDigest: String] = [:]
  var probes: [ContentDigest: [UInt64]] = [:]
  package private(set) var logs: LogRing
  /// Processes that ended and were replaced.
  package internal(set) var restarts: UInt64 = 0
  var isStopping = false

  package init(_ configuration: Configuration) {
    self.configuration = configuration
    logs = LogRing(linesMax: configuration.logLinesMax)
  }

  /// - Parameter now: nanoseconds of a monotonic clock.
  package mutating func step(
    _ input: Input, now: UInt64, using random: inout some RandomNumberGenerator,
    into effects: inout [Effect]
  ) {
    switch input {
    case .begin: begin(now: now, using: &random, into: &effects)
    case .spawned(let id, let processID): update(id) { $0.processID = processID }
    case .notSpawned(let id, let reason):
      note(id, "cannot start: \(reason)", level: 4, at: 0)
      slotEnded(id, now: now, into: &effects)
    case .saidHello(let id):
      update(id) {
        $0.state = .running
        $0.earlyDeaths = 0
      }
    case .wrote(let id, let line, let isError, let time):
      if isError { update(id) { $0.lastWords.append(line) } }
      note(id, line, level: isError ? 3 : 2, at: time)
    case .logged(let id, let lines): take(lines, from: id, now: now)
    case .ended(let id, let ending, let lastStarted):
      executorEnded(id, ending, lastStarted: lastStarted, now: now, into: &effects)
    case .kill(let order): kill(order, into: &effects)
    case .overMemory(let id, let used, let limit):
      endForMemory(id, used: used, limit: limit, into: &effects)
    case .overdue(let id):
      var order = KillExecutor()
      order.executor = id.description
      kill(order, into: &effects)
    case .timer: fillEmptySlots(now: now, using: &random, into: &effects)
    case .stop: stop(into: &effects)
    default: stepBundles(input, into: &effects)
    }
  }

  private mutating func take(_ lines: [LogLines.Line], from id: ExecutorID, now: UInt64) {
    guard let index = slots.firstIndex(where: { $0.id == id }) else { return }
    let source = "\(id.node)/\(id.number)"
    for line in lines {
      guard slots[index].logBudget.take(now: now) else {
        slots[index].logBudget.drop(1, now: now)
        continue
      }
      var line = line
      line.source = source
      logs.append(line)
    }
    if let count = slots[index].logBudget.takeNote(now: now) {
      note(id, LineBudget.note(count, of: "log"), level: 3, at: lines.last?.time ?? 0)
    }
  }

  mutating func note(_ id: ExecutorID, _ text: String, level: UInt32, at time: UInt64) {
    var line = LogLines.Line()
    line.level = level
    line.text = text
    line.time = time
    line.source = "\(id.node)/\(id.number)"
    logs.append(line)
  }

  mutating func update(_ id: ExecutorID, _ change: (inout Slot) -> Void) {
    guard let index = slots.firstIndex(where: { $0.id == id }) else { return }
    change(&slots[index])
  }

  /// For status: every slot's executor; `failedStarts` are processes in a row that ended before
  /// their hello.
  package var executors: [(id: ExecutorID, isRunning: Bool, processID: UInt32, failedStarts: Int)] {
    slots.map { ($0.id, $0.state == .running, $0.processID, $0.earlyDeaths) }
  }
}
