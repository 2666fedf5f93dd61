package import ClusterModel
import Platform

/// What the shared cache could not do.
package struct CacheError: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Code: Equatable, Sendable {
    /// Shared memory is full: not even the smallest cache, or not this large value, fits.
    case noSpace
    /// The cache's own map is full: evict, or start a new generation.
    case full
    /// The folder holds no cache of this format.
    case badFormat
    /// As many readers as the cache has room for.
    case tooManyReaders
    /// Another refusal of the system or of LMDB, named in `call` and `detail`.
    case system
  }

  package let code: Code
  /// The C name of the call that failed.
  package let call: String
  /// What was being done, as a phrase after "while".
  package let doing: String
  package let detail: String

  package init(_ code: Code, call: String, doing: String, detail: String) {
    self.code = code
    self.call = call
    self.doing = doing
    self.detail = detail
  }

  init(_ error: PlatformError) {
    code = error.isOutOfSpace ? .noSpace : .system
    call = error.call
    doing = error.doing
    detail = error.codeName
  }

  package var description: String { "\(call): \(detail) while \(doing)" }

  /// What to do where shared memory is small.
  package static let roomHint =
    "free or enlarge it (df -h /dev/shm; in a container --shm-size=256m), or name a folder on "
    + "a larger tmpfs (CLOUDBURST_SHM, or --shm-folder of cloudburstd node)"

  /// As it reaches people: what happened, why, and what to do next.
  package var failure: Failure {
    switch code {
    case .noSpace:
      Failure(
        .storageFailed, "no room in shared memory for the node's cache: \(description)",
        hint: Self.roomHint)
    case .full: Failure(.overloaded, "the node's cache is full: \(description)")
    case .tooManyReaders:
      Failure(.overloaded, "too many executors read the node's cache: \(description)")
    case .badFormat, .system:
      Failure(.internalError, "the node's cache failed: \(description)")
    }
  }
}

extension PlatformError {
  /// `EFBIG` and `ENOMEM` are how a file system and `mmap` say that a size is beyond them.
  var isOutOfSpace: Bool { ["ENOSPC", "EFBIG", "ENOMEM", "EDQUOT"].contains(codeName) }
}
