import ClusterModel
import WireProtocol

extension Scheduler {
  /// The caller gives up: a queued call never starts, a running one is told and its result thrown
  /// away. A call that is over, or another client's, is left alone.
  mutating func cancel(
    _ invocation: InvocationID, from client: Incarnation, at now: Moment,
    into effects: inout [Effect]
  ) {
    guard let index = flights.index(of: invocation), flights[index].client == client,
      !flights[index].isAbandoned, flights[index].verdict == nil
    else { return }
    let failure = Failure(.cancelled, "\(flights[index].title) was cancelled by its caller")
    switch flights[index].stage {
    case .storingIntent:
      answer(index, failure, into: &effects)
      deleteIntent(of: index, at: now, into: &effects)
      drop(index)
    case .queued:
      queue.remove(index, byteCount: flights[index].byteCount)
      conclude(index, with: failure, at: now, into: &effects)
    case .running(let place):
      effects.append(.cancel(invocation, on: executors.id(at: place)))
      abandon(index, failure, at: now, into: &effects)
    case .parked, .readingReference, .storingResult:
      conclude(index, with: failure, at: now, into: &effects)
    case .condemned, .storingFuture: break
    }
  }

  /// The client is gone: nobody waits for its calls. Submitted ones go on, that is their point.
  mutating func forget(_ client: Incarnation, into effects: inout [Effect]) {
    for index in flights.all(where: { $0.client == client }) {
      flights[index].asker = nil
      guard !flights[index].isSubmitted else { continue }
      switch flights[index].stage {
      case .running(let place):
        effects.append(.cancel(flights[index].invocation, on: executors.id(at: place)))
        flights[index].isAbandoned = true
      case .condemned: flights[index].isAbandoned = true
      default: drop(index)
      }
    }
    forgetUploads(of: client)
  }

  func answer(_ index: Int, _ failure: Failure, into effects: inout [Effect]) {
    guard let asker = flights[index].asker else { return }
    refuse(failure, flights[index].invocation, asker, into: &effects)
  }

  /// The executor keeps the call until it ends or is killed; the caller is answered now.
  private mutating func abandon(
    _ index: Int, _ failure: Failure, at now: Moment, into effects: inout [Effect]
  ) {
    if flights[index].isSubmitted {
      // Its future can be stored only once the attempt is over, or a later result would race it.
      flights[index].verdict = failure
      return
    }
    answer(index, failure, into: &effects)
    counts.failed += 1
    flights[index].asker = nil
    flights[index].isAbandoned = true
  }
}
