import ClusterModel
import WireProtocol

/// A simulated process: what a loop of `NodeRuntime` is for real. It owns a core while it lives, turns
/// frames into inputs and effects into frames, and loses everything in memory when it is killed.
class Node {
  unowned let network: Network
  var world: World { network.world }
  let name: String
  /// Milliseconds by which its wall clock is off.
  let clockError: Int64
  private(set) var isAlive = false
  /// Counts its lives.
  private(set) var life = 0
  private(set) var incarnation = Incarnation(0)
  /// Peers that said hello to this life, by routing id.
  var peers: [PeerID: Link] = [:]
  /// Connections this life has dialed.
  private var dialed: [Link] = []
  private var plannedWake: UInt64?
  private var wakesAtThisInstant = (time: UInt64(0), count: 0)

  init(_ name: String, in network: Network, clockError: Int64) {
    self.network = network
    self.name = name
    self.clockError = clockError
  }

  var now: UInt64 { world.now }
  /// Milliseconds since the epoch, as this node's clock has it.
  var wall: UInt64 {
    UInt64(Int64(World.epochMilliseconds + world.now / 1_000_000) + clockError)
  }

  // What a kind of node does; called by this class and the network only.

  /// A new life begins.
  func begin() {}
  /// The life is over: everything in memory is forgotten.
  func end() {}
  /// When `timerFired` is due; nil when nothing waits for time.
  var nextDeadline: UInt64? { nil }
  func timerFired() {}
  /// Somebody says hello; nil refuses, the peer tries again.
  func greeted(by link: Link) -> Welcome? { nil }
  /// The peer's welcome is on its way: what is sent now arrives after it.
  func welcomed(_ link: Link) {}
  /// A peer that had said hello cannot be reached any more, or has a new life.
  func lost(peer link: Link) {}
  func connected(_ link: Link, _ welcome: Welcome) {}
  /// A dialed connection that was welcome is gone.
  func disconnected(_ link: Link) {}
  func take(_ frame: Frame, over link: Link) {}
  /// Compares its tables with their limits.
  func checkBounds() {}

  final func start() {
    precondition(!isAlive, "a node is started when it is dead")
    isAlive = true
    life += 1
    incarnation = Incarnation.drawn(atMilliseconds: wall, using: &world.nodeChance)
    world.note("\(name) starts life \(life)")
    begin()
    settle()
  }

  final func kill() {
    guard isAlive else { return }
    world.note("\(name) is killed")
    isAlive = false
    end()
    for link in dialed { network.hangUp(link) }
    dialed = []
    network.breakAll(to: self)
    peers = [:]
    plannedWake = nil
  }

  final func dial(_ listener: Node, as role: PeerRole, named name: String?) -> Link {
    var hello = Hello()
    hello.role = role
    hello.incarnation = incarnation
    hello.name = name ?? self.name
    let link = network.dial(from: self, to: listener, hello, isNamed: name != nil)
    dialed.append(link)
    return link
  }

  /// Runs what happens to a living node, and plans its next wake-up.
  final func happen(_ action: () -> Void) {
    guard isAlive else { return }
    action()
    settle()
  }

  /// After a delay, if the node still lives the same life then.
  final func later(_ delay: UInt64, _ action: @escaping () -> Void) {
    let planned = life
    world.after(delay) { [self] in
      guard isAlive, life == planned else { return }
      action()
      settle()
    }
  }

  private func settle() {
    guard isAlive else { return }
    checkBounds()
    guard let due = nextDeadline else { return }
    let time = max(due, now)
    if let plannedWake, plannedWake <= time, plannedWake >= now { return }
    plannedWake = time
    let planned = life
    world.after(time - now) { [self] in
      guard isAlive, life == planned, plannedWake == time else { return }
      plannedWake = nil
      noteWake()
      if let due = nextDeadline, due <= now { timerFired() }
      settle()
    }
  }

  private func noteWake() {
    guard wakesAtThisInstant.time == now else {
      wakesAtThisInstant = (now, 1)
      return
    }
    wakesAtThisInstant.count += 1
    if wakesAtThisInstant.count == World.wakesPerInstantMax {
      world.violate(.busyPolling, "\(name) wakes without end at one instant")
    }
  }

  /// - Returns: false when the peer cannot be reached; `lost` has been called where it was known.
  @discardableResult
  final func send(_ frame: [UInt8], to peer: PeerID) -> Bool {
    guard let link = peers[peer] else { return false }
    if network.send(frame, over: link, to: .dialer) { return true }
    network.forget(link)
    return false
  }

  /// - Returns: false while not connected; the frame is still the caller's.
  @discardableResult
  final func send(_ frame: [UInt8], over link: Link) -> Bool {
    link.isWelcome && network.send(frame, over: link, to: .listener)
  }
}
