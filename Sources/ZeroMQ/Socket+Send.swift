import CZeroMQ
package import ClusterModel
import Glibc

extension Socket {
  /// Sends one message, or nothing. The bytes are copied.
  ///
  /// After `wouldBlock` try again when a ``Poller`` has waited: libzmq looks for news of room at
  /// most once a millisecond here, but each time there.
  ///
  /// - Parameter peer: a ROUTER's only.
  /// - Throws: `messageTooLong`, `terminated`.
  package borrowing func trySend(
    _ body: [UInt8], to peer: PeerID? = nil
  ) throws(ZeroMQError) -> SendOutcome {
    let handle = self.handle
    let addressed = try address(peer, bodyCount: body.count)
    guard addressed == .sent else { return addressed }
    return try outcomeOfSend { zmq_send(handle, body, body.count, ZMQ_DONTWAIT) }
  }

  /// As ``trySend(_:to:)-([UInt8],_)`` from bytes that live elsewhere; they are copied, too.
  package borrowing func trySend(
    _ body: UnsafeRawBufferPointer, to peer: PeerID? = nil
  ) throws(ZeroMQError) -> SendOutcome {
    let handle = self.handle
    let addressed = try address(peer, bodyCount: body.count)
    guard addressed == .sent else { return addressed }
    return try outcomeOfSend {
      zmq_send(handle, body.baseAddress, body.count, ZMQ_DONTWAIT)
    }
  }

  /// As ``trySend(_:to:)-([UInt8],_)``; a large body counts in the account until it has left.
  package borrowing func trySend(
    _ body: [UInt8], to peer: PeerID? = nil, countedBy account: ByteAccount
  ) throws(ZeroMQError) -> SendOutcome {
    guard body.count >= ByteAccount.countedBytesMin else { return try trySend(body, to: peer) }
    let handle = self.handle
    let addressed = try address(peer, bodyCount: body.count)
    guard addressed == .sent else { return addressed }
    var message = zmq_msg_t()
    account.fill(&message, with: body)
    // Sending empties the message; where it does not, closing gives the body back.
    defer { zmq_msg_close(&message) }
    return try outcomeOfSend { zmq_msg_send(&message, handle, ZMQ_DONTWAIT) }
  }

  /// A ROUTER's first frame; nothing elsewhere. Refuses what must not be sent before any of it is.
  private borrowing func address(
    _ peer: PeerID?, bodyCount: Int
  ) throws(ZeroMQError) -> SendOutcome {
    guard bodyCount <= options.messageBytesMax else {
      throw ZeroMQError(
        code: .messageTooLong, call: "zmq_send", doing: "sending \(bodyCount) bytes")
    }
    precondition((peer != nil) == (kind == .router), "a ROUTER, and only it, names the peer")
    news.notePossible()
    guard let peer else { return .sent }
    let handle = self.handle
    return try peer.bytes.withUnsafeBufferPointer { (name) throws(ZeroMQError) in
      try sendName(UnsafeRawBufferPointer(name), over: handle)
    }
  }
}

/// The frame that names a ROUTER's peer; more follows.
func sendName(
  _ name: UnsafeRawBufferPointer, over handle: UnsafeMutableRawPointer
) throws(ZeroMQError) -> Socket.SendOutcome {
  try outcomeOfSend {
    zmq_send(handle, name.baseAddress, name.count, ZMQ_DONTWAIT | ZMQ_SNDMORE)
  }
}

func outcomeOfSend(_ send: () -> Int32) throws(ZeroMQError) -> Socket.SendOutcome {
  while true {
    if send() >= 0 { return .sent }
    let number = zmq_errno()
    switch number {
    case EINTR: continue
    case EAGAIN: return .wouldBlock
    case EHOSTUNREACH: return .unreachable
    default: throw ZeroMQError(errno: number, call: "zmq_send", doing: "sending a message")
    }
  }
}
