import CZeroMQ
import Glibc

/// What became of a connection that a socket dials or accepts.
package enum ConnectionEvent: Equatable, Sendable {
  /// Both ends have shaken hands: messages flow.
  case ready(endpoint: String)
  /// It was up and is no longer; what was under way may be lost. ZeroMQ redials by itself.
  case lost(endpoint: String)
  /// The other end speaks something else, or does not let us in. ZeroMQ redials by itself.
  case handshakeFailed(endpoint: String)
  /// Nobody listens there, or not yet; the next attempt is under way after a pause.
  case retrying(endpoint: String)
  /// A listener took a connection, as this descriptor; it may be closed again by now.
  case accepted(descriptor: Int32)
  /// A listener could not take one that waits: descriptors have run out, as a rule. libzmq's I/O
  /// thread tries again without rest until one is free.
  case acceptFailed
}

extension Socket {
  /// Takes one event, oldest first; `nil` when none waits. Needs `reportsConnections` or
  /// `reportsAccepts`.
  ///
  /// The queue of events has no limit of its own: it grows with the redials, which are paced, and
  /// a full one would stop libzmq's I/O thread.
  package borrowing func nextConnectionEvent() throws(ZeroMQError) -> ConnectionEvent? {
    let events = connectionEventsHandle
    if connectionNews.isKnownToBeNone { return nil }
    while true {
      var frame = zmq_msg_t()
      zmq_msg_init(&frame)
      defer { zmq_msg_close(&frame) }
      guard try receiveFrame(&frame, from: events) else {
        connectionNews.noteNone()
        return nil
      }
      let facts = bytes(of: &frame)
      guard facts.count >= 2, zmq_msg_more(&frame) != 0 else { continue }
      let number = Int32(facts.loadUnaligned(as: UInt16.self))
      let value = facts.count >= 6 ? facts.loadUnaligned(fromByteOffset: 2, as: Int32.self) : -1
      guard try receiveFrame(&frame, from: events) else { return nil }
      let endpoint = String(decoding: bytes(of: &frame), as: UTF8.self)
      if let event = ConnectionEvent(number: number, value: value, endpoint: endpoint) {
        return event
      }
    }
  }
}

extension ConnectionEvent {
  fileprivate init?(number: Int32, value: Int32, endpoint: String) {
    switch number {
    case ZMQ_EVENT_ACCEPTED: self = .accepted(descriptor: value)
    case ZMQ_EVENT_ACCEPT_FAILED: self = .acceptFailed
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: self = .ready(endpoint: endpoint)
    case ZMQ_EVENT_DISCONNECTED: self = .lost(endpoint: endpoint)
    case ZMQ_EVENT_CONNECT_RETRIED: self = .retrying(endpoint: endpoint)
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL,
      ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      self = .handshakeFailed(endpoint: endpoint)
    default: return nil
    }
  }
}

private let acceptEvents = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_ACCEPT_FAILED

private let dialEvents =
  ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED
  | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
  | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH

/// Before anything is dialled or bound: libzmq's I/O thread blocks on an event that has no reader.
func openMonitor(
  of socket: UnsafeMutableRawPointer, in context: Context, dials: Bool
) throws(ZeroMQError) -> UnsafeMutableRawPointer {
  // Unique while the socket is open, which is as long as the name is used.
  let name = "inproc://connections-\(UInt(bitPattern: socket))"
  try check("zmq_socket_monitor", doing: "reporting connections") {
    zmq_socket_monitor(socket, name, dials ? dialEvents : acceptEvents)
  }
  guard let reader = zmq_socket(context.handle, ZMQ_PAIR) else {
    let number = zmq_errno()
    zmq_socket_monitor(socket, nil, 0)
    throw ZeroMQError(errno: number, call: "zmq_socket", doing: "reporting connections")
  }
  var none: Int32 = 0
  zmq_setsockopt(reader, ZMQ_LINGER, &none, MemoryLayout<Int32>.size)
  zmq_setsockopt(reader, ZMQ_RCVHWM, &none, MemoryLayout<Int32>.size)
  do throws(ZeroMQError) {
    try check("zmq_connect", doing: "reporting connections") { zmq_connect(reader, name) }
  } catch {
    zmq_socket_monitor(socket, nil, 0)
    zmq_close(reader)
    throw error
  }
  return reader
}
