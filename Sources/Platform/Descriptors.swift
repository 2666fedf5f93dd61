import Glibc

/// How many descriptors this process may have open.
package enum Descriptors {
  package static var limit: Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
    return Int(clamping: limit.rlim_cur)
  }

  /// Takes what the process may take: the usual 1024 are a courtesy to programs that use `select`.
  ///
  /// - Returns: the limit from now on.
  @discardableResult
  package static func raiseLimit() -> Int {
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    if getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max {
      limit.rlim_cur = limit.rlim_max
      setrlimit(resource, &limit)
    }
    return self.limit
  }

  /// Ends a tcp connection that another part of this process owns and will close, if `raw` is still
  /// one that came in at `port`: the number may be something else's by now.
  package static func endConnection(_ raw: Int32, cameInAt port: UInt16) {
    var address = sockaddr_in()
    var count = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isNamed = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getsockname(raw, $0, &count) == 0
      }
    }
    guard isNamed, address.sin_family == sa_family_t(AF_INET), address.sin_port.bigEndian == port
    else { return }
    shutdown(raw, Int32(SHUT_RDWR))
  }
}
