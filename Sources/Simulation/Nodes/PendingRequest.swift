import ClusterModel
import WireProtocol

/// What a client waits for.
struct PendingRequest {
  let operation: Operation
  let link: Link
  /// The connection it went over, and how many frames that had lost: if both stay, an answer is due.
  let epoch: Int
  let lostFrames: Int
  /// `History.mark` of the key when it began.
  let mark: Int
  /// `History.storageLife` when it began: the write may be as old as that.
  let storageLife: Int
  let isBurst: Bool
  var invocation = InvocationID.none
  /// Nanoseconds of virtual time.
  var deadline: UInt64 = 0
  private var ticket: History.Ticket?

  init(_ operation: Operation, over link: Link, history: History, isBurst: Bool) {
    self.operation = operation
    self.link = link
    mark = operation.key.map(history.mark) ?? 0
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

  func acknowledge(in history: History, at standard: WriteLevel) {
    let level = History.Level(level: operation.level ?? standard, storageLife: storageLife)
    switch operation.kind {
    case .write:
      if let ticket { history.acknowledge(ticket, at: level) }
    case .add(let key, let delta): history.acknowledge(delta, on: key, at: level)
    case .insert(let key, let element): history.acknowledge(element, in: key, at: level)
    case .read, .run: break
    }
  }
}

/// A submitted call that was accepted.
struct PendingFuture {
  let invocation: InvocationID
  let operation: Operation
  let storageLife: Int

  /// Its register's writes stay unacknowledged for the oracle: later writes of the same client do not
  /// wait for it.
  func ended(in history: History, at standard: WriteLevel) {
    let level = History.Level(level: operation.level ?? standard, storageLife: storageLife)
    switch operation.kind {
    case .add(let key, let delta): history.acknowledge(delta, on: key, at: level)
    case .insert(let key, let element): history.acknowledge(element, in: key, at: level)
    default: break
    }
  }
}

/// The versions that a client has seen, and what it sends along with a call.
struct SimulatedSession {
  private var versions: [Key: Version] = [:]
  /// Of the store's own answers alone: a cache may know a version that the store has lost.
  private var seenInStore: [Key: Version] = [:]
  private var storage: Incarnation?

  /// A shard that lost its memory may have lost what was seen in it.
  mutating func storageIs(_ incarnation: Incarnation) {
    if let storage, storage != incarnation {
      versions = [:]
      seenInStore = [:]
    }
    storage = incarnation
  }

  /// - Returns: what is wrong with the version of an answer; nil when it is as late as any before.
  mutating func take(_ tuple: KeyTuple) -> String? {
    let seen = seenInStore[tuple.key] ?? .none
    guard tuple.version != .none else {
      // Absent and never deleted: then nothing can have been seen.
      return seen == .none ? nil : "\(tuple.key) has no version after \(seen)"
    }
    seenInStore[tuple.key] = max(seen, tuple.version)
    versions[tuple.key] = max(versions[tuple.key] ?? .none, tuple.version)
    return tuple.version < seen ? "\(tuple.key) is at \(tuple.version) after \(seen)" : nil
  }

  mutating func take(_ result: CallResult) {
    guard let token = try? SessionToken.decode(result.session) else { return }
    for entry in token.entries {
      versions[entry.key] = max(versions[entry.key] ?? .none, entry.version)
    }
  }

  /// `SessionToken` bytes, keys in order.
  var token: Bytes {
    guard !versions.isEmpty else { return [] }
    var token = SessionToken()
    for (key, version) in versions.sorted(by: { $0.key < $1.key }) {
      token.entries.append(.init(key: key, version: version))
    }
    return token.encoded()
  }
}
