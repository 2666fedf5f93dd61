import CloudburstValues
import Platform

/// Which storage nodes a running local cluster is to have. `cbctl storage` writes it and sends
/// `SIGHUP`; the cluster then starts those that are missing and has the others hand over their keys.
package struct StorageNodesFile: Codable, Equatable, Sendable, Value {
  package var numbers: [Int]

  package init(numbers: [Int]) { self.numbers = numbers }

  package func write(to folder: RunFolder) throws {
    let json = try EncodedValue(self).converted(to: .json).bytes
    try Files.writeAtomically(json, to: folder.storageNodesFile)
  }

  /// - Returns: nil where there is no such file, or none that this version can read.
  package static func read(from folder: RunFolder) -> StorageNodesFile? {
    guard let bytes = try? Files.contents(of: folder.storageNodesFile, bytesMax: 64 << 10) else {
      return nil
    }
    return try? EncodedValue(encoding: .json, bytes: bytes).decode()
  }
}
