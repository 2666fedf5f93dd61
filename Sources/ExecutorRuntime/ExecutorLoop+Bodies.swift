import ClusterModel
import Execution
import Glibc
import PluginHost
import WireProtocol

extension ExecutorLoop {
  func startBody(_ run: StageRun) throws {
    guard let bundle = bundles[run.bundle] else {
      preconditionFailure("a stage runs once its bundle is loaded")
    }
    guard let function = bundle.function(named: run.function) else {
      let failure = Failure(
        .functionNotFound, "bundle \(bundle.name) holds no function named '\(run.function)'")
      return try feed(.stageEnded(.refused(failure)))
    }
    guard run.arguments.count == function.parameterCount else {
      let failure = Failure(
        .badArgument,
        "\(run.function)\(function.signature) takes \(function.parameterCount) arguments, "
          + "not \(run.arguments.count)")
      return try feed(.stageEnded(.refused(failure)))
    }
    lastHandle += 1
    memory.begin(asking: run.memoryBytes)
    // A crash with ENOMEM in it is then this call's.
    errno = 0
    let body = RunningBody(
      run, call: lastHandle, of: function, in: bundle, mapped: mapped)
    self.body = body
    switch host.start(body.invocation) {
    case .done: try end(body)
    case .failed:
      // A body that says it failed has, whatever result it gave before.
      if case .result? = body.outcome { body.outcome = nil }
      try end(body)
    case .pending: try settle(body)
    }
  }

  /// Runs one piece of an asynchronous body.
  func runPiece(_ piece: () -> Void) throws {
    piece()
    if let body { try settle(body) }
  }

  /// After a piece of a body: it is over, or it waits and its writes leave.
  private func settle(_ body: RunningBody) throws {
    if body.isComplete { try end(body) } else { try feed(.stageSuspended) }
  }

  private func end(_ body: RunningBody) throws {
    body.isComplete = true
    self.body = nil
    // Whoever still waits for a read is told that it will not be answered.
    for read in body.awaited {
      host.resume(
        body.bundle, token: read.bundleToken, with: .failure(HostRefusal(.staleCall)))
    }
    answers.removeAll()
    let outcome =
      body.outcome
      ?? .failed(
        code: ErrorCode.functionFailed.name,
        message: "\(body.function) ended without a result and without an error")
    try feed(.stageEnded(outcome))
  }

  /// Gives the asynchronous body what its reads found, each as a piece of its own.
  func deliverAnswers() throws {
    let delivered = answers
    answers.removeAll()
    for (token, answer) in delivered {
      guard let body, let place = body.awaited.firstIndex(where: { $0.token == token }) else {
        continue
      }
      let read = body.awaited.remove(at: place)
      let result: Result<StoredView?, HostRefusal>
      do throws(HostRefusal) {
        result = .success(try body.lend(answer))
      } catch {
        result = .failure(error)
      }
      try runPiece { host.resume(body.bundle, token: read.bundleToken, with: result) }
    }
  }
}
