/// What goes wrong in a run, at times and in ways that the seed draws.
extension VirtualCluster {
  func planFault() {
    let interval = world.profile.faultInterval
    guard interval > 0 else { return }
    world.after(world.faultChance.draw(interval / 4...interval * 2)) { [self] in
      guard !world.isHealed else { return }
      faultCount += 1
      strike()
      planFault()
    }
  }

  private func strike() {
    switch world.faultChance.draw(0...99) {
    case 0..<20: killStorage()
    case 20..<30: killScheduler()
    case 30..<40: killAgent()
    case 40..<60: killExecutor()
    case 60..<85: breakLink(apartFor: 0)
    default: breakLink(apartFor: world.faultChance.draw(0...(.milliseconds(800))))
    }
  }

  private func killStorage() {
    guard storage.isAlive, world.profile.hasLog else { return }
    storage.kill()
    history.storageLife += 1
    restart { [storage] in storage.start() }
    // The worst moment for an agent to die: nothing of what it has taken can be with the owner.
    guard world.faultChance.oneIn(4) else { return }
    world.after(world.faultChance.draw(0...(.milliseconds(100)))) { [self] in
      if !world.isHealed { killAgent() }
    }
  }

  private func killScheduler() {
    guard let scheduler, scheduler.isAlive else { return }
    scheduler.kill()
    restart { scheduler.start() }
  }

  /// Cache and supervisor are one process, and its death ends its executors.
  private func killAgent() {
    guard !agents.isEmpty else { return }
    let agent = agents[Int(world.faultChance.draw(0...UInt64(agents.count - 1)))]
    guard agent.cache.isAlive else { return }
    agent.supervisor.kill()
    agent.cache.kill()
    restart { [self] in start(agent) }
  }

  private func killExecutor() {
    let living = agents.flatMap { agent in
      agent.supervisor.executors.sorted { $0.key < $1.key }.map(\.value)
    }
    guard !living.isEmpty else { return }
    living[Int(world.faultChance.draw(0...UInt64(living.count - 1)))].killedFromOutside()
  }

  private func restart(_ start: @escaping () -> Void) {
    world.after(
      world.faultChance.draw(.milliseconds(2)...(.milliseconds(300))), start)
  }

  private func breakLink(apartFor time: UInt64) {
    let links = network.openLinks
    guard !links.isEmpty else { return }
    let link = links[Int(world.faultChance.draw(0...UInt64(links.count - 1)))]
    link.apartUntil = world.now + time
    network.disconnect(link)
  }

  func heal() {
    world.note("the storm is over")
    world.isHealed = true
    for link in network.openLinks { link.apartUntil = 0 }
  }
}
