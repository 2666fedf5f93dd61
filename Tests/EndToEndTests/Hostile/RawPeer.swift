import Foundation
import Testing

/// A socket that speaks no ZeroMQ by itself: what it sends is what the test says, byte for byte.
final class RawPeer {
  private let descriptor: Int32
  /// Of one `receive`; silence for so long counts as "nothing".
  private static let patience = timeval(tv_sec: 3, tv_usec: 0)

  /// - Parameter endpoint: `tcp://127.0.0.1:PORT` or `ipc://PATH`.
  init(_ endpoint: String) throws {
    let isLocal = endpoint.hasPrefix("ipc://")
    descriptor = socket(isLocal ? AF_UNIX : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    try #require(descriptor >= 0, "no descriptor is left: errno \(errno)")
    var patience = Self.patience
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, size)
    let connected = isLocal ? connect(path: endpoint) : connect(portOf: endpoint)
    guard connected == 0 else {
      let number = errno
      close(descriptor)
      throw Unreachable(endpoint: endpoint, errno: number)
    }
  }

  /// The other side of a connection: the one that was dialled.
  init(accepted descriptor: Int32) { self.descriptor = descriptor }

  struct Unreachable: Error {
    let endpoint: String
    let errno: Int32
  }

  deinit { close(descriptor) }

  private func connect(path endpoint: String) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) {
      $0.copyBytes(from: endpoint.dropFirst("ipc://".count).utf8)
    }
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  private func connect(portOf endpoint: String) -> Int32 {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(endpoint.split(separator: ":").last ?? "")!.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  /// - Returns: whether all of it was taken; false when the other side has closed, or takes nothing.
  @discardableResult func send(_ bytes: some Collection<UInt8>) -> Bool {
    let bytes = Array(bytes)
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Foundation.send(
          descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count <= 0 { return false }
      sent += count
    }
    return true
  }

  /// Ends the connection with a reset, as a killed machine would.
  func abort() {
    var now = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    shutdown(descriptor, Int32(SHUT_RDWR))
  }

  /// - Returns: nil when the other side has closed, or stays silent.
  private func receive(_ count: Int) -> [UInt8]? {
    var received = [UInt8](repeating: 0, count: count)
    var place = 0
    while place < count {
      let got = received.withUnsafeMutableBytes {
        recv(descriptor, $0.baseAddress! + place, count - place, 0)
      }
      if got <= 0 { return nil }
      place += got
    }
    return received
  }

  /// Whether the other side has closed, rather than being silent for the time a receive waits.
  func isClosed() -> Bool {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let got = recv(descriptor, &buffer, buffer.count, 0)
      if got == 0 { return true }
      if got < 0 { return errno != EAGAIN }
    }
  }

  /// Says hello in ZMTP 3.0 as a DEALER, and takes the other side's.
  func shakeHands() throws {
    send(ZMTP.greeting + ZMTP.ready)
    try #require(takeHandshake(), "no greeting and READY came back")
  }

  func takeHandshake() -> Bool { receive(64)?.first == 0xff && nextZMTPFrame() != nil }

  private func nextZMTPFrame() -> (flags: UInt8, body: [UInt8])? {
    guard let flags = receive(1)?[0] else { return nil }
    var count = 0
    for byte in receive(flags & 2 != 0 ? 8 : 1) ?? [] { count = count << 8 | Int(byte) }
    guard let body = receive(count) else { return nil }
    return (flags, body)
  }

  /// - Returns: the next message's only frame, heartbeats answered on the way; nil when none comes.
  func nextMessage() -> [UInt8]? {
    while let (flags, body) = nextZMTPFrame() {
      if flags & 4 == 0 { return body }
      if body.starts(with: [4] + Array("PING".utf8)) {
        send(ZMTP.frame([4] + Array("PONG".utf8) + body.dropFirst(7), flags: 4))
      }
    }
    return nil
  }
}

/// Bytes of ZMTP 3.0, the protocol below ZeroMQ's messages.
enum ZMTP {
  static let greeting: [UInt8] =
    [0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0] + Array("NULL".utf8)
    + [UInt8](repeating: 0, count: 48)

  static let ready = ready(as: "DEALER")

  static func ready(as kind: String) -> [UInt8] {
    frame(
      [5] + Array("READY".utf8)
        + [11] + Array("Socket-Type".utf8) + [0, 0, 0, UInt8(kind.utf8.count)] + Array(kind.utf8)
        + [8] + Array("Identity".utf8) + [0, 0, 0, 0], flags: 4)
  }

  /// - Parameter flags: 1 more frames follow, 4 a command.
  static func frame(_ body: some Collection<UInt8>, flags: UInt8 = 0) -> [UInt8] {
    header(of: body.count, flags: flags) + body
  }

  /// What announces a frame of so many bytes.
  static func header(of count: Int, flags: UInt8 = 0) -> [UInt8] {
    guard count > 255 else { return [flags, UInt8(count)] }
    return [flags | 2] + (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - 8 * $0)) }
  }
}
