import ClusterModel
import KeyValueStore
import Lattices
import WireProtocol

/// A client that adds to sets, reads and deletes them, one operation at a time, each as often as it
/// takes.
final class TierClient {
  struct Add {
    let key: Int
    let element: String
    let begunAt: UInt64
    let acknowledgedAt: UInt64
    /// A delete of the key was under way while it was, or came later.
    var mayBeDeleted = false
    /// When the delete that came later was acknowledged; `.max` where none was.
    var deletedAt = UInt64.max
    var isDeleted: Bool { deletedAt < .max }
  }

  private enum Deed {
    case read
    case add(String)
    case delete
  }

  private struct Operation {
    let key: Int
    let deed: Deed
    let begunAt: UInt64
    var attempt = 0
    /// What every answer to a read has to hold.
    let expected: [String]
  }

  private unowned let world: TierSimulation
  let number: Int
  let peer: PeerID
  private var view = RingView.none
  /// Who serves hot keys besides their owners, as their first owners told last.
  private var extra: [UInt64: [RingMember]] = [:]
  private var operation: Operation?
  private var requests: UInt64 = 0
  private var isAtReplica = false
  private var adds = 0
  private var deletes: [(key: Int, doneAt: UInt64)] = []
  private var isStopped = false
  private(set) var acknowledged: [Add] = []

  init(number: Int, in world: TierSimulation) {
    self.number = number
    self.world = world
    peer = PeerID("client\(number)")
  }

  func begin() { world.later(.milliseconds(300 + number)) { [self] in next() } }
  func stop() { isStopped = true }

  func hear(of view: RingView) {
    world.later(world.delay()) { [self] in if view.epoch > self.view.epoch { self.view = view } }
  }

  func hear(of list: HotKeyList) {
    world.later(world.delay()) { [self] in
      for key in list.keys { extra[key.hash] = key.replicas.compactMap { RingMember($0) } }
    }
  }

  func judge() {
    guard let operation else { return }
    world.violate(.waitedTooLong("client \(number) still waits for key \(operation.key)"))
  }

  private func next() {
    guard !isStopped else { return }
    let isHot = world.profile.hasHotKeys && world.draw(0...3) > 0
    let key = isHot ? world.hotKey() : world.draw(0...world.profile.keys - 1)
    var deed = Deed.read
    var expected: [String] = []
    if world.profile.deletes, world.draw(0...5) == 0 {
      deed = .delete
      for client in world.clients { client.deleteBegins(of: key) }
    } else if world.draw(0...2) == 0 || (isHot && world.draw(0...3) > 0) {
      expected = world.clients.flatMap { client in
        client.acknowledged.filter {
          $0.key == key && $0.acknowledgedAt < world.now && !$0.mayBeDeleted
        }
      }.map(\.element)
    } else {
      adds += 1
      deed = .add("\(number).\(adds)")
    }
    operation = Operation(key: key, deed: deed, begunAt: world.now, expected: expected)
    send()
  }

  /// From now on nobody may expect what this client has added to the key.
  private func deleteBegins(of key: Int) {
    for index in acknowledged.indices where acknowledged[index].key == key {
      acknowledged[index].mayBeDeleted = true
    }
  }

  private func deleteIsDone(of key: Int, begunAt: UInt64) {
    for index in acknowledged.indices
    where acknowledged[index].key == key && acknowledged[index].acknowledgedAt < begunAt {
      acknowledged[index].deletedAt = min(acknowledged[index].deletedAt, world.now)
    }
    deletes.append((key, world.now))
  }

  /// Whether a delete was under way at a time or later. One that was asked for again may be done again
  /// a little later, too.
  private func isDeleting(_ key: Int, since time: UInt64) -> Bool {
    if let operation, case .delete = operation.deed, operation.key == key { return true }
    let late = Duration.seconds(5).wholeNanoseconds
    return deletes.contains { $0.key == key && $0.doneAt + late > time }
  }

