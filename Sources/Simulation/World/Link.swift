import ClusterModel
import WireProtocol

/// One dialed connection, as ZeroMQ gives it: frames arrive in order and at most once while it is up;
/// when it breaks, what was under way is gone and the dialer tries again by itself.
final class Link {
  enum Side { case dialer, listener }

  let number: Int
  let dialer: Node
  let listener: Node
  let hello: Hello
  /// The routing id that the listener knows the dialer by; changes with each connection where the
  /// dialer has not chosen one.
  var peer: PeerID
  let isNamed: Bool
  /// Counts connections; a frame of an earlier one is lost.
  var epoch = 0
  var isUp = false
  /// The dialer has been welcomed.
  var isWelcome = false
  /// The dialer's life is over.
  var isClosed = false
  /// Frames that a fault took without breaking the connection.
  var lostFrames = 0
  /// Until then no connection is made: the two are apart.
  var apartUntil: UInt64 = 0
  /// Whether a frame may get lost while the connection stays up, as in a transport whose losses nobody
  /// notices. Not between an executor and its agent: the two share a machine, a connection that loses
  /// something breaks, and then the executor ends.
  let losesFrames: Bool
  private var lastArrival: [UInt64] = [0, 0]

  init(number: Int, from dialer: Node, to listener: Node, _ hello: Hello, isNamed: Bool) {
    self.number = number
    self.dialer = dialer
    self.listener = listener
    self.hello = hello
    self.isNamed = isNamed
    peer = PeerID(hello.name)
    losesFrames = hello.role != .executor || listener is SchedulerNode
  }

  /// The time of arrival of a frame that needs so long by itself: never before an earlier frame.
  func arrival(to side: Side, of time: UInt64) -> UInt64 {
    let index = side == .dialer ? 0 : 1
    lastArrival[index] = max(lastArrival[index], time)
    return lastArrival[index]
  }
}
