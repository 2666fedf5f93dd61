import CZeroMQ
package import ClusterModel
import Glibc

/// A place for received messages; reused, it costs one allocation a message (the body).
package struct ReceivedMessage {
  /// Who sent it: at a ROUTER only, empty elsewhere.
  package var peer = PeerID(Bytes())
  package var body: [UInt8] = []

  package init() {}
}

package enum ReceiveOutcome: Equatable, Sendable {
  case message
  /// Nothing waits.
  case nothing
  /// The peer sent another number of frames than one, or a frame that is too long; it was thrown
  /// away, and `peer` says whose it was.
  case malformed
}

/// A received message in libzmq's memory, reused from message to message.
package final class BorrowedMessage {
  fileprivate let nameFrame = UnsafeMutablePointer<zmq_msg_t>.allocate(capacity: 1)
  fileprivate let bodyFrame = UnsafeMutablePointer<zmq_msg_t>.allocate(capacity: 1)

  package init() {
    zmq_msg_init(nameFrame)
    zmq_msg_init(bodyFrame)
  }

  deinit {
    zmq_msg_close(nameFrame)
    zmq_msg_close(bodyFrame)
    nameFrame.deallocate()
    bodyFrame.deallocate()
  }

  /// Who sent it, at a ROUTER. Valid, as the body is, until the next message is received into this one.
  package var peer: UnsafeRawBufferPointer { bytes(of: &nameFrame.pointee) }
  package var body: UnsafeRawBufferPointer { bytes(of: &bodyFrame.pointee) }
}

extension Socket {
  /// Takes one waiting message of a ROUTER without a copy, if there is one.
  package borrowing func tryReceive(
    into message: BorrowedMessage
  ) throws(ZeroMQError) -> ReceiveOutcome {
    precondition(kind == .router, "only a ROUTER names the peer")
    if news.isKnownToBeNone { return .nothing }
    guard try receiveFrame(&message.nameFrame.pointee, from: handle) else {
      news.noteNone()
      return .nothing
    }
    let body = message.bodyFrame
    // libzmq hands over whole messages: the frames after the first are there.
    guard zmq_msg_more(message.nameFrame) != 0, try receiveFrame(&body.pointee, from: handle),
      try isLast(&body.pointee)
    else { return .malformed }
    return message.body.count <= options.messageBytesMax ? .message : .malformed
  }

  /// As ``trySend(_:to:)-([UInt8],_)`` to whom a message came from; the bytes are copied.
  package borrowing func trySend(
    _ body: UnsafeRawBufferPointer, answering message: BorrowedMessage
  ) throws(ZeroMQError) -> SendOutcome {
    precondition(body.count <= options.messageBytesMax, "an answer is a frame")
    let handle = self.handle
    news.notePossible()
    let addressed = try sendName(message.peer, over: handle)
    guard addressed == .sent else { return addressed }
    return try outcomeOfSend { zmq_send(handle, body.baseAddress, body.count, ZMQ_DONTWAIT) }
  }

  /// Takes one waiting message, if there is one.
  package borrowing func tryReceive(
    into message: inout ReceivedMessage
  ) throws(ZeroMQError) -> ReceiveOutcome {
    var body: [UInt8] = []
    let outcome = try tryReceive(peer: &message.peer) { body = [UInt8]($0) }
    if outcome != .nothing { message.body = body }
    return outcome
  }

  /// As ``tryReceive(into:)`` without a copy: `use` borrows the body until it returns.
  ///
  /// - Parameter peer: set to the sender at a ROUTER; kept where it is the same as last time.
  package borrowing func tryReceive(
    peer: inout PeerID, _ use: (UnsafeRawBufferPointer) -> Void
  ) throws(ZeroMQError) -> ReceiveOutcome {
    if news.isKnownToBeNone { return .nothing }
    var frame = zmq_msg_t()
    zmq_msg_init(&frame)
    defer { zmq_msg_close(&frame) }
    guard try receiveFrame(&frame, from: handle) else {
      news.noteNone()
      return .nothing
    }
    if kind == .router {
      let name = bytes(of: &frame)
      if !peer.bytes.elementsEqual(name) { peer = PeerID([UInt8](name)[...]) }
      // libzmq hands over whole messages: the frames after the first are there.
      guard zmq_msg_more(&frame) != 0, try receiveFrame(&frame, from: handle) else {
        return .malformed
      }
    }
    guard try isLast(&frame) else { return .malformed }
    let body = bytes(of: &frame)
    guard body.count <= options.messageBytesMax else { return .malformed }
    use(body)
    return .message
  }
}

extension Socket {
  /// Throws away what comes behind a frame in its message.
  ///
  /// - Returns: whether nothing did.
  private borrowing func isLast(_ frame: inout zmq_msg_t) throws(ZeroMQError) -> Bool {
    guard zmq_msg_more(&frame) != 0 else { return true }
    while zmq_msg_more(&frame) != 0, try receiveFrame(&frame, from: handle) {}
    return false
  }
}

/// - Returns: `false` when nothing waits.
func receiveFrame(
  _ frame: inout zmq_msg_t, from handle: UnsafeMutableRawPointer
) throws(ZeroMQError) -> Bool {
  while true {
    if zmq_msg_recv(&frame, handle, ZMQ_DONTWAIT) >= 0 { return true }
    let number = zmq_errno()
    switch number {
    case EINTR: continue
    case EAGAIN: return false
    default:
      throw ZeroMQError(errno: number, call: "zmq_msg_recv", doing: "receiving a message")
    }
  }
}

/// Valid until the frame is received into or closed.
func bytes(of frame: inout zmq_msg_t) -> UnsafeRawBufferPointer {
  UnsafeRawBufferPointer(start: zmq_msg_data(&frame), count: zmq_msg_size(&frame))
}
