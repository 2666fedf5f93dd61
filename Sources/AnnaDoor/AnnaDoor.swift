package import ClusterModel
package import WireProtocol

/// The front door for Anna's own clients: translates her one-way messages into requests to the store,
/// which it dials like any other client, and answers each exactly once where it asks to be answered.
///
/// Her clients have no retries and most have no time limit: a request is kept until the store has
/// answered, asked again when the connection to the store is lost (all that she can ask for may be
/// done twice), and answered with `TIMEOUT` when that takes too long. What cannot be read, or names
/// nowhere to answer to, is counted and dropped.
package struct AnnaDoor {
  package enum Input: Equatable, Sendable {
    /// A frame from a key server port (6450 to 6453).
    case addressRequest(Bytes)
    /// A frame from an endpoint that was handed out.
    case keyRequest(Bytes)
    case storeReady
    /// What was asked is answered no more.
    case storeLost
    case storeAnswered(KeyResponse, number: UInt64)
    case storeRefused(Failure, number: UInt64)
    /// The connection that was dialled is up.
    case clientReady(AnswerAddress)
    /// Nobody listens there, the connection has ended, or it takes nothing: what waited is dropped.
    case clientGone(AnswerAddress)
    /// `nextDeadline` has come.
    case timerFired
  }

  package enum Effect: Equatable, Sendable {
    case ask(KeyRequest, number: UInt64)
    /// Opens a connection; `answer` follows, and is sent once it is up.
    case dial(AnswerAddress)
    case answer([UInt8], to: AnswerAddress)
    /// Closes it with whatever still waits.
    case hangUp(AnswerAddress)
  }

  package struct Limits: Equatable, Sendable {
    /// Requests that wait for the store, and their bytes; more are answered with `TIMEOUT` at once.
    package var pendingRequestsMax = 65_536
    package var pendingBytesMax = 256 << 20
    /// Keys of one request; more are answered with `BAD_REQUEST`.
    package var tuplesPerRequestMax = 1024
    /// A request unanswered for so long is answered with `TIMEOUT`: as long as Anna's C++ client waits.
    package var requestPatience = Duration.seconds(10)
    /// Connections to clients; beyond it the one unused for longest is closed, and dialled again when
    /// it is needed.
    package var clientsMax = 256
    /// Of these, such as are not up yet; beyond it the oldest is given up.
    package var dialingMax = 64
    /// How long a client may take until it can be reached.
    package var dialPatience = Duration.seconds(5)

    package init() {}

    func checkRelations() {
      precondition(dialingMax > 0 && dialingMax < clientsMax, "clients that are up keep a place")
      precondition(pendingRequestsMax > 0 && tuplesPerRequestMax > 0, "a request can be served")
    }
  }

  package struct Statistics: Equatable, Sendable {
    package var requests = 0
    /// Frames that are no message, or name no address to answer to.
    package var malformed = 0
    /// Requests turned away because too many wait.
    package var refused = 0
    /// Requests the store did not answer in time.
    package var timedOut = 0
    /// Clients that could not be reached, or were given up for others.
    package var clientsLost = 0

    package init() {}
  }

  /// Complete endpoints at which this door takes key requests.
  package let endpoints: [String]
  let limits: Limits
  var pending: [UInt64: PendingRequest] = [:]
  /// The lowest number that may be pending; numbers and deadlines ascend together.
  var oldest: UInt64 = 1
  var next: UInt64 = 1
  var pendingBytes = 0
  var isStoreReady = false
  var clients: AnswerClients
  package internal(set) var statistics = Statistics()

  package init(endpoints: [String], limits: Limits = Limits()) {
    precondition(!endpoints.isEmpty, "an address request is answered with an endpoint")
    limits.checkRelations()
    self.endpoints = endpoints
    self.limits = limits
    clients = AnswerClients(limits)
  }

  /// Monotonic nanoseconds, as `now` below; nil while nothing waits.
  package var nextDeadline: UInt64? {
    [pending[oldest]?.deadline, clients.deadline].compactMap(\.self).min()
  }

  package mutating func step(_ input: Input, at now: UInt64, into effects: inout [Effect]) {
    switch input {
    case .addressRequest(let frame): serveAddresses(frame, at: now, into: &effects)
    case .keyRequest(let frame): serveKeys(frame, at: now, into: &effects)
    case .storeReady:
      isStoreReady = true
      askAgain(into: &effects)
    case .storeLost: isStoreReady = false
    case .storeAnswered(let response, let number):
      take(response, number: number, at: now, into: &effects)
    case .storeRefused(let failure, let number):
      var response = KeyResponse()
      response.failure = failure
      take(response, number: number, at: now, into: &effects)
    case .clientReady(let address): clients.ready(address)
    case .clientGone(let address): if clients.remove(address) { statistics.clientsLost += 1 }
    case .timerFired: fireTimers(at: now, into: &effects)
    }
  }

  private mutating func fireTimers(at now: UInt64, into effects: inout [Effect]) {
    while let request = pending[oldest], request.deadline <= now {
      statistics.timedOut += 1
      end(oldest, failing: .timeout, at: now, into: &effects)
    }
    for address in clients.takeLate(at: now) { giveUp(address, into: &effects) }
  }

  /// Always with an endpoint: it is the same for every key, and one that is none is refused there.
  private mutating func serveAddresses(
    _ frame: Bytes, at now: UInt64, into effects: inout [Effect]
  ) {
    guard let request = try? AnnaAddressRequest.decode(frame), !request.keys.isEmpty,
      let address = AnswerAddress(request.responseAddress)
    else {
      statistics.malformed += 1
      return
    }
    statistics.requests += 1
    var response = AnnaAddressResponse()
    response.responseID = request.requestID
    response.addresses = request.keys.map { key in
      var entry = AnnaAddressResponse.KeyAddresses()
      entry.key = key.bytes
      entry.endpoints = endpoints
      return entry
    }
    answer(Array(response.encoded()), to: address, at: now, into: &effects)
  }

  mutating func answer(
    _ frame: [UInt8], to address: AnswerAddress, at now: UInt64, into effects: inout [Effect]
  ) {
    if clients.use(address, at: now) {
      for evicted in clients.takeSurplus(keeping: address) { giveUp(evicted, into: &effects) }
      effects.append(.dial(address))
    }
    effects.append(.answer(frame, to: address))
  }

  private mutating func giveUp(_ address: AnswerAddress, into effects: inout [Effect]) {
    statistics.clientsLost += 1
    effects.append(.hangUp(address))
  }
}
