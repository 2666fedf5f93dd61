import ClusterModel

/// One process of a local cluster of processes.
package enum ClusterPart: Hashable, Comparable, Sendable, CustomStringConvertible {
  case router
  case storage(Int)
  case scheduler
  case node(Int)

  /// A compute node's is its `NodeID`, too; a storage node's its name as a member.
  package var description: String {
    switch self {
    case .router: "router"
    case .storage(let number): "storage\(number)"
    case .scheduler: "scheduler"
    case .node(let number): "node\(number)"
    }
  }
}

/// Keeps the processes of a local cluster running and ends them in order. `ClusterLauncher` runs it.
///
/// All parts are started at once: each copes with others that come later. Until all have been ready
/// once, a part that ends fails the whole start; after that it is started again as a new life, at
/// once the first time, then after a delay that doubles while lives are short. Parts may be added
/// to a cluster that serves; one that is removed first hands over what it holds.
package struct PartKeeper {
  package struct Configuration: Sendable {
    /// Those of the start.
    package let parts: [ClusterPart]
    /// Before the second short life in a row; doubles with each further one.
    package var restartDelayMin = Duration.milliseconds(100)
    package var restartDelayMax = Duration.seconds(5)
    /// A life that was ready for at least this long is not short.
    package var longLife = Duration.seconds(10)
    /// How long each step of an ordered end may take; what is left then is killed.
    package var endPatience = Duration.seconds(8)

    package init(parts: [ClusterPart]) {
      precondition(!parts.isEmpty, "a cluster has parts")
      self.parts = parts
    }
  }

  package enum Input: Equatable, Sendable {
    case begin
    case spawned(ClusterPart, processID: Int32)
    case notSpawned(ClusterPart)
    /// The part says that it serves.
    case ready(ClusterPart)
    /// The process is reaped.
    case ended(ClusterPart)
    /// Only in a cluster that serves.
    case add(ClusterPart)
    /// The part is to hand over what it holds, and is not started again once it has.
    case remove(ClusterPart)
    /// The part says that it has handed over everything.
    case left(ClusterPart)
    case timer
    case stop
  }

  package enum Effect: Equatable, Sendable {
    case spawn(ClusterPart)
    /// Asks the process to end in order.
    case end(ClusterPart)
    case kill(ClusterPart)
    /// Asks the process to hand over what it holds.
    case leave(ClusterPart)
    /// A removed part is over for good.
    case retired(ClusterPart)
    case wakeUp(after: Duration)
    /// All parts serve, for the first time.
    case ready
    /// The start has failed with this part; the others are being ended.
    case failed(ClusterPart)
    /// No process is left.
    case stopped
  }

  package struct Life: Equatable, Sendable {
    package enum State: Equatable, Sendable {
      /// No process. Goes to `starting` at the time, unless the cluster ends.
      case waiting(until: UInt64)
      /// Goes to `serving`, `ending` or `waiting`.
      case starting
      /// Goes to `ending` or `waiting`.
      case serving(since: UInt64)
      /// Told to end. Goes to `over`.
      case ending
      /// For good.
      case over
    }

    package internal(set) var state: State
    package internal(set) var processID: Int32 = 0
    /// Lives before this one.
    package internal(set) var restarts = 0
    /// Its number among those removed is not given again while it is here.
    package internal(set) var isLeaving = false
    package internal(set) var hasLeft = false
    var shortLives = 0
  }

  enum Phase: Equatable {
    case idle
    /// Goes to `serving`, or to `stopping`.
    case starting
    /// Goes to `stopping`.
    case serving
    /// Calls end first, then executors and what they wrote, then the store, then who knows its ring.
    /// Goes to itself, step by step, then to `stopped`.
    case stopping(step: Int, until: UInt64)
    case stopped
  }

  let configuration: Configuration
  package private(set) var lives: [ClusterPart: Life] = [:]
  private(set) var phase = Phase.idle

  package init(_ configuration: Configuration) { self.configuration = configuration }

  /// Not all parts have been ready yet.
  package var isStarting: Bool { phase == .starting }

  package var isStopping: Bool {
    switch phase {
    case .stopping, .stopped: true
    case .idle, .starting, .serving: false
    }
  }

  /// Ascending.
  package var parts: [ClusterPart] { lives.keys.sorted() }

  /// - Parameter now: nanoseconds of a monotonic clock.
  package mutating func step(_ input: Input, now: UInt64, into effects: inout [Effect]) {
    switch input {
    case .begin:
      precondition(phase == .idle, "a keeper begins once")
      phase = .starting
      for part in configuration.parts { lives[part] = Life(state: .waiting(until: now)) }
      fill(now: now, into: &effects)
    case .spawned(let part, let processID): lives[part]?.processID = processID
    case .ready(let part): serves(part, now: now, into: &effects)
    case .notSpawned(let part), .ended(let part): ended(part, now: now, into: &effects)
    case .add(let part):
      guard phase == .serving, lives[part] == nil else { return }
      lives[part] = Life(state: .waiting(until: now))
      fill(now: now, into: &effects)
    case .remove(let part):
      guard phase == .serving, let life = lives[part], !life.isLeaving else { return }
      lives[part]?.isLeaving = true
      if life.isServing { effects.append(.leave(part)) }
    case .left(let part): lives[part]?.hasLeft = true
    case .timer: timer(now: now, into: &effects)
    case .stop: stop(now: now, into: &effects)
    }
  }

  private mutating func fill(now: UInt64, into effects: inout [Effect]) {
    guard phase == .starting || phase == .serving else { return }
    for part in parts {
      guard case .waiting(let time)? = lives[part]?.state else { continue }
      guard time <= now else {
        effects.append(.wakeUp(after: .nanoseconds(time - now)))
        continue
      }
      lives[part]?.state = .starting
      effects.append(.spawn(part))
    }
  }

  private mutating func serves(_ part: ClusterPart, now: UInt64, into effects: inout [Effect]) {
    guard lives[part]?.state == .starting else { return }
    lives[part]?.state = .serving(since: now)
    // A life that ended before it had handed over everything goes on with it.
    if lives[part]?.isLeaving == true { effects.append(.leave(part)) }
    guard phase == .starting, lives.values.allSatisfy(\.isServing) else { return }
    phase = .serving
    effects.append(.ready)
  }

  private mutating func ended(_ part: ClusterPart, now: UInt64, into effects: inout [Effect]) {
    guard let life = lives[part] else { return }
    lives[part]?.processID = 0
    switch phase {
    case .idle, .stopped: return
    case .starting:
      lives[part]?.state = .over
      effects.append(.failed(part))
      stop(now: now, into: &effects)
    case .serving where life.hasLeft:
      lives[part] = nil
      effects.append(.retired(part))
    case .serving:
      var isShort = true
      if case .serving(let since) = life.state {
        isShort = now - since < configuration.longLife.wholeNanoseconds
      }
      let before = isShort ? life.shortLives : 0
      lives[part]?.restarts += 1
      lives[part]?.shortLives = before + 1
      let delay = restartDelay(afterShortLives: before)
      lives[part]?.state = .waiting(until: now + delay.wholeNanoseconds)
      fill(now: now, into: &effects)
    case .stopping:
      lives[part]?.state = .over
      goOnStopping(now: now, into: &effects)
    }
  }

  func restartDelay(afterShortLives lives: Int) -> Duration {
    guard lives > 0 else { return .zero }
    return min(
      configuration.restartDelayMin * (1 << min(lives - 1, 16)), configuration.restartDelayMax)
  }

  private mutating func stop(now: UInt64, into effects: inout [Effect]) {
    switch phase {
    case .stopping, .stopped: return
    case .idle, .starting, .serving: break
    }
    for part in parts {
      if case .waiting? = lives[part]?.state { lives[part]?.state = .over }
    }
    beginStep(0, now: now, into: &effects)
  }

  private static let lastStep = 3

  private func partsOfStep(_ step: Int) -> [ClusterPart] {
    parts.filter { part in
      switch part {
      case .scheduler: step == 0
      case .node: step == 1
      case .storage: step == 2
      case .router: step == Self.lastStep
      }
    }
  }

  private mutating func beginStep(_ step: Int, now: UInt64, into effects: inout [Effect]) {
    phase = .stopping(step: step, until: now + configuration.endPatience.wholeNanoseconds)
    let running = partsOfStep(step).filter { lives[$0]?.isRunning == true }
    for part in running {
      lives[part]?.state = .ending
      effects.append(.end(part))
    }
    if !running.isEmpty { effects.append(.wakeUp(after: configuration.endPatience)) }
    goOnStopping(now: now, into: &effects)
  }

  private mutating func goOnStopping(now: UInt64, into effects: inout [Effect]) {
    guard case .stopping(let step, _) = phase,
      partsOfStep(step).allSatisfy({ lives[$0]?.isRunning != true })
    else { return }
    if step < Self.lastStep {
      beginStep(step + 1, now: now, into: &effects)
    } else {
      phase = .stopped
      effects.append(.stopped)
    }
  }

  private mutating func timer(now: UInt64, into effects: inout [Effect]) {
    fill(now: now, into: &effects)
    guard case .stopping(let step, let time) = phase, time <= now else { return }
    for part in partsOfStep(step) where lives[part]?.isRunning == true {
      effects.append(.kill(part))
    }
  }
}

extension PartKeeper.Life {
  /// Whether there is a process, as far as is known.
  package var isRunning: Bool {
    switch state {
    case .starting, .serving, .ending: true
    case .waiting, .over: false
    }
  }

  package var isServing: Bool {
    if case .serving = state { true } else { false }
  }
}
