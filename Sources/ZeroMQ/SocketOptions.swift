package import ClusterModel

/// The limits and times of one socket; every one of them is set on every socket.
package struct SocketOptions: Sendable {
  /// Messages to one peer that may wait; at the limit a send would block.
  package var sendQueueMax = 1000
  /// Messages from one peer that may wait; at the limit the transport pushes back on the sender.
  ///
  /// A dialer has none, whatever is said here: with heartbeats, libzmq 4.3 ends the *process* when a
  /// connection breaks whose queue is full. What its peer can send is bounded by what was asked for.
  /// A listener's is above what a well-behaved client has under way (4096 requests).
  package var receiveQueueMax = 8192
  /// Bytes of a frame, at least 1024. A longer one ends the connection it came on, and is not sent.
  package var messageBytesMax = 4 << 20
  /// How long a closed socket still tries to deliver what it took.
  package var linger = Duration.milliseconds(200)
  /// A connection that has not shaken hands by then is closed: scanners and half-open peers.
  package var handshakeTimeout = Duration.seconds(5)
  /// The first pause before a dialer tries again; doubled each time up to the second.
  package var reconnectInterval = Duration.milliseconds(10)
  package var reconnectIntervalMax = Duration.seconds(1)
  /// Connections that may wait to be accepted.
  package var acceptQueueMax = 256
  /// For tcp connections that we dial: the kernel tells the end of an ipc or inproc peer by itself.
  /// Who is dialled learns from them, too, and closes its end after the same silence.
  package var heartbeat: Heartbeat? = Heartbeat()
  /// A tcp peer that takes nothing we send for so long is cut off by the kernel.
  package var stallTimeout = Duration.seconds(15)
  /// What a dialer is called at the ROUTER it dials: 1 to 255 bytes, the first not zero.
  ///
  /// `nil`: the ROUTER makes up a name that starts with a zero byte and dies with the connection.
  package var routingID: PeerID?
  /// Whether ``Socket/nextConnectionEvent()`` tells of the connections that this socket dials, or of
  /// those to it where it is bound; then it does not say whose they were.
  package var reportsConnections = false
  /// The same for each connection that a listener accepts, or fails to; no socket does both.
  package var reportsAccepts = false

  package init() {}

  package struct Heartbeat: Sendable {
    package var interval = Duration.seconds(1)
    /// Silence after which the connection counts as lost. A process that gets no processor for a second
    /// or two, on a machine with too much to do, is not dead; one that is ends its connections at once.
    package var timeout = Duration.seconds(5)

    package init() {}
  }

  func checkRelations() {
    precondition(!(reportsConnections && reportsAccepts), "a socket reports ends or beginnings")
    precondition(sendQueueMax > 0 && receiveQueueMax > 0, "0 would mean without limit")
    precondition(messageBytesMax >= 1024, "the limit holds for the handshake's frames, too")
    precondition(acceptQueueMax > 0, "limits are positive")
    precondition(reconnectInterval > .zero, "0 would redial without a pause")
    precondition(reconnectInterval <= reconnectIntervalMax, "pauses grow")
    precondition(linger >= .zero, "closing waits a bounded time")
    if let name = routingID?.bytes {
      precondition((1...255).contains(name.count) && name.first != 0, "a routing id's form")
    }
    if let heartbeat {
      precondition(heartbeat.interval < heartbeat.timeout, "a beat comes before silence counts")
    }
  }
}

extension Duration {
  /// Whole milliseconds, rounded up, so that a short time does not become "none".
  var inMilliseconds: Int32 {
    let (seconds, attoseconds) = components
    let milliseconds = seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    return Int32(clamping: milliseconds)
  }
}
