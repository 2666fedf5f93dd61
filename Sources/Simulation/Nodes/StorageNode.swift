import ClusterModel
import KeyValueStore
import Lattices
import WireProtocol

/// The storage process: one shard, its listener and its log.
final class StorageNode: Node {
  private var shard: StorageShard?
  private var disk: VirtualDisk
  private let limits: StorageLimits
  /// What every life finds besides its log: the registry, as an upload has left it.
  private let installed: [(key: Key, record: Record)]
  /// For a planted bug: the first answer to a read of each key.
  private var pastAnswers: [Key: KeyTuple] = [:]

  init(in network: Network, installed: [(key: Key, record: Record)], clockError: Int64) {
    let profile = network.world.profile
    self.installed = installed
    disk = VirtualDisk(planted: network.world.planted)
    limits = Self.limits(tight: profile.tightLimits)
    super.init("storage", in: network, clockError: clockError)
  }

  /// What the oracle holds the shard to; a planted bug may let the shard itself think otherwise.
  private static func limits(tight: Bool) -> StorageLimits {
    var limits = StorageLimits()
    limits.pushPeriod = .milliseconds(20)
    limits.logRetryInterval = .milliseconds(50)
    guard tight else { return limits }
    limits.acknowledgementsWaitingMax = 2
    limits.logBatchRecordsMax = 4
    limits.pushWindowFramesMax = 2
    limits.pushTuplesMax = 3
    limits.listPageKeysMax = 3
    return limits
  }

  private var clocks: StorageShard.Now { .init(wall: wall, monotonic: now) }

  override func begin() {
    var limits = limits
    if world.planted == .unboundedLog { limits.acknowledgementsWaitingMax = .max }
    let hasLog = world.profile.hasLog
    var shard = StorageShard(
      .init(
        actor: incarnation.number, hasLog: hasLog, defaultLevel: hasLog ? .durable : .accepted,
        limits: limits))
    for (key, record) in installed { shard.restore(record, under: key, at: clocks) }
    for (key, record) in disk.contents { shard.restore(record, under: key, at: clocks) }
    self.shard = shard
  }

  override func end() {
    shard = nil
    disk.crash(keeping: world.nodeChance.oneIn(3))
  }

  override func greeted(by link: Link) -> Welcome? {
    step(.connected(link.peer, role: link.hello.role))
    var welcome = Welcome()
    welcome.clock = shard?.latestStamp ?? 0
    welcome.writeLevel = world.profile.hasLog ? .durable : .accepted
    return welcome
  }

  override func lost(peer link: Link) { step(.disconnected(link.peer)) }

  override func take(_ frame: Frame, over link: Link) {
    let number = frame.header.number
    let peer = link.peer
    switch frame.header.kind {
    case .keyRequest:
      guard let request = try? KeyRequest.decode(frame.body) else { return malformed(frame) }
      if world.planted == .countTwice, request.tuples.contains(where: { $0.counterDelta != 0 }) {
        step(.request(request, number: 0, from: PeerID("nobody")))
      }
      step(.request(request, number: number, from: peer))
    case .watch:
      guard let request = try? WatchRequest.decode(frame.body) else { return malformed(frame) }
      step(.watch(request, number: number, from: peer))
    case .unwatch:
      guard let request = try? WatchRequest.decode(frame.body) else { return malformed(frame) }
      let key = request.key.bytes.isEmpty ? nil : request.key
      step(.unwatch(key, number: number, from: peer))
    case .streamAcknowledged: step(.streamAcknowledged(number: number, from: peer))
    default: malformed(frame)
    }
  }

  private func malformed(_ frame: Frame) {
    world.violate(.inventedValue, "storage got a \(frame.header.kind) it cannot read")
  }

  override var nextDeadline: UInt64? { shard?.nextDeadline }
  override func timerFired() {
    if world.planted != .ignoreTimers { step(.timerFired) }
  }

