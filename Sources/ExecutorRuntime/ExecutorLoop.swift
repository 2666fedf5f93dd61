package import ClusterModel
import Connections
package import Execution
import ExecutorSlots
import Glibc
import Platform
import PluginHost
import SharedCache
import WireProtocol
package import ZeroMQ

/// An executor process: one thread that takes dispatches, runs functions inline and carries what they
/// ask to the node's cache and supervisor.
///
/// It sleeps in the poller and nowhere else; a waiting read of a synchronous body polls for replies
/// from there, too. Without its node's agent it is of no use, so it ends when it loses one.
package final class ExecutorLoop {
  /// Why the loop ended.
  package enum Ending: Equatable, Sendable {
    /// It holds as many bundles as it may; its successor starts empty.
    case retired
    /// Told to by `stop`.
    case stopped
    case lostAgent(String)
    /// Its node has another process for this id, say.
    case refused(Failure)
  }

  let configuration: ExecutorConfiguration
  private let context: Context
  var core: Executor
  var poller = Poller()
  let turns: TurnQueue
  private(set) lazy var host = PluginHost(services: self, poster: turns)

  var cache: Connection
  var supervisor: Connection
  /// Dialled once the agent's two are there: whoever is known to a scheduler can run calls.
  var scheduler: Connection?
  var reader: CacheReader?
  private var turnSlot: Poller.Slot

  var bundles: [ContentDigest: LoadedBundle] = [:]
  var body: RunningBody?
  /// A stage whose body is to be started by the loop, outside any other.
  var nextRun: StageRun?
  /// Large values that look-ups of the call being prepared found.
  var mapped: [UInt64: LargeValue] = [:]
  /// Answers to reads, in order, until the blocking read or the loop takes them.
  var answers: [(token: UInt64, answer: ReadAnswer)] = []
  var writeRefusal: WriteRefusal?
  var logLines: [LogLines.Line] = []
  /// Room for the effects of a step, kept from one to the next.
  var effectsRoom: [Executor.Effect] = []
  /// Results that no connection took; sent when the scheduler is there again. At most as many as
  /// dispatches waited here when it went away.
  var unsentResults: [[UInt8]] = []
  let slots: SlotTable
  /// The running dispatch as the slot table shows it, and its number.
  var shown = ExecutorSlot.Running()
  var begun: UInt64 = 0
  /// The life of the scheduler that recalls come from.
  var schedulerLife: Incarnation?
  var lastHandle: CallHandle = 0
  var lastToken: UInt64 = 0
  var ending: Ending?
  var memory = MemoryBudget()

  /// On the thread that will run it.
  package init(
    _ configuration: ExecutorConfiguration, in context: Context,
    limits: ExecutorLimits = ExecutorLimits()
  ) throws {
    self.configuration = configuration
    self.context = context
    slots = try SlotTable.opened(at: configuration.slotsPath)
    core = Executor(identity: configuration.identity, limits: limits)
    turns = try TurnQueue()
    turnSlot = poller.watch(descriptor: turns.descriptor)
    let hello = Self.hello(configuration)
    cache = try Connection(to: configuration.cacheEndpoint, as: hello, in: context, &poller)
    supervisor = try Connection(
      to: configuration.supervisorEndpoint, as: hello, in: context, &poller)
  }

  private static func hello(_ configuration: ExecutorConfiguration) -> Hello {
    var hello = Hello()
    hello.role = .executor
    hello.cluster = configuration.cluster.number
    hello.incarnation = configuration.identity.incarnation
    hello.name = configuration.identity.description
    hello.processID = UInt32(getpid())
    hello.agent = configuration.agent
    return hello
  }

  /// Serves until an agent is lost, the process has had its time, or a turn calls `stop`.
  package func run() throws -> Ending {
    defer { turns.close() }
    while true {
      try runWhatIsReady()
      if let ending {
        try sendLogs()
        return ending
      }
      try turnOnce(mayRun: true)
    }
  }

  /// Ends `run` at its next turn. LOOP THREAD ONLY: post a turn that calls it.
  package func stop() { ending = ending ?? .stopped }

  /// Bodies, turns and answers, until there is none: each may bring forth another.
  private func runWhatIsReady() throws {
    while ending == nil {
      if let run = nextRun {
        nextRun = nil
        try startBody(run)
      } else if !answers.isEmpty {
        try deliverAnswers()
      } else {
        let waiting = turns.take()
        if waiting.isEmpty { break }
        for turn in waiting { try runPiece { turn.run() } }
      }
    }
    try sendLogs()
  }

  /// Sleeps until there is news, and takes it.
  func turnOnce(mayRun: Bool) throws {
    // A turn posted while a body waits stays where it is, and would wake the poller for nothing.
    poller.setInterest(mayRun ? .readable : [], of: turnSlot)
    _ = try poller.wait(until: nextDeadline)
    let now = MonotonicClock.now
    if supervisor.hasNews(in: poller) { try takeFromSupervisor() }
    if cache.hasNews(in: poller) { try takeFromCache() }
    if scheduler?.hasNews(in: poller) == true { try takeFromScheduler() }
    if scheduler == nil, cache.isConnected, supervisor.isConnected {
      scheduler = try Connection(
        to: configuration.schedulerEndpoint, as: Self.hello(configuration), in: context, &poller)
    }
    try cache.tend(now: now, &poller)
    try supervisor.tend(now: now, &poller)
    try scheduler?.tend(now: now, &poller)
    if let timer = core.timer, timer <= now { try feed(.timerFired) }
  }

  private var nextDeadline: UInt64? {
    var earliest = core.timer
    earliest.lower(to: cache.deadline)
    earliest.lower(to: supervisor.deadline)
    earliest.lower(to: scheduler?.deadline)
    return earliest
  }

  var readings: Executor.Readings {
    Executor.Readings(
      monotonic: MonotonicClock.now, wall: WallClock.milliseconds,
      acknowledged: reader?.acknowledgedSequence ?? 0)
  }
}
