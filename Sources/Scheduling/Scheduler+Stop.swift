import ClusterModel
import WireProtocol

extension Scheduler {
  /// Calls that run may end; those that wait are answered, or stay behind as intents.
  mutating func stop(at now: Moment, into effects: inout [Effect]) {
    switch phase {
    case .starting, .serving: break
    case .stopping, .stopped: return
    }
    phase = .stopping(
      until: now.nanoseconds.addingSaturating(limits.stopTimeLimit.wholeNanoseconds))
    for index in flights.all(where: { $0.stage == .queued }) {
      answer(index, Self.stopping, into: &effects)
      drop(index)
    }
  }

  /// The time for running calls is up.
  mutating func abandonAll(at now: Moment, into effects: inout [Effect]) {
    for index in flights.all(where: { _ in true }) {
      answer(index, Self.stopping, into: &effects)
      drop(index)
    }
  }

  mutating func finishStopping(into effects: inout [Effect]) {
    guard case .stopping = phase, flights.count == 0 else { return }
    phase = .stopped
    effects.append(.drained)
  }

  private static let stopping = Failure(
    .stopping, "the cluster is stopping; the call did not run to its end")
}
