import Foundation
import Testing

/// Something that listens where a cluster should, and answers the first message with given bytes.
final class StrangeCluster: Sendable {
  let endpoint: String
  private let descriptor: Int32

  /// - Parameter answer: a whole message, sent to every dialer that has shaken hands.
  init(answering answer: [UInt8]) throws {
    let port = Workbench.freePort()
    endpoint = "tcp://127.0.0.1:\(port)"
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    descriptor = listener
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    try #require(bound == 0 && listen(listener, 8) == 0, "errno \(errno)")
    Thread.detachNewThread {
      while true {
        let connection = accept(listener, nil, nil)
        guard connection >= 0 else { return }
        let peer = RawPeer(accepted: connection)
        peer.send(ZMTP.greeting + ZMTP.ready(as: "ROUTER"))
        // Its greeting and READY, then its hello.
        guard peer.takeHandshake(), peer.nextMessage() != nil else { continue }
        peer.send(ZMTP.frame(answer))
        _ = peer.isClosed()
      }
    }
  }

  deinit { shutdown(descriptor, Int32(SHUT_RDWR)) }
}