  override func checkBounds() {
    guard let statistics = shard?.statistics else { return }
    if statistics.acknowledgementsWaiting > limits.acknowledgementsWaitingMax {
      world.violate(
        .bounded,
        "\(statistics.acknowledgementsWaiting) requests wait for the log; "
          + "acknowledgementsWaitingMax is \(limits.acknowledgementsWaitingMax)")
    }
    if statistics.storedBytes > limits.memoryBytesMax {
      world.violate(.bounded, "\(statistics.storedBytes) bytes are stored")
    }
  }

  private func step(_ input: StorageShard.Input) {
    guard shard != nil else { return }
    var effects: [StorageShard.Effect] = []
    shard?.step(input, at: clocks, into: &effects)
    for effect in effects { perform(effect) }
  }

  private func perform(_ effect: StorageShard.Effect) {
    switch effect {
    case .reply(let response, let number, let peer):
      send(remembered(response).framed(.keyResponse, number: number), to: peer)
    case .refuse(let failure, let number, let peer):
      send(FailureMessage(failure).framed(.refusal, number: number), to: peer)
    case .push(let response, let number, let peer):
      send(response.framed(.push, number: number), to: peer)
    case .watchEvent(let response, let number, let peer):
      send(response.framed(.watchEvent, number: number), to: peer)
    case .heartbeat(let number, let peer):
      send(Empty().framed(.heartbeat, number: number), to: peer)
    case .commit(let entries): commit(entries)
    case .load: preconditionFailure("there is room in memory for all records")
    case .ring, .replicate, .askHolder, .rangeDigest, .rangeRepair, .replicaWord, .hotKeys,
      .replicated, .settled:
      preconditionFailure("a ring of one tells nobody anything")
    }
  }

  /// A sync takes a while, longer now and then, and sometimes fails: then the batch may be on the
  /// disk or not.
  private func commit(_ entries: [StorageShard.LogEntry]) {
    let isSlow = !world.isHealed && world.nodeChance.oneIn(20)
    let time = world.nodeChance.draw(.microseconds(200)...(.milliseconds(isSlow ? 60 : 2)))
    let fails = !world.isHealed && world.profile.faultInterval > 0 && world.nodeChance.oneIn(200)
    if world.planted == .acknowledgeBeforeSync {
      // The words come first, the disk much later.
      later(1) { [self] in step(.committed) }
      later(.milliseconds(100)) { [self] in disk.write(entries) }
      return later(.milliseconds(101)) { [self] in disk.sync() }
    }
    disk.write(entries)
    later(time) { [self] in
      guard !fails else {
        disk.crash(keeping: world.nodeChance.oneIn(2))
        return step(.commitFailed(reason: "an input/output error"))
      }
      disk.sync()
      step(.committed)
    }
  }

  private func remembered(_ response: KeyResponse) -> KeyResponse {
    guard response.type == .get, world.planted != nil else { return response }
    var response = response
    for index in response.tuples.indices where !response.tuples[index].key.isReserved {
      let tuple = response.tuples[index]
      switch world.planted {
      case .answerFromThePast:
        if pastAnswers[tuple.key] == nil { pastAnswers[tuple.key] = tuple }
        if let past = pastAnswers[tuple.key], world.nodeChance.oneIn(8) {
          response.tuples[index] = past
        }
      case .garbleValues:
        if world.nodeChance.oneIn(50) { response.tuples[index].garble() }
      default: break
      }
    }
    return response
  }

  /// For the final check: what the owner holds of a key.
  func record(of key: Key) -> Record? {
    var request = KeyRequest()
    request.tuples = [KeyTuple(key: key)]
    var effects: [StorageShard.Effect] = []
    shard?.step(.request(request, number: 0, from: PeerID("nobody")), at: clocks, into: &effects)
    for case .reply(let response, _, _) in effects {
      return response.tuples.first.flatMap { try? Record($0.record) }
    }
    return nil
  }
}

extension KeyTuple {
  fileprivate mutating func garble() {
    guard var held = try? Record(record), held.lattice == .lastWriterWins else { return }
    held.payload = Bytes(text: "garbled")
    record = held.encoded()
  }
}
