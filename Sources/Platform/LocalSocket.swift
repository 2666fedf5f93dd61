import Glibc

/// Unix domain sockets by their paths.
package enum LocalSocket {
  /// The longest path of a socket.
  package static let pathBytesMax = 107

  /// Whether a living process listens at the path; a file that a dead one left does not count.
  package static func isServed(_ path: String) -> Bool {
    var address = sockaddr_un()
    guard path.utf8.count <= pathBytesMax else { return false }
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let raw = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard raw >= 0 else { return false }
    let descriptor = FileDescriptor(owning: raw)
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor.raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
  }
}
