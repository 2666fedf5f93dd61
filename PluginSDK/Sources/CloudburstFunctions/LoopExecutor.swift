import Synchronization

/// The host's loop as a task executor: what async bodies run on.
@usableFromInline final class LoopExecutor: TaskExecutor {
  private let host: Immortal<cb_host>

  /// One a host, kept for the life of the process as the host is.
  private static let known = Mutex<[UInt: LoopExecutor]>([:])

  static func of(_ host: Immortal<cb_host>) -> LoopExecutor {
    known.withLock { known in
      let key = UInt(bitPattern: host.pointer)
      if let executor = known[key] { return executor }
      let executor = LoopExecutor(host: host)
      known[key] = executor
      return executor
    }
  }

  private init(host: Immortal<cb_host>) {
    self.host = host
  }

  @usableFromInline func enqueue(_ job: consuming ExecutorJob) {
    let turn = UnsafeMutablePointer<Turn>.allocate(capacity: 1)
    turn.initialize(to: Turn(job: UnownedJob(job), executor: asUnownedTaskExecutor()))
    let status = host.pointer.pointee.post(
      host.pointer,
      { context in
        guard let turn = context?.assumingMemoryBound(to: Turn.self) else { return }
        let next = turn.move()
        turn.deallocate()
        next.job.runSynchronously(on: next.executor)
      }, turn)
    // Refused only when the loop has ended, and with it every call this job could belong to.
    if status != cb_status(CB_OK) { turn.deallocate() }
  }
}

private struct Turn {
  let job: UnownedJob
  let executor: UnownedTaskExecutor
}

extension Reply {
  /// Where the call's body runs.
  @usableFromInline var loop: LoopExecutor { LoopExecutor.of(hostCall.host) }
}
