import CZeroMQ
import ClusterModel
import Glibc

/// One ZeroMQ socket: one owner, one thread, closed when the owner lets go.
///
/// A message is exactly one body frame; a ROUTER sees it with the sender's identity before it.
/// No call ever blocks. ZeroMQ is treated as at-most-once: what was sent may be lost whenever a
/// connection is, without notice.
package struct Socket: ~Copyable {
  package enum Kind: Sendable {
    /// Binds; answers each peer by its routing id.
    case router
    /// Dials a ROUTER.
    case dealer
    /// Exactly one peer.
    case pair
    /// One way, to a PULL socket.
    case push
    /// One way, from PUSH sockets.
    case pull
  }

  package enum SendOutcome: Equatable, Sendable {
    case sent
    /// The peer's queue is full, or there is no connection yet; the caller keeps the frame.
    case wouldBlock
    /// A ROUTER has no connection to that peer, or no longer.
    case unreachable
  }

  package let kind: Kind
  package let options: SocketOptions
  let handle: UnsafeMutableRawPointer  // Makes Socket non-Sendable, on purpose.
  /// Whether a message may wait, and a connection event.
  let news: News
  let connectionNews: News
  private let context: Context
  private let connectionEvents: UnsafeMutableRawPointer?

  package init(
    _ kind: Kind, in context: Context, options: SocketOptions = SocketOptions()
  ) throws(ZeroMQError) {
    options.checkRelations()
    let handle = try openSocket(kind, in: context)
    do throws(ZeroMQError) {
      try setOptions(of: handle, kind: kind, options)
      connectionEvents =
        options.reportsConnections || options.reportsAccepts
        ? try openMonitor(of: handle, in: context, dials: options.reportsConnections) : nil
    } catch {
      zmq_close(handle)
      throw error
    }
    self.kind = kind
    self.options = options
    self.handle = handle
    self.context = context
    news = News()
    connectionNews = News()
  }

  deinit {
    if let connectionEvents {
      // In this order: events sent to a closed reader would block libzmq's I/O thread for ever.
      zmq_socket_monitor(handle, nil, 0)
      zmq_close(connectionEvents)
    }
    zmq_close(handle)
  }

  /// Starts listening.
  ///
  /// An ipc path that exists is taken over without an error, even from a process that lives: see
  /// `LocalSocket.isServed`.
  ///
  /// - Parameter endpoint: `tcp://127.0.0.1:*` or `…:0` let the system choose the port.
  /// - Returns: the endpoint to dial, with the port chosen.
  /// - Throws: `addressInUse` where another socket listens.
  package borrowing func bind(to endpoint: String) throws(ZeroMQError) -> String {
    news.notePossible()
    // No heartbeats from this side: see `SocketOptions.receiveQueueMax`.
    try setHeartbeat(nil)
    let handle = self.handle
    try check("zmq_bind", doing: "binding \(endpoint)") { zmq_bind(handle, endpoint) }
    var name = [CChar](repeating: 0, count: 512)
    var count = name.count
    try check("zmq_getsockopt", doing: "naming the endpoint bound to \(endpoint)") {
      zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, &name, &count)
    }
    return String(decoding: name[..<max(0, count - 1)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Dials in the background, again and again until it succeeds; sending would block until then.
  package borrowing func connect(to endpoint: String) throws(ZeroMQError) {
    news.notePossible()
    try setHeartbeat(endpoint.hasPrefix("tcp://") ? options.heartbeat : nil)
    try set(ZMQ_RCVHWM, of: handle, to: 0)
    let handle = self.handle
    try check("zmq_connect", doing: "dialing \(endpoint)") { zmq_connect(handle, endpoint) }
  }

  /// Ends the connection to an endpoint that was dialled, and stops redialling.
  package borrowing func disconnect(from endpoint: String) throws(ZeroMQError) {
    news.notePossible()
    let handle = self.handle
    try check("zmq_disconnect", doing: "leaving \(endpoint)") { zmq_disconnect(handle, endpoint) }
  }

  /// Stops listening at an endpoint that ``bind(to:)`` returned.
  package borrowing func unbind(from endpoint: String) throws(ZeroMQError) {
    news.notePossible()
    let handle = self.handle
    try check("zmq_unbind", doing: "leaving \(endpoint)") { zmq_unbind(handle, endpoint) }
  }

  /// Where connection events are read and polled; only with `reportsConnections` or
  /// `reportsAccepts`.
  var connectionEventsHandle: UnsafeMutableRawPointer {
    guard let connectionEvents else {
      preconditionFailure("the socket was opened to report connections")
    }
    return connectionEvents
  }

  private borrowing func setHeartbeat(
    _ heartbeat: SocketOptions.Heartbeat?
  ) throws(ZeroMQError) {
    let interval = heartbeat?.interval.inMilliseconds ?? 0
    let timeout = heartbeat?.timeout.inMilliseconds ?? 0
    try set(ZMQ_HEARTBEAT_IVL, of: handle, to: interval)
    try set(ZMQ_HEARTBEAT_TIMEOUT, of: handle, to: timeout)
    // The peer closes its end after the same silence, even if it sends no heartbeats itself.
    try set(ZMQ_HEARTBEAT_TTL, of: handle, to: timeout)
  }
}

/// Makes a call that does not block, and throws what went wrong.
func check(
  _ call: String, doing: @autoclosure () -> String, _ body: () -> Int32
) throws(ZeroMQError) {
  while body() < 0 {
    let number = zmq_errno()
    if number != EINTR { throw ZeroMQError(errno: number, call: call, doing: doing()) }
  }
}

private func openSocket(
  _ kind: Socket.Kind, in context: Context
) throws(ZeroMQError) -> UnsafeMutableRawPointer {
  let type =
    switch kind {
    case .router: ZMQ_ROUTER
    case .dealer: ZMQ_DEALER
    case .pair: ZMQ_PAIR
    case .push: ZMQ_PUSH
    case .pull: ZMQ_PULL
    }
  guard let handle = zmq_socket(context.handle, type) else {
    throw ZeroMQError(errno: zmq_errno(), call: "zmq_socket", doing: "opening a \(kind) socket")
  }
  return handle
}

private func set(
  _ option: Int32, of handle: UnsafeMutableRawPointer, to value: Int32
) throws(ZeroMQError) {
  var value = value
  try check("zmq_setsockopt", doing: "setting option \(option) to \(value)") {
    zmq_setsockopt(handle, option, &value, MemoryLayout<Int32>.size)
  }
}

private func setOptions(
  of handle: UnsafeMutableRawPointer, kind: Socket.Kind, _ options: SocketOptions
) throws(ZeroMQError) {
  try set(ZMQ_LINGER, of: handle, to: options.linger.inMilliseconds)
  try set(ZMQ_SNDHWM, of: handle, to: Int32(clamping: options.sendQueueMax))
  try set(ZMQ_RCVHWM, of: handle, to: Int32(clamping: options.receiveQueueMax))
  try set(ZMQ_IPV6, of: handle, to: 0)
  try set(ZMQ_HANDSHAKE_IVL, of: handle, to: options.handshakeTimeout.inMilliseconds)
  try set(ZMQ_RECONNECT_IVL, of: handle, to: options.reconnectInterval.inMilliseconds)
  try set(ZMQ_RECONNECT_IVL_MAX, of: handle, to: options.reconnectIntervalMax.inMilliseconds)
  try set(ZMQ_BACKLOG, of: handle, to: Int32(clamping: options.acceptQueueMax))
  try set(ZMQ_TCP_MAXRT, of: handle, to: options.stallTimeout.inMilliseconds)
  // For tcp peers that are gone without a word and send no heartbeats: seconds, seconds, probes.
  try set(ZMQ_TCP_KEEPALIVE, of: handle, to: 1)
  try set(ZMQ_TCP_KEEPALIVE_IDLE, of: handle, to: 15)
  try set(ZMQ_TCP_KEEPALIVE_INTVL, of: handle, to: 5)
  try set(ZMQ_TCP_KEEPALIVE_CNT, of: handle, to: 3)
  // Messages never queue for a connection that does not exist: they would reach whoever comes next.
  try set(ZMQ_IMMEDIATE, of: handle, to: 1)
  var bytesMax = Int64(options.messageBytesMax)
  try check("zmq_setsockopt", doing: "limiting messages to \(bytesMax) bytes") {
    zmq_setsockopt(handle, ZMQ_MAXMSGSIZE, &bytesMax, MemoryLayout<Int64>.size)
  }
  if kind == .router {
    try set(ZMQ_ROUTER_MANDATORY, of: handle, to: 1)
    // A dialer that lost its connection comes back under its name before the ROUTER has noticed.
    // Without hand-over the ROUTER would not hear it until the old connection has timed out.
    try set(ZMQ_ROUTER_HANDOVER, of: handle, to: 1)
  }
  if let name = options.routingID {
    try check("zmq_setsockopt", doing: "taking the routing id \(name)") {
      name.bytes.withUnsafeBytes {
        zmq_setsockopt(handle, ZMQ_ROUTING_ID, $0.baseAddress, $0.count)
      }
    }
  }
}
