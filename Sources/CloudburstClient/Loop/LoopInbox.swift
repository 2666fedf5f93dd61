import ClusterModel
import Platform

/// What other threads leave for the loop: commands, and the pieces of tasks that run on it.
///
/// A sender wakes the loop only where it sleeps, so whoever posts from the loop's own thread, as
/// `CloudburstClient.run` does, pays for no system call and no hand-over between cores.
final class LoopInbox: Sendable {
  enum Command {
    case request(Request, UnsafeContinuation<Outcome, Never>)
    case cancel(ticket: UInt64)
    case watch(ticket: UInt64, Key, WatchSink)
    case unwatch(ticket: UInt64)
    case close(UnsafeContinuation<Void, Never>?)
  }

  private struct State {
    var commands: [Command] = []
    var jobs: [UnownedJob] = []
    var isAsleep = false
    var isEnded = false
  }

  enum Posting { case taken, full, ended }

  /// Requests and watches that may wait for the loop; cancels and the like come on top, at most one
  /// for each of them. Jobs are bounded by the tasks there are.
  let commandsMax: Int
  private let state = Locked(State())
  private let event: EventFD

  init(commandsMax: Int) throws(PlatformError) {
    self.commandsMax = commandsMax
    event = try EventFD()
  }

  var descriptor: Int32 { event.raw }

  /// - isBounded: whether the limit counts: false for what ends something.
  func post(_ command: sending Command, isBounded: Bool) -> Posting {
    let (posting, wakes) = state.withLock { state -> (Posting, Bool) in
      if state.isEnded { return (.ended, false) }
      if isBounded, state.commands.count >= commandsMax { return (.full, false) }
      state.commands.append(command)
      defer { state.isAsleep = false }
      return (.taken, state.isAsleep)
    }
    if wakes { event.signal() }
    return posting
  }

  /// - Returns: false when the loop has ended; the job is still the caller's.
  func post(_ job: UnownedJob) -> Bool {
    let (isTaken, wakes) = state.withLock { state -> (Bool, Bool) in
      if state.isEnded { return (false, false) }
      state.jobs.append(job)
      defer { state.isAsleep = false }
      return (true, state.isAsleep)
    }
    if wakes { event.signal() }
    return isTaken
  }

  /// Moves everything that waits into two empty arrays. - Returns: whether there was anything.
  func take(_ commands: inout [Command], _ jobs: inout [UnownedJob]) -> Bool {
    state.withLock { state in
      state.isAsleep = false
      swap(&commands, &state.commands)
      swap(&jobs, &state.jobs)
    }
    return !commands.isEmpty || !jobs.isEmpty
  }

  /// - Returns: false when something waits; otherwise the next sender signals the descriptor.
  func fallAsleep() -> Bool {
    state.withLock { state in
      state.isAsleep = state.commands.isEmpty && state.jobs.isEmpty
      return state.isAsleep
    }
  }

  /// The loop is awake: what is posted from here on, by itself above all, needs no signal.
  func wakeUp() { state.withLock { $0.isAsleep = false } }

  func clearSignal() { event.clear() }

  /// Nothing is taken from now on. - Returns: what nobody will take any more.
  func end() -> (commands: [Command], jobs: [UnownedJob]) {
    state.withLock { state in
      state.isEnded = true
      defer { (state.commands, state.jobs) = ([], []) }
      return (state.commands, state.jobs)
    }
  }
}
