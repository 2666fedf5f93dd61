import ClusterModel
import Connections
import KeyValueStore
import WireProtocol
import ZeroMQ

/// The connections a shard has dialled to the other shards of its ring: one each, kept while they
/// live in the same life at the same place.
struct ShardLinks: ~Copyable {
  private struct Link {
    let address: ShardAddress
    let line: DialledLink
  }

  private let context: Context
  private let hello: Hello
  /// By member.
  private var links: [Link] = []

  /// - Parameter hello: of this shard; its name is the member's, its incarnation the shard's life.
  init(in context: Context, saying hello: Hello) {
    self.context = context
    self.hello = hello
  }

  /// Dials those who are new, and hangs up on those who are gone.
  mutating func follow(_ view: RingView, but me: RingMember, _ poller: inout Poller) throws {
    let wanted = view.shards.filter { $0.member != me }
    for link in links where !wanted.contains(link.address) {
      link.line.stopWatching(in: &poller)
    }
    links.removeAll { !wanted.contains($0.address) }
    for address in wanted where !links.contains(where: { $0.address == address }) {
      let dialer = try Dialer(to: address.endpoint, as: hello, in: context)
      links.append(Link(address: address, line: try DialledLink(dialer, in: &poller)))
    }
    links.sort { $0.address.member < $1.address.member }
  }

  /// A frame that cannot go now is dropped: the shard sends again what is not acknowledged once the
  /// connection has come back.
  mutating func send(_ frame: [UInt8], to member: RingMember) throws {
    guard let link = links.first(where: { $0.address.member == member }) else { return }
    _ = try link.line.dialer.send(frame)
  }

  /// What the links have to say; call until it is nil.
  mutating func next() throws -> StorageShard.Input? {
    for link in links {
      while let event = try link.line.dialer.next() {
        if let input = input(event, from: link.address) { return input }
      }
    }
    return nil
  }

  private func input(_ event: Dialer.Event, from address: ShardAddress) -> StorageShard.Input? {
    switch event {
    case .connected(let welcome):
      // Another life behind the same address: the ring will name it.
      return welcome.incarnation == address.incarnation ? .linkUp(address.member) : nil
    case .lost: return .linkDown(address.member)
    case .refused: return nil
    case .frame(let frame): return input(frame, from: address.member)
    }
  }

  private func input(_ frame: Frame, from member: RingMember) -> StorageShard.Input? {
    switch frame.header.kind {
    case .replicated:
      return (try? Replicated.decode(frame.body)).map { .replicated($0, from: member) }
    case .keyResponse:
      return (try? KeyResponse.decode(frame.body)).map {
        .holderAnswer($0, number: frame.header.number, from: member)
      }
    default: return nil
    }
  }

  mutating func tend(now: UInt64, poller: inout Poller) throws {
    for link in links { try link.line.dialer.tend(now: now, poller: &poller) }
  }

  var deadline: UInt64? { links.compactMap { $0.line.dialer.deadline }.min() }
}
