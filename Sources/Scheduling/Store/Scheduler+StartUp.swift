import ClusterModel
import WireProtocol

/// What a scheduler does before it takes calls: load the registry, and note which intents an
/// earlier life left. They run once calls are taken, as the queue has room.
struct StartUp {
  enum Step: Equatable {
    /// Goes to `readingIndex`.
    case waitingForStore
    /// Goes to `readingRecords`.
    case readingIndex
    /// Goes to itself, page by page, then to `listingIntents`.
    case readingRecords
    /// Goes to itself, page by page, then to `done`.
    case listingIntents
    case done
  }

  var step = Step.waitingForStore
  /// Registry records still to be read.
  var keys: [Key] = []
  /// Intents still to be run, those of the page under way included.
  var intents: [Key] = []
  var pageIsUnderWay = false
  /// How many of `intents` the page under way holds.
  var pageCount = 0
}

extension Scheduler {
  mutating func loadIndex(at now: Moment, into effects: inout [Effect]) {
    startUp.step = .readingIndex
    let keys = [ReservedKeys.functionIndex, ReservedKeys.dagIndex, ReservedKeys.registryVersion]
    send(.get(keys), for: .startUp, at: now, into: &effects)
  }

  mutating func takeStartUp(
    _ response: KeyResponse, at now: Moment, into effects: inout [Effect]
  ) {
    switch startUp.step {
    case .waitingForStore, .done: return
    case .readingIndex:
      takeIndex(response)
      startUp.step = .readingRecords
      readNextRecords(at: now, into: &effects)
    case .readingRecords:
      for tuple in response.tuples { load(tuple, into: &effects) }
      readNextRecords(at: now, into: &effects)
    case .listingIntents:
      startUp.intents += response.tuples.map(\.key)
      guard response.cursor == 0 else {
        let next = KeyRequest.list(ReservedKeys.intentPrefix, cursor: response.cursor)
        send(next, for: .startUp, at: now, into: &effects)
        return
      }
      finishStartUp(into: &effects)
    }
  }

  private mutating func takeIndex(_ response: KeyResponse) {
    for tuple in response.tuples {
      switch tuple.key {
      case ReservedKeys.functionIndex:
        startUp.keys += tuple.setNames.sorted().map(ReservedKeys.function)
      case ReservedKeys.dagIndex:
        startUp.keys += tuple.setNames.sorted().map(ReservedKeys.dag)
      default:
        registry.loaded(version: tuple.payload?.littleEndianNumber ?? 0)
      }
    }
  }

  private mutating func readNextRecords(at now: Moment, into effects: inout [Effect]) {
    guard !startUp.keys.isEmpty else {
      return listIntents(at: now, into: &effects)
    }
    let page = Array(startUp.keys.prefix(limits.storePageSize))
    startUp.keys.removeFirst(page.count)
    send(.get(page), for: .startUp, at: now, into: &effects)
  }

  /// From the first page on. Again after a reconnection: a cursor means nothing to another life of the
  /// store, and an intent that it passed over would never run.
  mutating func listIntents(at now: Moment, into effects: inout [Effect]) {
    startUp.step = .listingIntents
    startUp.intents = []
    stores.removeAll(for: .startUp)
    send(.list(ReservedKeys.intentPrefix, cursor: 0), for: .startUp, at: now, into: &effects)
  }

  /// A name without a record was unregistered: the index only grows.
  private mutating func load(_ tuple: KeyTuple, into effects: inout [Effect]) {
    guard let payload = tuple.payload else { return }
    if tuple.key.bytes.starts(with: ReservedKeys.function("").bytes) {
      guard let function = try? FunctionRecord.decode(payload) else {
        return effects.append(.warn("the registry's record \(tuple.key) cannot be read"))
      }
      registry.load(function)
    } else {
      guard let record = try? DAGRecord.decode(payload),
        let plan = try? DAGPlan(checking: record)
      else { return effects.append(.warn("the registry's record \(tuple.key) cannot be read")) }
      registry.load(plan)
    }
  }

  private mutating func finishStartUp(into effects: inout [Effect]) {
    startUp.step = .done
    startUp.intents.sort()
    if phase == .starting { phase = .serving }
    effects.append(.ready)
  }

  /// Fetches the next intents while the queue is at most half full.
  mutating func resumeIntents(at now: Moment, into effects: inout [Effect]) {
    guard phase == .serving, !startUp.pageIsUnderWay, !startUp.intents.isEmpty,
      queue.count < limits.queuedCallsMax / 2 + 1, queue.byteCount < limits.queuedBytesMax / 2
    else { return }
    let page = startUp.intents.prefix(limits.intentPageSize)
    startUp.pageIsUnderWay = true
    startUp.pageCount = page.count
    // The futures too: the earlier life may have ended between storing one and deleting its intent.
    let keys = page.flatMap { intent in
      [intent, Self.future(ofIntent: intent)].compactMap(\.self)
    }
    send(.get(keys), for: .intentPage, at: now, into: &effects)
  }

  private static func future(ofIntent key: Key) -> Key? {
    let text = key.bytes.dropFirst(ReservedKeys.intentPrefix.bytes.count).text
    return InvocationID(text).map(ReservedKeys.future)
  }

  mutating func takeIntentPage(
    _ response: KeyResponse, at now: Moment, into effects: inout [Effect]
  ) {
    startUp.pageIsUnderWay = false
    startUp.intents.removeFirst(startUp.pageCount)
    startUp.pageCount = 0
    guard phase == .serving else { return }
    let found = response.tuples.filter { $0.payload != nil }.map(\.key)
    let stored = Set(found)
    for tuple in response.tuples {
      guard tuple.key.bytes.starts(with: ReservedKeys.intentPrefix.bytes),
        let payload = tuple.payload
      else { continue }
      if let future = Self.future(ofIntent: tuple.key), stored.contains(future) {
        send(
          .delete([tuple.key], stamp: stamp(at: now)), for: .cleanUp, at: now, into: &effects)
      } else {
        resume(payload, key: tuple.key, at: now, into: &effects)
      }
    }
  }

  private mutating func resume(
    _ payload: Bytes, key: Key, at now: Moment, into effects: inout [Effect]
  ) {
    guard let call = try? Call.decode(payload), let header = try? CallHeader(call.header),
      header.invocation != .none
    else { return effects.append(.warn("the stored intent \(key) cannot be read")) }
    guard flights.index(of: header.invocation) == nil else { return }
    do throws(Failure) {
      let index = flights.insert(try admit(call, header, at: now))
      wakes.set(index, to: flights[index].deadline)
      queue.append(index, byteCount: flights[index].byteCount)
    } catch {
      // Its function is gone, say: the one who waits for the future is told.
      var flight = Flight()
      flight.invocation = header.invocation
      flight.isSubmitted = true
      flight.title = call.dag.isEmpty ? call.function : call.dag
      conclude(flights.insert(flight), with: error, at: now, into: &effects)
    }
  }
}

extension ArraySlice<UInt8> {
  /// Of the first eight bytes.
  fileprivate var littleEndianNumber: UInt64 {
    prefix(8).enumerated().reduce(0) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) }
  }
}
