import ClusterModel
import Glibc
import LocalCluster
import Logging
package import Platform
import Supervision
import ZeroMQ

/// Runs a `PartKeeper`: storage, scheduler and nodes as children of this process.
///
/// They die with the thread that runs this, whatever ends it.
package final class ClusterLauncher {
  private let configuration: DevConfiguration
  private let folder: RunFolder
  private let plan: LaunchPlan
  private let onReady: () -> Void
  private let logger = Logger(part: "dev")
  private var keeper: PartKeeper
  private var poller = Poller()
  private var children: [ClusterPart: PartChild] = [:]
  private var wakeUpAt: UInt64?
  /// The port is ours, and so is the folder.
  private var isBound = false
  private var isStopped = false
  private var failure: Failure?

  private init(_ configuration: DevConfiguration, onReady: @escaping () -> Void) throws {
    self.configuration = configuration
    self.onReady = onReady
    folder = RunFolder(port: configuration.port)
    var random = SystemRandomNumberGenerator()
    plan = try LaunchPlan(
      configuration, folder,
      Incarnation.drawn(atMilliseconds: WallClock.milliseconds, using: &random))
    keeper = PartKeeper(.init(parts: plan.parts))
  }

  /// Runs a cluster on the calling thread until a signal or a client asks for its end.
  ///
  /// - Parameter onReady: called once, when calls can run on every node.
  /// - Throws: `Failure` where the cluster could not start. A part that could not has said why on
  ///   standard error itself: the failure then has no message.
  package static func run(
    _ configuration: DevConfiguration, untilToldBy signals: borrowing Signals,
    onReady: @escaping () -> Void
  ) throws {
    do {
      let launcher = try ClusterLauncher(configuration, onReady: onReady)
      try launcher.folder.takeOver()
      try launcher.folder.create()
      defer { launcher.cleanUp() }
      try launcher.serve(untilToldBy: signals)
      if let failure = launcher.failure { throw failure }
    } catch {
      throw Failure(starting: error, at: ["127.0.0.1:\(configuration.port)"])
    }
  }

  private func serve(untilToldBy signals: borrowing Signals) throws {
    try Files.createFolders(plan.sharedMemoryFolder)
    let asked = poller.watch(descriptor: signals.raw)
    try step(.begin)
    while !isStopped {
      _ = try poller.wait(until: wakeUpAt)
      if poller.isReadable(asked), let signal = try signals.next() { try take(signal) }
      try turn()
    }
  }

  private func take(_ signal: Int32) throws {
    switch signal {
    case SIGHUP: try followStorageNodes()
    case SIGUSR1: return
    default: try step(.stop)
    }
  }

  /// Makes the storage nodes those that the file in the run folder names.
  private func followStorageNodes() throws {
    guard plan.tier != nil, let wanted = StorageNodesFile.read(from: folder)?.numbers,
      !wanted.isEmpty
    else { return }
    let present = keeper.parts.compactMap { part in
      if case .storage(let number) = part { number } else { nil }
    }
    for number in wanted where !present.contains(number) { try step(.add(.storage(number))) }
    for number in present where !wanted.contains(number) { try step(.remove(.storage(number))) }
  }

  private func cleanUp() {
    removeTree(plan.sharedMemoryFolder)
    // Where another cluster won the port, the folder is that one's.
    if isBound || RunFile.read(from: folder)?.isAlive != true { folder.remove() }
  }

  private func turn() throws {
    if let at = wakeUpAt, at <= MonotonicClock.now {
      wakeUpAt = nil
      try step(.timer)
    }
    for part in children.keys.sorted() {
      guard let child = children[part] else { continue }
      for line in child.lines(&poller) { try take(line, from: part) }
      guard let status = try child.process.reap() else { continue }
      // Its last words are in the pipe.
      for line in child.lines(&poller) { try take(line, from: part) }
      child.stopWatching(in: &poller)
      children[part] = nil
      try takeEnd(of: part, status)
    }
  }

  private func take(_ line: PartLine, from part: ClusterPart) throws {
    switch line {
    case .bound:
      isBound = true
      writeRunFile()
    case .ready: try step(.ready(part))
    case .left: try step(.left(part))
    case .shutdown: try step(.stop)
    }
  }

  private func takeEnd(of part: ClusterPart, _ status: ChildProcess.ExitStatus) throws {
    plan.clean(after: part)
    failure = failure ?? startFailure(of: part, status)
    if !keeper.isStarting, !keeper.isStopping, keeper.lives[part]?.hasLeft != true {
      logger.warning("\(part) ended: \(status); it is started again")
      if plan.tier == nil, part == .storage(0), configuration.dataFolder == nil {
        logger.warning("it kept its data in memory only: all keys, functions and results are gone")
      }
    }
    try step(.ended(part))
    if isBound, !keeper.isStopping { writeRunFile() }
  }

  /// Before all parts were ready once, the end of one is the end of the start.
  private func startFailure(of part: ClusterPart, _ status: ChildProcess.ExitStatus) -> Failure? {
    guard keeper.isStarting else { return nil }
    // It has said what is wrong, and its exit code says what kind of wrong.
    if case .exited(let code) = status, code != 0,
      let kind = ErrorCode.allCases.first(where: { $0.exitCode == code })
    {
      return Failure(kind, "")
    }
    return Failure(.unavailable, "\(part) ended while the cluster started (\(status))")
  }

  private func step(_ input: PartKeeper.Input) throws {
    var effects: [PartKeeper.Effect] = []
    keeper.step(input, now: MonotonicClock.now, into: &effects)
    for effect in effects { try perform(effect) }
  }

  private func perform(_ effect: PartKeeper.Effect) throws {
    switch effect {
    case .spawn(let part): try spawn(part)
    case .end(let part): children[part]?.process.signal(SIGTERM)
    case .kill(let part):
      logger.error("\(part) does not end and is killed")
      children[part]?.process.signal(SIGKILL)
    case .leave(let part): children[part]?.process.signal(SIGUSR1)
    case .retired(let part):
      logger.notice("\(part) has handed over its keys and is gone")
      if case .storage(let number) = part { plan.tierFolder?.removeStorage(number) }
    case .wakeUp(let delay):
      let at = MonotonicClock.now + delay.wholeNanoseconds
      wakeUpAt = min(wakeUpAt ?? at, at)
    case .ready:
      writeRunFile()
      onReady()
    case .failed: return
    case .stopped: isStopped = true
    }
  }

  private func spawn(_ part: ClusterPart) throws {
    var command = ChildProcess.Command(
      configuration.daemonProgram, plan.arguments(of: part),
      environment: configuration.environment)
    command.errors = STDERR_FILENO
    // A Ctrl-C is for this process, which ends the parts in their order.
    command.leadsProcessGroup = true
    do {
      let child = try PartChild(command, watchedBy: &poller)
      children[part] = child
      try step(.spawned(part, processID: child.process.id))
      if isBound { writeRunFile() }
    } catch let error as PlatformError {
      logger.error("\(part) cannot be started: \(error)")
      failure = failure ?? (keeper.isStarting ? Failure(starting: error, at: []) : nil)
      try step(.notSpawned(part))
    }
  }

  /// A disk that is full now must not end a cluster that serves.
  private func writeRunFile() {
    let parts = keeper.parts.map { part in
      RunFile.Part(
        name: "\(part)", processID: keeper.lives[part]?.processID ?? 0,
        restarts: keeper.lives[part]?.restarts ?? 0)
    }
    let file = RunFile(
      endpoint: plan.endpoint, dataFolder: configuration.dataFolder,
      sharedMemoryFolder: plan.sharedMemoryFolder, executors: configuration.executors,
      version: PlatformVersion.text, parts: parts)
    do {
      try file.write(to: folder)
    } catch {
      logger.error("the run file cannot be written: \(error)")
    }
  }
}
