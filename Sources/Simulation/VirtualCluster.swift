import ClusterModel
import WireProtocol

/// The nodes of one run, its faults, and the checks at its end.
final class VirtualCluster {
  /// After the storm: long enough for every time limit, patience and pause to run out.
  static let healingTime = UInt64.seconds(14)

  let world: World
  let network: Network
  let history = History()
  let storage: StorageNode
  /// Nil in a run of clients and the store alone; then there are no agents either.
  let scheduler: SchedulerNode?
  let agents: [(cache: CacheNode, supervisor: SupervisorNode)]
  let clients: [ClientNode]
  var faultCount = 0

  init(in world: World, _ options: SimulationOptions) {
    self.world = world
    let network = Network(world)
    let history = history
    self.network = network
    func clockError() -> Int64 {
      let most = world.profile.clockErrorMax
      return Int64.random(in: -most...most, using: &world.nodeChance)
    }
    let storage = StorageNode(
      in: network, installed: SimulatedRegistry.records, clockError: clockError())
    let scheduler =
      options.hasCompute
      ? SchedulerNode(in: network, storage: storage, clockError: clockError()) : nil
    self.storage = storage
    self.scheduler = scheduler
    agents = (0..<(scheduler == nil ? 0 : world.profile.nodes)).compactMap { number in
      guard let scheduler else { return nil }
      let cache = CacheNode(
        NodeID("node\(number)"), in: network, storage: storage, scheduler: scheduler,
        clockError: clockError())
      let supervisor = SupervisorNode(
        of: cache, in: network, storage: storage, scheduler: scheduler, history: history)
      return (cache, supervisor)
    }
    clients = (0..<world.profile.clients).map { number in
      ClientNode(
        number, in: network, storage: storage, scheduler: scheduler, history: history,
        seed: world.nodeChance.next())
    }
  }

  func run() {
    storage.start()
    scheduler?.start()
    for agent in agents { start(agent) }
    for client in clients { client.start() }
    planFault()
    world.run(until: world.now + world.profile.workTime)
    heal()
    world.run(until: world.now + Self.healingTime)
    if world.violations.isEmpty { checkAtTheEnd() }
  }

  func start(_ agent: (cache: CacheNode, supervisor: SupervisorNode)) {
    agent.cache.start()
    agent.supervisor.start()
  }

  func report(_ options: SimulationOptions) -> SimulationReport {
    SimulationReport(
      seed: options.seed, traceHash: world.trace.hash, violations: world.violations,
      virtualTime: world.now, events: world.eventCount, frames: network.frameCount,
      lostFrames: network.lostCount, faults: faultCount,
      acknowledged: clients.reduce(0) { $0 + $1.acknowledgedCount },
      failed: clients.reduce(0) { $0 + $1.failedCount }, trace: world.trace.lines)
  }

  private func checkAtTheEnd() {
    for client in clients where !client.isQuiet {
      world.violate(.everyCallEnds, "\(client.name) still waits after everything has healed")
    }
    if let scheduler, scheduler.inFlightCount > 0 {
      world.violate(
        .everyCallEnds, "\(scheduler.inFlightCount) calls are in flight after everything has healed"
      )
    }
    checkFutures()
    checkCaches()
    for key in history.keys {
      let finding = storage.record(of: key).map(Finding.init) ?? .absent
      guard let finding else {
        world.violate(.inventedValue, "\(key) cannot be read")
        continue
      }
      let everybody = History.Reader(moment: history.moment)
      if let fault = history.fault(in: finding, of: key, by: everybody) {
        world.violate(fault.oracle, "at the end: \(fault.text)")
      }
    }
  }
  /// Whatever was accepted has a result by now.
  private func checkFutures() {
    for client in clients {
      for invocation in client.accepted
      where storage.record(of: ReservedKeys.future(invocation)) == nil {
        world.violate(
          .everyCallEnds, "\(client.name): the accepted call \(invocation) has no result")
      }
    }
  }

  /// Pushes have had time to arrive: what a cache holds is what the owner has.
  private func checkCaches() {
    for agent in agents {
      for key in agent.cache.memory.keys {
        guard let cached = agent.cache.memory[key], !cached.flags.contains(.partial) else {
          continue
        }
        let owners = storage.record(of: key)
        // The version of a set or counter is its owner's; the one who wrote it is not told of it.
        let isSame =
          owners.map { $0.lattice == cached.lattice && $0.payload == cached.payload }
          ?? cached.isTombstone
        if !isSame {
          world.violate(
            .convergence,
            "\(agent.cache.name) has \(key) at \(cached.version), its owner at "
              + "\(owners?.version ?? .none)")
        }
      }
    }
  }
}
