import ClusterModel
import WireProtocol

extension Scheduler {
  mutating func enqueue(
    _ request: RegistryChanges.Request, for asker: Flight.Asker, at now: Moment,
    into effects: inout [Effect]
  ) throws(Failure) {
    let change = RegistryChanges.Change(request: request, asker: asker)
    guard !changes.waiting.contains(change) else { return }
    guard changes.count < limits.registryChangesMax else {
      throw overloaded("\(changes.count) changes of the registry wait for each other")
    }
    changes.append(change)
    if changes.count == 1 { beginChange(at: now, into: &effects) }
  }

  /// Begins the first change that waits; those that fail at once are answered on the way.
  private mutating func beginChange(at now: Moment, into effects: inout [Effect]) {
    while let change = changes.current {
      do throws(Failure) {
        switch change.request {
        case .commit(let digest): readRecord(of: digest, at: now, into: &effects)
        case .putDAG(let plan): try storeDAG(plan, at: now, into: &effects)
        case .deleteDAG(let name): try deleteDAG(name, at: now, into: &effects)
        }
        return
      } catch {
        answer(change.asker, .failure(error), into: &effects)
        changes.finishCurrent()
      }
    }
  }

  func answerChange(_ result: RegistryAnswer, into effects: inout [Effect]) {
    guard let change = changes.current else { return }
    answer(change.asker, result, into: &effects)
  }

  mutating func endChange(
    _ result: RegistryAnswer, at now: Moment, into effects: inout [Effect]
  ) {
    answerChange(result, into: &effects)
    changes.finishCurrent()
    beginChange(at: now, into: &effects)
  }

  mutating func takeChange(
    _ response: KeyResponse, at now: Moment, into effects: inout [Effect]
  ) {
    guard let change = changes.current, let step = changes.step else { return }
    if let failure = response.firstFailure {
      return endChange(.failure(failure), at: now, into: &effects)
    }
    switch (change.request, step) {
    case (.commit(let digest), .readingRecord):
      takeRecord(response, of: digest, at: now, into: &effects)
    case (.commit(let digest), .listingChunks(let record, let missing)):
      takeChunks(response, of: digest, record, missing: missing, at: now, into: &effects)
    case (.commit, .storing(let record, let vanished)) where !vanished.isEmpty:
      remove(vanished, of: record, at: now, into: &effects)
    case (.commit, .storing(let record, let vanished)),
      (.commit, .removing(let record, let vanished)):
      register(record, vanished: vanished, at: now, into: &effects)
    case (.putDAG(let plan), _):
      registry.put(plan)
      endChange(.done, at: now, into: &effects)
    case (.deleteDAG(let name), _):
      registry.removeDAG(name)
      endChange(.done, at: now, into: &effects)
    case (.commit, _): return
    }
  }

  /// What every change of the registry writes besides: how many there were.
  mutating func nextVersion(at now: Moment) -> KeyTuple {
    let number = registry.version + 1
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * $0)) }
    return .value(ReservedKeys.registryVersion, bytes[...], stamp: stamp(at: now))
  }

  private mutating func storeDAG(
    _ plan: DAGPlan, at now: Moment, into effects: inout [Effect]
  ) throws(Failure) {
    try registry.check(plan)
    var record = plan.record
    record.registeredAt = now.wallMilliseconds
    changes.step = .changingDAG
    let request = KeyRequest.put([
      .value(ReservedKeys.dag(record.name), record.encoded(), stamp: stamp(at: now)),
      .names(ReservedKeys.dagIndex, [record.name], stamp: stamp(at: now)),
      nextVersion(at: now),
    ])
    send(request, for: .registryChange, at: now, into: &effects)
  }

  private mutating func deleteDAG(
    _ name: String, at now: Moment, into effects: inout [Effect]
  ) throws(Failure) {
    guard registry.dag(name) != nil else { throw registry.dagNotFound(name) }
    changes.step = .changingDAG
    let request = KeyRequest.delete([ReservedKeys.dag(name)], stamp: stamp(at: now))
    send(request, for: .registryChange, at: now, into: &effects)
    send(.put([nextVersion(at: now)]), for: .cleanUp, at: now, into: &effects)
  }
}
