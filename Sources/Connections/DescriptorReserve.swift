import Platform
import ZeroMQ

/// Keeps some descriptors of the process free of clients: those of the store's files, of new
/// executors and their pipes, which cannot be done without. A connection that would take one of them
/// is ended as soon as it is accepted.
///
/// libzmq neither stops accepting nor rests when descriptors have run out, and ends the process when
/// that happens at an ipc socket.
struct DescriptorReserve {
  /// The first number that a client may not have: numbers are given lowest first.
  let firstReserved: Int32
  private let port: UInt16

  /// - Returns: nil for endpoints that no client reaches.
  init?(endpoints: [String], limit: Int) {
    let prefix = "tcp://"
    guard let endpoint = endpoints.first(where: { $0.hasPrefix(prefix) }),
      let colon = endpoint.lastIndex(of: ":"), let port = UInt16(endpoint[colon...].dropFirst())
    else { return nil }
    self.port = port
    firstReserved = Int32(clamping: limit - Self.count(ofLimit: limit))
  }

  static func count(ofLimit limit: Int) -> Int { max(32, min(512, limit / 4)) }

  /// - Returns: whether a connection was turned away, or had to wait.
  func take(_ event: ConnectionEvent) -> Bool {
    switch event {
    case .accepted(let descriptor) where descriptor >= firstReserved:
      Descriptors.endConnection(descriptor, cameInAt: port)
      return true
    case .acceptFailed: return true
    default: return false
    }
  }
}