  private func send() {
    guard let operation else { return }
    requests += 1
    let number = requests
    let key = TierSimulation.key(operation.key)
    let hash = StableHash.of(key.bytes)
    let owners = view.owners(of: hash) + (extra[hash] ?? [])
    let first = extra[hash] == nil ? 0 : self.number
    let target = owners.isEmpty ? nil : owners[(first + operation.attempt) % owners.count]
    isAtReplica = target.map { extra[hash]?.contains($0) == true } ?? false
    if let node = world.nodes.first(where: { $0.member == target }), node.isAlive {
      let life = node.incarnation
      let request = request(for: operation, key)
      world.later(world.delay()) { [self] in
        node.receive(.connected(peer, role: .client), in: life)
        node.receive(.request(request, number: number, from: peer), in: life)
      }
    }
    world.later(.milliseconds(400)) { [self] in if requests == number { again() } }
  }

  private func request(for operation: Operation, _ key: Key) -> KeyRequest {
    var request = KeyRequest()
    var tuple = KeyTuple(key: key)
    switch operation.deed {
    case .read: break
    case .delete:
      request.type = .delete
      request.level = world.profile.level
    case .add(let element):
      request.type = .put
      request.level = world.planted == .acknowledgesEarly ? .accepted : world.profile.level
      var set = GrowSet()
      set.insert(Bytes(text: element))
      tuple.record =
        Record(lattice: .set, flags: .blind, payload: set.serialized()[...]).encoded()
    }
    request.tuples = [tuple]
    return request
  }

  private func again() {
    guard var waiting = operation else { return }
    waiting.attempt += 1
    operation = waiting
    let living = world.nodes.filter { $0.isAlive && !$0.isPaused }
    if !living.isEmpty, let ring = living[world.draw(0...living.count - 1)].shard?.ring {
      hear(of: ring)
    }
    world.later(.milliseconds(20)) { [self] in send() }
  }

  func take(_ response: KeyResponse?, _ failure: Failure?, number: UInt64) {
    guard number == requests, let done = operation else { return }
    requests += 1
    let tuple = response?.tuples.first
    let isAbsent = tuple?.failure?.code == .keyNotFound
    guard let tuple, tuple.failure == nil || isAbsent else {
      if tuple?.failure?.code == .wrongOwner { extra = [:] }
      return again()
    }
    if isAtReplica { world.counts.extraOperations += 1 }
    operation = nil
    let waited = Duration.nanoseconds(Int64(world.now - done.begunAt))
    world.counts.longestWait = max(world.counts.longestWait, waited)
    if waited > world.waitMax {
      world.violate(.waitedTooLong("client \(self.number) waited \(waited) for key \(done.key)"))
    }
    switch done.deed {
    case .add(let element):
      world.counts.adds += 1
      var add = Add(
        key: done.key, element: element, begunAt: done.begunAt, acknowledgedAt: world.now)
      add.mayBeDeleted = world.clients.contains { $0.isDeleting(done.key, since: done.begunAt) }
      acknowledged.append(add)
    case .delete:
      world.counts.deletes += 1
      for client in world.clients { client.deleteIsDone(of: done.key, begunAt: done.begunAt) }
    case .read: judge(done, isAbsent ? [] : Self.elements(tuple))
    }
    world.later(.milliseconds(world.draw(1...20))) { [self] in next() }
  }

  private func judge(_ read: Operation, _ held: Set<String>) {
    world.counts.reads += 1
    let mayMiss = world.clients.contains { $0.isDeleting(read.key, since: read.begunAt) }
    if !mayMiss, let missed = read.expected.first(where: { !held.contains($0) }) {
      world.violate(.staleRead("key \(read.key) without \(missed), read at \(read.begunAt)"))
    }
    for client in world.clients {
      let back = client.acknowledged.first {
        $0.key == read.key && held.contains($0.element) && $0.deletedAt < read.begunAt
      }
      if let back {
        world.violate(.cameBack("\(back.element) of key \(read.key), read at \(read.begunAt)"))
      }
    }
  }

  static func elements(_ tuple: KeyTuple) -> Set<String> {
    guard let record = try? Record(tuple.record), let set = try? GrowSet(serialized: record.payload)
    else { return [] }
    return Set(set.elements.map(\.text))
  }
}
