import ClusterModel
import Glibc
import Platform
import SharedCache
import ZeroMQ

extension Failure {
  /// What kept a process of the cluster from starting, as a user can act on it.
  ///
  /// - Parameter endpoints: those it was to listen at.
  init(starting error: any Error, at endpoints: [String]) {
    switch error {
    case let failure as Failure: self = failure
    case let error as ZeroMQError where error.code == .addressInUse:
      self.init(
        .portInUse, "another program listens on \(endpoints.joined(separator: " or "))",
        hint: "choose another --port")
    case let error as CacheError: self = error.failure
    case let error as PlatformError where error.code == ENOSPC:
      self.init(.storageFailed, "no room: \(error)")
    default: self.init(.internalError, "the cluster could not start: \(error)")
    }
  }
}
