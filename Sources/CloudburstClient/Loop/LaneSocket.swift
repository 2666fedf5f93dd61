import ClusterModel
import WireProtocol
import ZeroMQ

/// One dialled socket of the loop, and the frames that its full queue did not take yet.
final class LaneSocket {
  let lane: Lane
  let socket: Socket
  let slot: Poller.Slot
  let events: Poller.Slot
  private var outbox: [[UInt8]] = []
  private var firstWaiting = 0

  /// At this many waiting frames the peer counts as stuck, and the connection as lost.
  static let waitingFramesMax = 16_384

  init(
    _ lane: Lane, endpoint: String, in context: Context, watchedBy poller: inout Poller
  ) throws(ZeroMQError) {
    var options = SocketOptions()
    options.reportsConnections = true
    options.messageBytesMax = Limits.frameBytesMax
    options.sendQueueMax = 4096
    options.reconnectIntervalMax = .milliseconds(500)
    let socket = try Socket(.dealer, in: context, options: options)
    try socket.connect(to: endpoint)
    slot = try poller.watch(socket)
    events = try poller.watchConnections(of: socket)
    self.lane = lane
    self.socket = socket
  }

  var waitingFrames: Int { outbox.count - firstWaiting }

  /// - Returns: false when the peer is stuck.
  func send(_ frame: [UInt8], poller: inout Poller) throws(ZeroMQError) -> Bool {
    if waitingFrames == 0, try socket.trySend(frame) == .sent { return true }
    guard waitingFrames < Self.waitingFramesMax else { return false }
    outbox.append(frame)
    poller.setInterest([.readable, .writable], of: slot)
    return true
  }

  func flush(poller: inout Poller) throws(ZeroMQError) {
    while firstWaiting < outbox.count, try socket.trySend(outbox[firstWaiting]) == .sent {
      outbox[firstWaiting] = []
      firstWaiting += 1
    }
    guard waitingFrames == 0 else { return }
    outbox.removeAll(keepingCapacity: true)
    firstWaiting = 0
    poller.setInterest(.readable, of: slot)
  }

  /// Throws the waiting frames away. - Returns: the tickets that were never sent.
  func discard(poller: inout Poller) -> [UInt64] {
    defer {
      outbox = []
      firstWaiting = 0
      poller.setInterest(.readable, of: slot)
    }
    return outbox[firstWaiting...].compactMap { bytes in
      guard let header = try? Frame(bytes[...]).header else { return nil }
      // A cancel carries the ticket of a call that did go out.
      return header.kind == .cancel || header.kind == .unwatch ? nil : header.number
    }
  }
}
