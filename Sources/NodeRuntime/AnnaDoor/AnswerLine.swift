import AnnaDoor
import ClusterModel
import Platform
import ZeroMQ

/// The connection to one of Anna's clients, which takes answers and says nothing.
///
/// What waits for a client that is gone goes with the line: a later one at the same address counts
/// its requests from zero again and would take old answers for its own.
final class AnswerLine {
  enum State: Equatable {
    case dialing
    case ready
    /// To be closed.
    case gone
  }

  private let socket: Socket
  private var outbox: BoundedOutbox
  private let bytesMax: Int
  private let socketSlot: Poller.Slot
  private let eventSlot: Poller.Slot
  private(set) var state = State.dialing

  /// - Parameter whole: the account of all lines.
  init(
    to address: AnswerAddress, _ configuration: AnnaConfiguration, partOf whole: ByteAccount,
    in context: Context, watchedBy poller: inout Poller
  ) throws(ZeroMQError) {
    var options = SocketOptions()
    options.messageBytesMax = Limits.frameBytesMax + Limits.chunkBytesMax
    options.reportsConnections = true
    // The kernel tells of a client that has ended; one that hangs is found by its unread answers.
    options.heartbeat = nil
    let socket = try Socket(.push, in: context, options: options)
    try socket.connect(to: address.description)
    eventSlot = try poller.watchConnections(of: socket)
    socketSlot = try poller.watch(socket, for: [])
    self.socket = socket
    bytesMax = configuration.unreadBytesMax
    outbox = BoundedOutbox(
      framesMax: configuration.unreadAnswersMax, bytesMax: .max,
      account: ByteAccount(partOf: whole))
  }

  /// Bytes that wait, inside the socket too where they are many.
  var unreadBytes: Int { outbox.account.count }

  func send(_ frame: [UInt8], _ poller: inout Poller) throws(ZeroMQError) {
    guard state != .gone else { return }
    guard unreadBytes == 0 || unreadBytes + frame.count <= bytesMax else {
      state = .gone
      return
    }
    switch try outbox.send(frame, through: socket) {
    case .sent: return
    case .queued: poller.setInterest(.writable, of: socketSlot)
    case .full, .unreachable: state = .gone
    }
  }

  /// Hears what became of the connection, and sends what waited.
  func tend(_ poller: inout Poller) throws(ZeroMQError) {
    while let event = try socket.nextConnectionEvent() {
      switch event {
      case .ready: state = state == .dialing ? .ready : state
      // A client listens before it asks: where nobody does, nobody waits any longer.
      case .lost, .retrying, .handshakeFailed: state = .gone
      case .accepted, .acceptFailed: continue
      }
    }
    guard state != .gone, !outbox.isEmpty else { return }
    if try outbox.flush(through: socket) == .empty { poller.setInterest([], of: socketSlot) }
  }

  func close(_ poller: inout Poller) {
    poller.stopWatching(eventSlot)
    poller.stopWatching(socketSlot)
    _ = outbox.discard()
  }
}
