package import ClusterModel

/// Which life of each node's agent this scheduler believes in.
///
/// A node's name belongs to the agent that said hello with it, for as long as that one can be
/// reached. A life that was given up is fenced: what it did meanwhile has been done again elsewhere,
/// so it is not let in again, and its successor is a new life.
package struct AgentRoster: Sendable {
  package struct Configuration: Sendable {
    /// How long an agent may be out of reach before its node's calls are tried elsewhere.
    package var patience = Duration.seconds(1)
    /// Lives given up that are remembered; the oldest are forgotten first.
    package var fencedMax = 1024

    package init() {}
  }

  /// What to make of a hello.
  package enum Verdict: Equatable, Sendable {
    case welcome
    /// Welcome, and the node's earlier life is over, with its executors and what its cache had not
    /// flushed: `Scheduler.Input.agentLost`.
    case successor
    /// Another life has the name and can be reached.
    case taken(by: Incarnation)
    /// This life was given up.
    case fenced
  }

  private struct Member {
    var life: Incarnation
    /// When to give the life up, in `now`'s nanoseconds; nil while it can be reached.
    var giveUpAt: UInt64?
  }

  private let configuration: Configuration
  private var members: [NodeID: Member] = [:]
  private var fenced: [Incarnation] = []

  package init(_ configuration: Configuration = Configuration()) {
    self.configuration = configuration
  }

  package func life(of node: NodeID) -> Incarnation? { members[node]?.life }

  /// An agent's cache or supervisor said hello; they are halves of one life.
  ///
  /// - Parameter canReach: whether the life believed in so far can be reached; asked only where it
  ///   is another one.
  package mutating func hello(
    of life: Incarnation, on node: NodeID, canReach: () throws -> Bool
  ) rethrows -> Verdict {
    guard !fenced.contains(life) else { return .fenced }
    guard let known = members[node], known.life != life else {
      members[node] = Member(life: life)
      return .welcome
    }
    guard try !canReach() else { return .taken(by: known.life) }
    fence(known.life)
    members[node] = Member(life: life)
    return .successor
  }

  /// An executor said hello, as the child of `life`. It may come before its agent does.
  ///
  /// - Parameter life: zero where the executor does not say; it is believed then.
  package mutating func hello(
    ofExecutorOf life: Incarnation, on node: NodeID, canReach: () throws -> Bool
  ) rethrows -> Verdict {
    guard life != Incarnation(0) else { return .welcome }
    // Later lives compare greater: a dead agent's last children cannot end its successor.
    if let known = members[node], life < known.life { return .taken(by: known.life) }
    let giveUpAt = members[node]?.life == life ? members[node]?.giveUpAt : nil
    let verdict = try hello(of: life, on: node, canReach: canReach)
    // Not its agent's own word.
    members[node]?.giveUpAt = giveUpAt
    return verdict
  }

  package mutating func unreachable(_ life: Incarnation, on node: NodeID, now: UInt64) {
    guard members[node]?.life == life, members[node]?.giveUpAt == nil else { return }
    members[node]?.giveUpAt = now + configuration.patience.wholeNanoseconds
  }

  package var nextDeadline: UInt64? { members.values.compactMap(\.giveUpAt).min() }

  /// - Parameter canReach: a last look; a life that can be reached gets another time.
  /// - Returns: nodes whose agents are given up, each `Scheduler.Input.agentLost`.
  package mutating func giveUpOverdue(
    now: UInt64, canReach: (NodeID) throws -> Bool
  ) rethrows -> [NodeID] {
    var lost: [NodeID] = []
    for node in members.keys.sorted() {
      guard let member = members[node], let time = member.giveUpAt, time <= now else { continue }
      if try canReach(node) {
        members[node]?.giveUpAt = now + configuration.patience.wholeNanoseconds
      } else {
        members[node] = nil
        fence(member.life)
        lost.append(node)
      }
    }
    return lost
  }

  private mutating func fence(_ life: Incarnation) {
    fenced.append(life)
    if fenced.count > configuration.fencedMax { fenced.removeFirst() }
  }
}
