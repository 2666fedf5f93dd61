import ClusterModel
import WireProtocol

/// Changes of the registry, one after the other: a name is checked and taken in one go.
struct RegistryChanges {
  enum Request: Equatable {
    case commit(ContentDigest)
    case putDAG(DAGPlan)
    case deleteDAG(String)
  }

  struct Change: Equatable {
    let request: Request
    let asker: Flight.Asker
  }

  /// Where the change under way stands. Each goes to the next, or the change ends.
  enum Step: Equatable {
    case readingRecord
    case listingChunks(BundleRecord, missing: Set<UInt32>)
    case probing(BundleRecord, number: UInt64, deadline: UInt64)
    case storing(BundleRecord, vanished: [String])
    case removing(BundleRecord, vanished: [String])
    case changingDAG
  }

  /// The first is under way.
  private(set) var waiting: [Change] = []
  var step: Step?

  var current: Change? { waiting.first }
  var count: Int { waiting.count }

  mutating func append(_ change: Change) { waiting.append(change) }

  mutating func finishCurrent() {
    waiting.removeFirst()
    step = nil
  }

  var probeDeadline: UInt64? {
    if case .probing(_, _, let deadline) = step { deadline } else { nil }
  }
}
