import ClusterModel
import KeyValueStore
import Lattices
import WireProtocol

/// A client that adds to sets and reads them, one operation at a time, each as often as it takes.
final class TierClient {
  struct Add {
    let key: Int
    let element: String
    let acknowledgedAt: UInt64
  }

  private struct Operation {
    let key: Int
    /// Nil: a read.
    let element: String?
    let begunAt: UInt64
    var attempt = 0
    /// What every answer to a read has to hold.
    let expected: [String]
  }

  private unowned let world: TierSimulation
  let number: Int
  let peer: PeerID
  private var view = RingView.none
  private var operation: Operation?
  private var requests: UInt64 = 0
  private var adds = 0
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

  func judge() {
    guard let operation else { return }
    world.violate(.waitedTooLong("client \(number) still waits for key \(operation.key)"))
  }

  private func next() {
    guard !isStopped else { return }
    let key = world.draw(0...world.profile.keys - 1)
    if world.draw(0...2) == 0 {
      let expected = world.clients.flatMap { client in
        client.acknowledged.filter { $0.key == key && $0.acknowledgedAt < world.now }
      }
      operation = Operation(
        key: key, element: nil, begunAt: world.now, expected: expected.map(\.element))
    } else {
      adds += 1
      operation = Operation(
        key: key, element: "\(number).\(adds)", begunAt: world.now, expected: [])
    }
    send()
  }

  private func send() {
    guard let operation else { return }
    requests += 1
    let number = requests
    let key = TierSimulation.key(operation.key)
    let owners = view.owners(of: StableHash.of(key.bytes))
    let target = owners.isEmpty ? nil : owners[operation.attempt % owners.count]
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
    if let element = operation.element {
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
    let isAbsent = done.element == nil && tuple?.failure?.code == .keyNotFound
    guard let tuple, tuple.failure == nil || isAbsent else { return again() }
    operation = nil
    let waited = Duration.nanoseconds(Int64(world.now - done.begunAt))
    world.counts.longestWait = max(world.counts.longestWait, waited)
    if waited > world.waitMax {
      world.violate(.waitedTooLong("client \(self.number) waited \(waited) for key \(done.key)"))
    }
    if let element = done.element {
      world.counts.adds += 1
      acknowledged.append(Add(key: done.key, element: element, acknowledgedAt: world.now))
    } else {
      world.counts.reads += 1
      let held = isAbsent ? [] : Self.elements(tuple)
      if let missed = done.expected.first(where: { !held.contains($0) }) {
        world.violate(.staleRead("key \(done.key) without \(missed), read at \(done.begunAt)"))
      }
    }
    world.later(.milliseconds(world.draw(1...20))) { [self] in next() }
  }

  static func elements(_ tuple: KeyTuple) -> Set<String> {
    guard let record = try? Record(tuple.record), let set = try? GrowSet(serialized: record.payload)
    else { return [] }
    return Set(set.elements.map(\.text))
  }
}
