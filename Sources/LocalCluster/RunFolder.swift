package import ClusterModel
import Glibc
import Platform

/// Where a local cluster keeps what lives as long as it does: `$TMPDIR/cloudburst-UID/PORT`.
package struct RunFolder: Equatable, Sendable {
  package let path: String
  package let port: UInt16

  package var runFile: String { path + "/run.json" }
  /// Which storage nodes there are to be; read anew on `SIGHUP`.
  package var storageNodesFile: String { path + "/storage-nodes.json" }
  package var logFile: String { path + "/cloudburstd.log" }
  package var bundleFolder: String { path + "/bundles" }

  package init(port: UInt16) {
    self.port = port
    path = Self.top + "/\(port)"
  }

  /// The folder of all local clusters of this user.
  package static var top: String {
    let temporary = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    let base = temporary.isEmpty ? "/tmp" : temporary
    return (base.hasSuffix("/") ? String(base.dropLast()) : base) + "/cloudburst-\(getuid())"
  }

  /// The clusters there are, running or left behind, by port.
  package static func all() -> [RunFolder] {
    let names = (try? Files.names(in: top)) ?? []
    return names.compactMap { UInt16($0) }.sorted().map { RunFolder(port: $0) }
  }

  /// Makes the folder, for its owner only.
  ///
  /// - Throws: `notAllowed` where another user made the folder above it: what that user could put
  ///   there (a socket, a bundle) must not be trusted.
  package func create() throws {
    try Files.createFolders(path)
    for folder in [Self.top, path] {
      var facts = stat()
      guard lstat(folder, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR,
        facts.st_uid == getuid(), facts.st_mode & 0o077 == 0
      else {
        throw Failure(
          .notAllowed, "\(folder) belongs to somebody else, or others may write to it",
          hint: "remove it, or set TMPDIR to a folder of your own")
      }
    }
  }

  /// An ipc endpoint in this folder. Its name carries the incarnation, so none is ever reused.
  ///
  /// - Throws: `usage` where the path is too long for a socket (107 bytes).
  package func endpoint(_ name: String, _ incarnation: Incarnation) throws -> String {
    let socket = "\(path)/\(name)-\(incarnation).ipc"
    guard socket.utf8.count <= 107 else {
      throw Failure(
        .usage, "\(socket) is too long for a socket's path (107 bytes)",
        hint: "set TMPDIR to a shorter path")
    }
    return "ipc://" + socket
  }

  package func remove() {
    removeTree(path)
  }
}

/// Removes a folder and what is in it; what cannot be removed stays. Follows no links.
package func removeTree(_ path: String) {
  var facts = stat()
  guard lstat(path, &facts) == 0 else { return }
  if facts.st_mode & S_IFMT == S_IFDIR {
    for name in (try? Files.names(in: path)) ?? [] { removeTree("\(path)/\(name)") }
    rmdir(path)
  } else {
    unlink(path)
  }
}
