import ClusterModel
import Membership
import WireProtocol

/// The router of the tier's simulation: production's register, its disk, and its connections to the
/// nodes, on which messages arrive in order.
final class TierMembership {
  private unowned let world: TierSimulation
  private let configuration: MembershipConfiguration
  private var register: MemberRegister
  private var disk: MembershipState?
  private var timerAt: UInt64?
  private(set) var isUp = true

  init(in world: TierSimulation) {
    self.world = world
    var configuration = MembershipConfiguration()
    configuration.copies = world.profile.copies
    configuration.storageNodesExpected = world.profile.nodes
    configuration.holdersKeepLogs = world.planted != .forgetsTheMissing
    self.configuration = configuration
    register = MemberRegister(configuration, from: nil, at: world.registerNow)
  }

  var view: RingView { register.ring }

  /// All that is to hold keys holds them, and nobody is on the way in or out.
  var isQuiet: Bool {
    guard isUp, view.isSettled, register.isServing else { return false }
    let members = register.status(at: world.registerNow.monotonic)
    return members.allSatisfy { $0.place == .placed && $0.member.settledEpoch >= view.epoch }
      && members.count == world.nodes.count { !$0.isGone }
      && world.nodes.allSatisfy { $0.isGone || ($0.isAlive && !$0.isPaused) }
  }

  func receive(_ input: MemberRegister.Input) {
    guard isUp else { return }
    var inputs = [input]
    while let next = inputs.popLast() {
      var effects: [MemberRegister.Effect] = []
      register.step(next, at: world.registerNow, into: &effects)
      for effect in effects {
        if case .persist(let state) = effect {
          disk = state
          inputs.append(.persisted)
        } else {
          perform(effect)
        }
      }
    }
    wake()
  }

  /// The process is killed, and started again after a while with what its disk kept.
  func kill(for time: Duration) {
    guard isUp else { return }
    isUp = false
    timerAt = nil
    for node in world.nodes { node.hear(.disconnected) }
    world.later(time) { [self] in begin() }
  }

  func begin() {
    guard !isUp else { return }
    register = MemberRegister(configuration, from: disk, at: world.registerNow)
    isUp = true
    for node in world.nodes { node.hear(.connected) }
  }

  private func perform(_ effect: MemberRegister.Effect) {
    switch effect {
    case .lease(let lease, let number, let peer): node(peer)?.hear(.lease(lease, number: number))
    case .refuse(let failure, _, let peer): node(peer)?.hear(.refused(failure))
    case .tellRing(let peer): node(peer)?.hear(.ring(told(view)))
    case .announce(let view): for node in world.nodes { node.hear(.ring(told(view))) }
    case .persist, .notice: break
    }
  }

  private func node(_ peer: PeerID) -> TierNode? { world.nodes.first { $0.peer == peer } }

  private func told(_ view: RingView) -> RingView {
    guard world.planted == .settlesAtOnce else { return view }
    return RingView(
      epoch: view.epoch, origin: view.origin, copies: view.copies, shards: view.shards,
      placed: view.ring.members)
  }

  private func wake() {
    guard let due = register.nextDeadline, timerAt.map({ due < $0 }) ?? true else { return }
    timerAt = due
    world.at(due) { [self] in
      guard timerAt == due else { return }
      timerAt = nil
      receive(.timer)
    }
  }
}
