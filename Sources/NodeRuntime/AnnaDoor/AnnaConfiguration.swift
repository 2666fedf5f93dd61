package import ClusterModel

/// What a loop of the Anna door is told at its start.
package struct AnnaConfiguration: Sendable {
  package let cluster: ClusterID
  package let incarnation: Incarnation
  /// Where the door listens and what it hands out: an IPv4 address in digits.
  package let address: String
  /// The first of the four key server ports.
  package let port: UInt16
  package var storage: StorePlace
  /// Answers that one client has not taken, beside the kernel's buffers; a client with more is given
  /// up. One answer may be larger.
  package var unreadBytesMax = 64 << 20
  /// The same of all clients: beyond it the one with most is given up.
  package var unreadBytesOfAllMax = 512 << 20
  /// The same in answers.
  package var unreadAnswersMax = 10_000

  /// Anna's own: of key servers, and of what serves keys, which is as far below in hers.
  package static let annaPort: UInt16 = 6450
  package static let keyPortDistance: UInt16 = 250
  package static let addressPorts: UInt16 = 4

  package init(
    cluster: ClusterID, incarnation: Incarnation, address: String, port: UInt16, storage: StorePlace
  ) {
    precondition(
      port > Self.keyPortDistance && port <= .max - Self.addressPorts, "all ports are ports")
    self.cluster = cluster
    self.incarnation = incarnation
    self.address = address
    self.port = port
    self.storage = storage
  }

  var addressEndpoints: [String] {
    (0..<Self.addressPorts).map { "tcp://\(address):\(port + $0)" }
  }

  var keyEndpoint: String { "tcp://\(address):\(port - Self.keyPortDistance)" }
}
