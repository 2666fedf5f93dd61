package import ClusterModel
import WireProtocol

/// One function to run, all its arguments at hand.
package struct StageRun: Equatable, Sendable {
  package enum Argument: Equatable, Sendable {
    case value(encoding: UInt8, Bytes)
    /// The value that this read's look-up found too large to copy; the shell has it mapped.
    case mapped(encoding: UInt8, read: UInt64)
  }

  package var bundle: ContentDigest
  package var function: String
  package var arguments: [Argument]
  package var invocation: InvocationID
  /// From 1.
  package var attempt: UInt32
  /// Private memory that the call asked for, in bytes; nil for the default.
  package var memoryBytes: UInt64?
}

/// How a body ended.
package enum StageOutcome: Equatable, Sendable {
  case result(encoding: UInt8, Bytes)
  /// `code` is one of the plugin ABI's texts, or the author's own.
  case failed(code: String, message: String)
  /// The platform could not run it at all.
  case refused(Failure)
}

/// What is known of the call that is here.
struct RunningCall {
  /// preparing → running at `run`; running → preparing at a stage's end, for the next one.
  enum Phase { case preparing, running }

  let number: UInt64
  let header: CallHeader
  let stages: [Stage]
  let bundles: [ContentDigest]
  let accepts: UInt32
  /// On the monotonic clock.
  let deadline: UInt64?

  var phase = Phase.preparing
  var stage = 0
  /// Of the stages that ended, by index.
  var results: [StageRun.Argument] = []
  /// Of the stage being prepared; `nil` where a read is under way.
  var arguments: [StageRun.Argument?] = []
  var argumentsMissing = 0
  /// Until the stage's bundle is loaded.
  var needsBundle = false
  /// Set while the stage's bundle is asked for.
  var bundleRequestedAt: UInt64?

  var overlay = Overlay()
  var flushDue: UInt64?
  var wrote = false
  /// Why the agent refused some of its writes.
  var writeFailure: Failure?
  var isCancelled = false
  /// The highest write sequence read that was not acknowledged then.
  var readSequence: UInt64 = 0
  /// The least versions that reads may return.
  var known = KnownVersions()
  /// The latest stamp among all of these.
  var clock: UInt64 = 0

  var runStarted: UInt64 = 0
  var runNanoseconds: UInt64 = 0

  var emptyResult: CallResult {
    var result = CallResult()
    result.invocation = header.invocation
    result.attempt = UInt32(header.attempt)
    return result
  }

  var claim: Executor.Claim {
    Executor.Claim(
      number: number, invocation: header.invocation, attempt: header.attempt, function: function,
      bundle: bundles[stage], deadline: deadline)
  }

  var function: String { stages[stage].function }
  var currentStage: Stage { stages[stage] }
  var hasFurtherStages: Bool { stage + 1 < stages.count }
  var isReady: Bool { phase == .preparing && argumentsMissing == 0 && !needsBundle }

  /// Gathers what the stage has: its own values, and the results that feed it.
  ///
  /// - Returns: the bundle it needs.
  mutating func beginStage() -> ContentDigest {
    phase = .preparing
    arguments.removeAll(keepingCapacity: true)
    argumentsMissing = 0
    for argument in stages[stage].arguments {
      if argument.reference.isEmpty {
        arguments.append(.value(encoding: argument.encoding, argument.value))
      } else {
        arguments.append(nil)
        argumentsMissing += 1
      }
    }
    for index in stages[stage].upstream { arguments.append(results[Int(index)]) }
    return bundles[stage]
  }

  mutating func begin(at now: UInt64) -> StageRun {
    phase = .running
    runStarted = now
    return StageRun(
      bundle: bundles[stage], function: function, arguments: arguments.compactMap(\.self),
      invocation: header.invocation, attempt: UInt32(max(1, header.attempt)),
      memoryBytes: header.memoryMebibytes == 0 ? nil : UInt64(header.memoryMebibytes) << 20)
  }

  mutating func noteRun(until now: UInt64) { runNanoseconds += now - runStarted }

  /// A failure that names the function, its version, the executor and the call.
  func named(_ failure: Failure, by executor: ExecutorID) -> Failure {
    var failure = failure
    if failure.function.isEmpty { failure.function = function }
    if failure.version.isEmpty { failure.version = bundles[stage].short }
    if failure.node.isEmpty { failure.node = executor.description }
    failure.requestID = header.invocation
    return failure
  }

  /// Whether its result does not wait for the store, neither for what it wrote nor for what it read.
  var isEarly: Bool { header.writeLevel == .cached }

  /// Takes note of a record that the body now knows; an older one than known changes nothing.
  ///
  /// - Returns: whether it is as late as what was known.
  @discardableResult
  mutating func note(_ record: Record, of key: Key, acknowledged: UInt64) -> Bool {
    let isAcknowledged = record.writeSequence <= acknowledged
    // A version that may be lost is none that later calls could insist on.
    let travels = isAcknowledged || !isEarly
    clock = max(clock, record.stamp)
    if !isAcknowledged { readSequence = max(readSequence, record.writeSequence) }
    return known.take(record.version, of: key, travels: travels)
  }
}
