import ClusterModel
import WireProtocol

/// All connections of a world, with the rules of `Connections`: hello first, losses told on both
/// sides, a peer that is not known is asked to say hello. Every message crosses as encoded bytes.
final class Network {
  unowned let world: World
  private var links: [Link] = []
  private(set) var frameCount: UInt64 = 0
  private(set) var lostCount: UInt64 = 0

  /// The loss of a peer that sends nothing shows at the listener's next probe.
  static let probeInterval = UInt64.seconds(2)
  static let redialInterval = UInt64.milliseconds(20)
  static let helloInterval = UInt64.seconds(1)

  init(_ world: World) { self.world = world }

  var openLinks: [Link] { links.filter { !$0.isClosed } }

  func dial(from dialer: Node, to listener: Node, _ hello: Hello, isNamed: Bool) -> Link {
    let link = Link(
      number: links.count, from: dialer, to: listener, hello, isNamed: isNamed)
    links.append(link)
    connectLater(link)
    return link
  }

  private func connectLater(_ link: Link) {
    let pause = world.networkChance.draw(.microseconds(50)...Self.redialInterval)
    world.after(pause) { [self] in connect(link) }
  }

  private func connect(_ link: Link) {
    guard !link.isClosed, !link.isUp else { return }
    guard link.listener.isAlive, link.apartUntil <= world.now else { return connectLater(link) }
    link.isUp = true
    link.epoch += 1
    if !link.isNamed { link.peer = PeerID("\(link.hello.name).\(link.number).\(link.epoch)") }
    sayHello(link)
  }

  private func sayHello(_ link: Link) {
    let epoch = link.epoch
    _ = send(link.hello.framed(.hello), over: link, to: .listener)
    world.after(Self.helloInterval) { [self] in
      if link.isUp, link.epoch == epoch, !link.isWelcome { sayHello(link) }
    }
  }

  /// Breaks a connection: nothing of what is on its way arrives.
  func disconnect(_ link: Link) {
    guard link.isUp else { return }
    world.note("link \(link.number) breaks")
    link.isUp = false
    let epoch = link.epoch
    let wasWelcome = link.isWelcome
    link.isWelcome = false
    if !link.isClosed {
      world.after(world.networkChance.draw(.microseconds(20)...(.milliseconds(2)))) { [self] in
        if wasWelcome { link.dialer.happen { link.dialer.disconnected(link) } }
        connectLater(link)
      }
    }
    let peer = link.peer
    world.after(world.networkChance.draw(.milliseconds(1)...Self.probeInterval)) { [self] in
      // The probe finds it, unless the peer has said hello again by then.
      guard link.peer == peer, !link.isUp || link.epoch != epoch + 1 else { return }
      if !link.isUp { forget(link) }
    }
  }

  /// The dialer's life is over.
  func hangUp(_ link: Link) {
    disconnectForGood(link)
  }

  private func disconnectForGood(_ link: Link) {
    link.isClosed = true
    disconnect(link)
  }

  /// The listener's life is over.
  func breakAll(to listener: Node) {
    for link in links where link.listener === listener && link.isUp { disconnect(link) }
    links.removeAll { $0.isClosed && !$0.isUp && $0.listener.peers[$0.peer] !== $0 }
  }

  /// The listener notices that a peer is gone.
  func forget(_ link: Link) {
    let listener = link.listener
    guard listener.peers[link.peer] === link else { return }
    listener.peers[link.peer] = nil
    listener.happen { listener.lost(peer: link) }
  }

  /// - Returns: whether the frame was taken; what is taken may still be lost.
  func send(_ frame: [UInt8], over link: Link, to side: Link.Side) -> Bool {
    guard link.isUp else { return false }
    frameCount += 1
    let profile = world.profile
    if !world.isHealed, link.losesFrames, world.networkChance.permille(profile.lostFrames) {
      lostCount += 1
      link.lostFrames += 1
      world.note("link \(link.number) loses a frame")
      return true
    }
    plan(frame, over: link, to: side)
    if !world.isHealed, Self.maybeRepeated(frame),
      world.networkChance.permille(profile.repeatedFrames)
    {
      plan(frame, over: link, to: side)
    }
    return true
  }

