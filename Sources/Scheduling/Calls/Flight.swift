import ClusterModel
import WireProtocol

/// One call between its acceptance and its end: the in-flight entry, owned by this scheduler.
struct Flight {
  /// No case carries a result, though some have one: Swift 6.3 without optimisation misreads a large
  /// enum that is switched over straight through a `_read` accessor, as `FlightTable` has one.
  enum Stage: Equatable {
    /// A submitted call whose intent is on its way into the store. Goes to `queued`, or ends.
    case storingIntent
    /// Goes to `running`, or ends (cancelled, time limit).
    case queued
    /// At the executor with this index. Goes to `queued` (lost, refused), `condemned`, `parked`,
    /// `storing`, or ends.
    case running(at: Int)
    /// Beyond its deadline, its executor about to be killed. Goes to `storing`, or ends.
    case condemned(at: Int)
    /// Has a result that waits for its release. Goes to `queued` (agent lost), `storing`, or ends.
    case parked
    /// The large result is read, to be stored under the caller's key. Goes to `storingResult`.
    case readingReference
    /// Goes to `storingFuture`, or ends.
    case storingResult
    /// Ends next.
    case storingFuture
  }

  /// Who waits for the answer.
  struct Asker: Equatable {
    let client: Incarnation
    let number: UInt64
  }

  var invocation = InvocationID.none
  /// Place in the order of acceptance: what orders effects that concern many calls.
  var sequence: UInt64 = 0
  var stage = Stage.queued
  var client: Incarnation?
  /// Nil once answered (a submitted call) or when nobody waits any more.
  var asker: Asker?
  var isSubmitted = false
  /// Nobody wants the result: what comes back is thrown away, and a lost attempt is not repeated.
  var isAbandoned = false
  var header = CallHeader(invocation: .none)
  var dispatch = Dispatch()
  /// The DAG's name, or the function's.
  var title = ""
  var byteCount = 0
  var resultKey: Key?
  var timeLimit: UInt64 = 0
  var deadline: UInt64 = 0
  /// Of the current dispatch; pairs the executor's answer with it.
  var dispatchNumber: UInt64 = 0
  /// When the current dispatch left, in `Moment`'s nanoseconds.
  var dispatchedAt: UInt64 = 0
  /// Counts every dispatch: a late answer to an earlier one is told apart by it.
  var attempt: UInt16 = 0
  /// Counts what the retry policy counts: attempts that ran and were lost.
  var lostAttempts = 0
  /// Of these, the attempts whose own code ended the executor.
  var crashedAttempts = 0
  /// Lost attempts after which the call is given up.
  var attemptsMax = Limits.attemptsMax
  /// Where the current or last attempt ran.
  var ranOn: ExecutorID?
  /// What the call ends with whatever its executor still says.
  var verdict: Failure?
  /// The release that came before its result.
  var earlyRelease: Released.Entry?
  /// The executor died after sending the result: its release may have died with it.
  var releaseIsDoubtful = false
  /// Why that executor died.
  var lastLoss: Failure?
  /// The result while it is held here: parked, or on its way into the store.
  var held: CallResult?
  /// The request to the store this flight waits for.
  var storeNumber: UInt64?

  /// Whose share of the flights this is; a submitted call is nobody's.
  fileprivate var waitingClient: Incarnation? { isSubmitted ? nil : client }
}

/// The flights by index, and by invocation. Indices are reused.
struct FlightTable {
  private var flights: [Flight] = []
  private var isLive: [Bool] = []
  private var vacant: [Int] = []
  private var indices: [InvocationID: Int] = [:]
  private var waitedFor: [Incarnation: Int] = [:]
  private var nextSequence: UInt64 = 1

  var count: Int { indices.count }

  func index(of invocation: InvocationID) -> Int? { indices[invocation] }

  /// Calls in flight whose result this client waits for.
  func count(waitedForBy client: Incarnation) -> Int { waitedFor[client] ?? 0 }

  subscript(index: Int) -> Flight {
    _read { yield flights[index] }
    _modify { yield &flights[index] }
  }

  mutating func insert(_ flight: Flight) -> Int {
    var flight = flight
    flight.sequence = nextSequence
    nextSequence += 1
    let index = vacant.popLast() ?? flights.count
    indices[flight.invocation] = index
    if let client = flight.waitingClient { waitedFor[client, default: 0] += 1 }
    if index == flights.count {
      flights.append(flight)
      isLive.append(true)
    } else {
      flights[index] = flight
      isLive[index] = true
    }
    return index
  }

  mutating func remove(_ index: Int) {
    indices[flights[index].invocation] = nil
    if let client = flights[index].waitingClient, let count = waitedFor[client] {
      waitedFor[client] = count > 1 ? count - 1 : nil
    }
    flights[index] = Flight()
    isLive[index] = false
    vacant.append(index)
  }

  /// In the order of acceptance.
  func all(where isWanted: (Flight) -> Bool) -> [Int] {
    flights.indices.filter { isLive[$0] && isWanted(flights[$0]) }
      .sorted { flights[$0].sequence < flights[$1].sequence }
  }
}
