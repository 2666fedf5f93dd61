import ClusterModel
import WireProtocol

/// What a client waits for.
struct PendingRequest {
  let operation: Operation
  let client: Int
  let link: Link
  /// The connection it went over, and how many frames that had lost: if both stay, an answer is due.
  let epoch: Int
  let lostFrames: Int
  /// `History.moment` when it began.
  let moment: Int
  /// `History.storageLife` when it began: the write may be as old as that.
  let storageLife: Int
  let isBurst: Bool
  var invocation = InvocationID.none
  /// Nanoseconds of virtual time.
  var deadline: UInt64 = 0
  private var ticket: History.Ticket?

  init(
    _ operation: Operation, of client: Int, over link: Link, history: History, isBurst: Bool
  ) {
    self.operation = operation
    self.client = client
    self.link = link
    moment = history.moment
    storageLife = history.storageLife
    self.isBurst = isBurst
    epoch = link.epoch
    lostFrames = link.lostFrames
  }

  /// From here on the write may come into effect. Increments through a function count when a body
  /// makes them: an attempt that is lost may be repeated.
  mutating func note(in history: History) {
    switch operation.kind {
    case .write(let key, let value): ticket = history.begin(value, of: key)
    case .add(let key, let delta) where operation.function == nil: history.attempt(delta, on: key)
    case .insert(let key, let element): history.attempt(element, in: key)
    default: break
    }
  }

  /// What is acknowledged at level `cached` may be lost: it promises nothing.
  func acknowledge(in history: History, at standard: WriteLevel) {
    guard operation.level != .cached else { return }
    let level = History.Level(level: operation.level ?? standard, storageLife: storageLife)
    switch operation.kind {
    case .write:
      if let ticket { history.acknowledge(ticket, at: level, to: client) }
    case .add(let key, let delta): history.acknowledge(delta, on: key, at: level, to: client)
    case .insert(let key, let element):
      history.acknowledge(element, in: key, at: level, to: client)
    case .read, .run: break
    }
  }
}

/// A submitted call that was accepted.
struct PendingFuture {
  let invocation: InvocationID
  let operation: Operation
  let client: Int
  let storageLife: Int

  /// Its register's writes stay unacknowledged for the oracle: later writes of the same client do not
  /// wait for it.
  func ended(in history: History, at standard: WriteLevel) {
    guard operation.level != .cached else { return }
    let level = History.Level(level: operation.level ?? standard, storageLife: storageLife)
    switch operation.kind {
    case .add(let key, let delta): history.acknowledge(delta, on: key, at: level, to: client)
    case .insert(let key, let element):
      history.acknowledge(element, in: key, at: level, to: client)
    default: break
    }
  }
}
