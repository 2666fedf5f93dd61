package import ClusterModel

/// Where the next call runs. Same call, same view, same seed: same answer. Holds no connection,
/// clock or lock.
package protocol PlacementPolicy: Sendable {
  mutating func place(
    _ call: FunctionCall, on view: ClusterView, using random: inout some RandomNumberGenerator
  ) -> Placement
}

/// What a policy may know of a call.
package struct FunctionCall: Sendable {
  /// The first function to run; of a DAG, its first stage.
  package let function: String
  /// 32 bytes: the bundle that holds it.
  package let bundle: Bytes

  package init(function: String, bundle: Bytes) {
    self.function = function
    self.bundle = bundle
  }
}

/// What a policy may know of the executors, at this moment.
package struct ClusterView: Sendable {
  package struct Load: Equatable, Sendable {
    package var executor: ExecutorID
    /// Calls given to it and not yet answered.
    package var outstanding: Int
    /// Whether it is one of the view's `ready`.
    package var isReady: Bool

    package init(executor: ExecutorID, outstanding: Int, isReady: Bool) {
      self.executor = executor
      self.outstanding = outstanding
      self.isReady = isReady
    }
  }

  /// Every place an executor has or had; what a placement names is an index into this.
  package let places: [Load]
  /// The places that have a credit to give, in no particular order but always the same one.
  package let ready: [Int]
  /// Executors attached, ready or not.
  package let attached: Int

  package init(places: [Load], ready: [Int], attached: Int) {
    self.places = places
    self.ready = ready
    self.attached = attached
  }

  var shortage: Shortage { attached == 0 ? .noExecutor : .allSaturated(executors: attached) }
}

package enum Placement: Equatable, Sendable {
  /// An index into the view's `places`.
  case place(Int, because: PlacementReason)
  case wait(Shortage)
}

/// Why a call went where it went: for logs, status and tests.
package enum PlacementReason: Equatable, Sendable {
  case random(among: Int)
  case turn(of: Int)
  case onlyOneReady
  /// It ran the last call and has none now.
  case idleAndWarm
  case leastOutstanding(Int, over: Int)
  case equallyLoaded(Int)
}

/// Why a call waits.
package enum Shortage: Equatable, Sendable {
  case noExecutor
  case allSaturated(executors: Int)
  /// Too many results wait for their release or the store.
  case resultsWait(count: Int)
}

/// The policies by the names that configuration uses.
package enum PlacementPolicyName: String, CaseIterable, Sendable {
  case leastOutstanding = "least-outstanding"
  case random
  case roundRobin = "round-robin"

  package var policy: any PlacementPolicy {
    switch self {
    case .leastOutstanding: LeastOutstandingPlacement()
    case .random: RandomPlacement()
    case .roundRobin: RoundRobinPlacement()
    }
  }
}
