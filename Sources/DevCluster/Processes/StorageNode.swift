import ClusterModel
import Glibc
import Logging
import Membership
import NodeRuntime
import Platform
import ZeroMQ

/// The shards of one storage node and their membership, which all of them share.
///
/// The node has a lease as a whole, and has settled in a ring once all of its shards have.
final class StorageNode: Sendable {
  private let shards: [Part<StorageMessage>]
  private let member: Part<MemberMessage>
  /// What clients and other shards dial; index = shard.
  let endpoints: [String]

  /// - Parameter onLeft: called once nobody needs the node any more, after ``leave()``.
  /// - Throws: what kept a shard from starting; no other one is left running then.
  init(
    _ configurations: [StorageConfiguration], member: MemberConfiguration, ended: EndSignal,
    onLeft: @escaping @Sendable () -> Void
  ) throws {
    let settled = SettledShards(count: configurations.count)
    var shards: [Part<StorageMessage>] = []
    var news: [TierNews] = []
    var endpoints: [String] = []
    do {
      for (number, configuration) in configurations.enumerated() {
        let words = try TierNews()
        var configuration = configuration
        configuration.news = words
        configuration.onSettled = { settled.note($0, of: number) }
        let started = try Part.storage(
          configuration, in: Context(), logger: Logger(part: "\(configuration.member)"),
          ended: ended)
        shards.append(started.part)
        news.append(words)
        endpoints.append(started.endpoints[0])
      }
      let listeners = news
      self.member = try Part.member(member, listeningAt: endpoints, ended: ended) { word in
        for listener in listeners { listener.note(word) }
        if case .mayLeave = word { onLeft() }
      }
    } catch {
      for shard in shards { shard.stop(with: .stop) }
      throw error
    }
    self.shards = shards
    self.endpoints = endpoints
    settled.tell(self.member)
  }

  /// Begins to hand over all keys.
  func leave() { member.post(.leave) }

  /// Ends in order; what is on disk stays, and the node's next life brings it.
  func stop() {
    for shard in shards { shard.stop(with: .stop) }
    member.stop(with: .stop)
  }
}

/// By which ring all shards of a node have what they are to hold.
private final class SettledShards: Sendable {
  private struct State {
    var epochs: [UInt64]
    /// Said last.
    var told: UInt64 = 0
    /// Nil before there is a membership.
    var member: Part<MemberMessage>?
  }

  private let state: Locked<State>

  init(count: Int) { state = Locked(State(epochs: Array(repeating: 0, count: count))) }

  /// The shard's thread.
  func note(_ epoch: UInt64, of shard: Int) {
    state.withLock { state in
      state.epochs[shard] = max(state.epochs[shard], epoch)
      tell(&state)
    }
  }

  func tell(_ member: Part<MemberMessage>) {
    state.withLock { state in
      state.member = member
      tell(&state)
    }
  }

  private func tell(_ state: inout State) {
    guard let member = state.member, let all = state.epochs.min(), all > state.told else { return }
    state.told = all
    member.post(.settled(epoch: all))
  }
}