  private func plan(_ frame: [UInt8], over link: Link, to side: Link.Side) {
    var delay = world.networkChance.draw(.microseconds(15)...(.microseconds(150)))
    if !world.isHealed, world.networkChance.permille(world.profile.slowFrames) {
      delay += world.networkChance.draw(0...world.profile.slownessMax)
    }
    let arrival = link.arrival(to: side, of: world.now + delay)
    let epoch = link.epoch
    world.after(arrival - world.now) { [self] in
      guard link.isUp, link.epoch == epoch else { return }
      arrive(frame, over: link, at: side)
    }
  }

  private func arrive(_ bytes: [UInt8], over link: Link, at side: Link.Side) {
    guard let frame = try? Frame(bytes[...]) else {
      world.violate(.inventedValue, "a node sent a frame that cannot be read")
      return
    }
    let node = side == .dialer ? link.dialer : link.listener
    guard node.isAlive else { return }
    world.note("\(node.name) < \(frame.header.kind) \(frame.header.number)", bytes: bytes)
    switch side {
    case .listener: arriveAtListener(frame, over: link)
    case .dialer: arriveAtDialer(frame, over: link)
    }
  }

  private func arriveAtListener(_ frame: Frame, over link: Link) {
    let listener = link.listener
    guard frame.header.kind != .hello else { return greet(link) }
    guard listener.peers[link.peer] === link else {
      _ = send(Empty().framed(.sayHello), over: link, to: .dialer)
      return
    }
    listener.happen { listener.take(frame, over: link) }
  }

  private func greet(_ link: Link) {
    let listener = link.listener
    if let old = listener.peers[link.peer], old !== link { forget(old) }
    var welcome: Welcome?
    listener.happen { welcome = listener.greeted(by: link) }
    guard var welcome else { return }
    listener.peers[link.peer] = link
    welcome.incarnation = listener.incarnation
    _ = send(welcome.framed(.welcome), over: link, to: .dialer)
    listener.happen { listener.welcomed(link) }
  }

  private func arriveAtDialer(_ frame: Frame, over link: Link) {
    let dialer = link.dialer
    switch frame.header.kind {
    case .welcome:
      guard let welcome = try? Welcome.decode(frame.body) else { return }
      link.isWelcome = true
      dialer.happen { dialer.connected(link, welcome) }
    case .sayHello:
      if link.isWelcome {
        link.isWelcome = false
        dialer.happen { dialer.disconnected(link) }
      }
      sayHello(link)
    default: dialer.happen { dialer.take(frame, over: link) }
    }
  }

  /// Which frames may come twice without harm, by the contract of their kind: requests that are
  /// sent again until they are answered, answers to them, and numbered streams.
  private static func maybeRepeated(_ bytes: [UInt8]) -> Bool {
    guard let frame = try? Frame(bytes[...]) else { return false }
    switch frame.header.kind {
    case .push, .streamAcknowledged, .heartbeat, .keyResponse, .watchEvent: return true
    case .released, .executorLost, .killExecutor, .cancel: return true
    case .cacheFetch, .cacheFetched, .cacheWrites, .cacheApplied: return true
    case .keyRequest: return isStamped(frame.body)
    default: return false
    }
  }

  /// A write without a stamp is a new write each time it comes.
  private static func isStamped(_ body: Bytes) -> Bool {
    guard let request = try? KeyRequest.decode(body) else { return false }
    switch request.type {
    case .get, .list, .explain: return true
    case .delete: return request.tuples.allSatisfy { $0.version.stamp != 0 }
    case .put:
      return request.tuples.allSatisfy { tuple in
        guard let record = try? Record(tuple.record) else { return false }
        return record.stamp != 0
      }
    }
  }
}
